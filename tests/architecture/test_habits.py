"""The habits of the house (style.md, section 1) that a reader relies on without checking."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import pytest

from server.kit.jobs import kind_of, registered
from tests.architecture.source import PRODUCT, ROOT, Function, Source, nodes, sources
from workers.actors.registry import ACTORS

MAX_FILE = 400
MAX_FUNCTION = 40
MAX_NAMED = 5

LONG_FILES = {}
FLAT_LISTS = "migrations/versions/"
"""A migration is a flat list of tables, written by Alembic and never rewritten; its length says nothing."""

SQL_ELSEWHERE = {
    "server/consent/batches.py": "the gate's facts for a whole audience, in a constant number of statements",
    **{
        f"server/{one}/leaving.py": "one engine runs what each slice declares about its own tables"
        for one in ("auth", "campaigns", "consent", "contacts", "inbox", "metering", "sends", "tenants")
    },
    "server/tenants/departures.py": "marks what leaves, beside the declarations of the spine's own tables",
    "server/tenants/idempotency.py": "the unique key decides",
    "workers/bell.py": "reads and marks the rows of the kit, over all organizations",
    "workers/schedule.py": "asks which organization lacks its housekeeping",
}

CATCHES_ALL = ("workers/middleware/", "server/web/middleware.py")
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" * 3 + ":")
WRITTEN = ("*.py", "*.md", "*.toml", "*.cfg", "*.ini", "*.yaml", "*.graphql", "*.mako")


def test_no_file_is_longer_than_a_reader_can_hold(capsys: pytest.CaptureFixture[str]) -> None:
    by_size = sorted(sources(), key=lambda source: -source.lines)

    too_long = {one.path for one in by_size if one.lines > MAX_FILE and not one.path.startswith(FLAT_LISTS)}

    with capsys.disabled():
        _show("files", [(source.lines, source.path) for source in by_size])
    assert not too_long - LONG_FILES.keys(), "\n".join(sorted(too_long - LONG_FILES.keys()))
    assert LONG_FILES.keys() - too_long == set(), "an exception that is no longer needed"


def _show(what: str, by_size: Sequence[tuple[int, str]]) -> None:
    rows = [f"{lines:6} {name}" for lines, name in by_size[:10]]
    sys.stdout.write("\n".join(["", f"The ten largest {what}:", *rows, ""]))


def test_no_function_is_longer_than_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    by_size = sorted(
        ((_length(node), f"{source.path}:{name}") for source in sources() for name, node in source.functions()),
        reverse=True,
    )

    too_long = [name for length, name in by_size if length > MAX_FUNCTION and not name.startswith(FLAT_LISTS)]

    with capsys.disabled():
        _show("functions", by_size)
    assert too_long == []


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_public_function_of_a_service_says_what_it_does() -> None:
    silent = [
        f"{source.at(node)} {name}"
        for source in sources("server")
        if "/service" in source.path
        for name, node in source.functions()
        if "." not in name and not name.startswith("_") and not ast.get_docstring(node)
    ]

    assert silent == []


@pytest.mark.parametrize("part", ["rules.py", "jobs.py", "models.py", "errors.py"])
def test_every_public_rule_table_job_and_error_says_what_it_is(part: str) -> None:
    silent = [
        f"{source.at(node)} {node.name}"
        for source in sources("server")
        if source.path.endswith(f"/{part}")
        for node in source.tree.body
        if isinstance(node, Function | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]

    assert silent == []


def test_every_file_of_the_product_says_what_it_holds() -> None:
    silent = [
        source.path
        for source in sources(*PRODUCT)
        if not source.path.endswith("__init__.py") and not ast.get_docstring(source.tree)
    ]

    assert silent == []


def test_only_the_middleware_catches_everything() -> None:
    found = [
        source.at(node)
        for source in sources()
        for node in nodes(source)
        if isinstance(node, ast.ExceptHandler)
        if not source.path.startswith(CATCHES_ALL) and _catches_all(node)
    ]
    suppressed = [
        source.at(node)
        for source in sources()
        for node in nodes(source)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
        if {"Exception", "BaseException"} & {ast.unparse(argument) for argument in node.args}
    ]

    assert found == []
    assert suppressed == []


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return bool({"Exception", "BaseException"} & {ast.unparse(kind) for kind in kinds})


def test_imports_stand_at_the_top() -> None:
    found = [
        f"{source.at(node)} in {name}"
        for source in sources()
        for name, function in source.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert found == []


def test_nothing_is_mocked_slept_through_or_skipped() -> None:
    banned = {"unittest", "mock"}
    found = [
        f"{source.at(node)} {ast.unparse(node)}"
        for source in sources()
        for node in nodes(source)
        if isinstance(node, ast.Import | ast.ImportFrom)
        if banned & {part for name in _names(node) for part in name.split(".")}
    ]
    called = [
        f"{source.at(node)} {ast.unparse(node.func)}"
        for source in sources()
        for node in nodes(source)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "pytest.skip", "pytest.mark.skipif"}
    ]

    assert found == []
    assert called == []


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    yield from (name.name for name in node.names)


def test_nothing_in_the_tree_is_marked_as_unfinished() -> None:
    folders = [*{source.path.split("/")[0] for source in sources()}, "docs", "frontend-contract"]
    files = [path for folder in folders for pattern in WRITTEN for path in (ROOT / folder).rglob(pattern)]
    found = [
        path.relative_to(ROOT).as_posix() for path in files if any(word in path.read_text() for word in UNFINISHED)
    ]

    assert found == []


def test_every_exception_that_a_checker_is_told_to_ignore_carries_its_code() -> None:
    bare = ("# type: ignore\n", "# noqa\n", "# pyright: ignore\n")
    found = [
        f"{source.path}:{number}"
        for source in sources(*PRODUCT)
        for number, line in enumerate(source.text.splitlines(keepends=True), 1)
        if line.endswith(bare)
    ]

    assert found == []


def test_every_kind_of_job_has_exactly_one_actor() -> None:
    for source in sources("server", "workers"):
        if _declares_jobs(source):
            import_module(source.path.removesuffix(".py").replace("/", "."))

    ours = {kind for kind in registered() if kind.__module__.split(".")[0] in {"server", "workers"}}

    assert {kind_of(kind).name for kind in ours - ACTORS.keys()} == set()
    assert ACTORS.keys() - ours == set()


def _declares_jobs(source: Source) -> bool:
    return any(
        isinstance(node, ast.ClassDef)
        and any(
            isinstance(mark, ast.Call) and ast.unparse(mark.func).split(".")[-1] == "job"
            for mark in node.decorator_list
        )
        for node in source.tree.body
    )


def test_actors_are_short_and_leave_the_work_to_services() -> None:
    sql = {"select", "insert", "update", "delete", "text"}
    found = [
        f"{source.at(node)} {ast.unparse(node.func)}"
        for source in sources("workers/actors")
        for node in nodes(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in sql
    ]

    assert found == []


def test_sql_is_run_only_in_repositories_the_kit_and_the_listed_files() -> None:
    runs = {"execute", "scalar", "scalars", "stream", "stream_scalars"}
    found = {
        source.path
        for source in sources("server", "workers")
        if not source.path.startswith("server/kit/") and "/repository" not in source.path
        for node in nodes(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in runs
        if ast.unparse(node.func.value).endswith("session")
    }

    assert found == SQL_ELSEWHERE.keys(), "SQL belongs into the repository of its slice"
