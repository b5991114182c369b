"""Borders that import-linter cannot express: who may read a repository, cross organizations, or name a platform."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from tests.architecture.source import PRODUCT, Source, imported, nodes, sources

READS_REPOSITORIES = "server/schema/loaders.py"
"""Loaders batch what a page shows; a service function for each would only repeat the repository's."""

CROSSES_ORGANIZATIONS = {
    "server/kit/budgets.py": "a bucket stands for an organization, a token or a network by a keyed hash",
    "server/auth/mail.py": "mail that a development machine keeps belongs to no organization",
    "server/auth/service/accounts.py": "a person has one account for all of their organizations",
    "server/auth/service/factors/owed.py": "factors are a person's, who may work for several organizations",
    "server/auth/service/factors/passkeys.py": "factors are a person's",
    "server/auth/service/factors/proof.py": "factors are a person's",
    "server/auth/service/factors/recovery.py": "factors are a person's",
    "server/auth/service/factors/totp.py": "factors are a person's",
    "server/auth/service/oidc.py": "nobody is known before they have signed in",
    "server/auth/service/verify.py": "nobody is known before they have signed in",
    "server/auth/service/mails.py": "mail is owed to a person",
    "server/auth/service/sign_in.py": "nobody is known before they have signed in",
    "server/auth/service/throttle.py": "attempts are counted before anybody is known",
    "server/auth/service/sessions.py": "a session is a person's, who may work for several organizations",
    "server/auth/service/tokens.py": "the use of a session's token is a use of the session",
    "server/auth/service/oauth/limits.py": "what is counted has no organization before the client is known",
    "server/documents/counting.py": "uses are counted for all organizations in one statement every few seconds",
    "server/tenants/uow.py": "defines it",
    "server/kit/db.py": "defines the transaction below it",
    "server/channels/service/leaving.py": "whom a revocation at a platform would hit, and strays, cross organizations",
    "server/channels/service/withdrawing.py": "a person's login may serve several organizations; the platform names none",
    "server/channels/service/ingest.py": "a webhook names a page, not an organization; the route is looked up first",
    "server/sends/quota.py": "the allowance of an app at its platform belongs to all organizations",
    "workers/bell.py": "rings for the due jobs of everybody",
    "workers/schedule.py": "asks for the housekeeping of everybody",
}

LOOKS_OVER_UNITS = {
    "server/auth/service/apart.py": "an app must not reach both sides of a wall, whoever makes its token",
    "server/auth/service/family.py": "what hangs on something is settled as a whole; told is its number, and what is dead",
    "server/auth/service/members.py": "a member has at most so many roles, those that the actor does not see included",
    "server/tenants/service/separation.py": "who works for a competitor is refused by who must not know of it",
}
"""Who decides over the whole organization in the scope of one unit; what is read so is told to nobody."""

AUTHLIB_FREE_OF_FRAMEWORKS = "authlib.integrations"

PLATFORM_WORDS = {"messenger", "instagram", "facebook", "linkedin", "tiktok", "twitter", "x"}
KNOWS_PLATFORMS = ("server/platforms/", "standin/", "switchboard/", "migrations/")


def test_a_repository_is_imported_only_by_its_own_slice_and_by_the_loaders() -> None:
    found = [
        f"{source.at(node)} imports {name}"
        for source in sources(*PRODUCT, "bench")
        for name, node in imported(source)
        if source.path != READS_REPOSITORIES and _is_foreign_repository(name, source.path)
    ]

    assert found == []


def _is_foreign_repository(name: str, path: str) -> bool:
    parts = name.split(".")
    return parts[0] == "server" and "repository" in parts[2:3] and not path.startswith(f"server/{parts[1]}/")


def test_the_scope_of_the_system_is_opened_only_in_the_listed_files() -> None:
    callers = {source.path for source in sources(*PRODUCT) if any(_opens_system(node) for node in nodes(source))}

    assert callers == CROSSES_ORGANIZATIONS.keys() - {"server/kit/db.py"}


def _opens_system(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="system_scope" | "unscoped_system")):
            return True
        case ast.Call(func=ast.Attribute(attr="system_scope" | "unscoped_system")):
            return True
    return False


def test_the_view_is_widened_to_the_whole_organization_only_in_the_listed_files() -> None:
    callers = {source.path for source in sources(*PRODUCT) if any(_widens(node) for node in nodes(source))}

    assert callers == LOOKS_OVER_UNITS.keys()


def _widens(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".whole_organization")


def test_the_engines_are_reached_only_through_a_unit_of_work() -> None:
    engines = {"app_engine", "system_engine", "scoped"}
    allowed = {
        "server/kit/db.py",  # defines them
        "server/tenants/uow.py",  # opens their transactions
    }
    found = [
        f"{source.at(node)} reaches .{node.attr}"
        for source in sources("server", "workers")
        for node in nodes(source)
        if isinstance(node, ast.Attribute) and node.attr in engines and source.path not in allowed
    ]

    assert found == []


def test_auth_uses_only_the_framework_neutral_core_of_authlib() -> None:
    found = [
        f"{source.at(node)} imports {name}"
        for source in sources("server", "workers")
        for name, node in imported(source)
        if name.split(".")[0] == "authlib" and not _may_use_authlib(source.path, name)
    ]

    assert found == []


def _may_use_authlib(path: str, name: str) -> bool:
    if path.startswith("server/auth/"):
        return not name.startswith(AUTHLIB_FREE_OF_FRAMEWORKS)
    return path.startswith("server/web/")


def test_the_kit_names_no_slice_in_its_imports() -> None:
    allowed = {"server.kit", "server.config"}
    found = [
        f"{source.at(node)} imports {name}"
        for source in sources("server/kit")
        for name, node in imported(source)
        if name.startswith("server.") and ".".join(name.split(".")[:2]) not in allowed
    ]

    assert found == []


def test_code_branches_on_capabilities_and_never_on_the_name_of_a_platform() -> None:
    found = [
        f"{source.at(node)} branches on {ast.unparse(node)}"
        for source in sources(*PRODUCT)
        if not source.path.startswith(KNOWS_PLATFORMS)
        for node in _branched_on(source)
        if _names_platform(node)
    ]

    assert found == []


def _branched_on(source: Source) -> Iterator[ast.expr]:
    for node in nodes(source):
        match node:
            case ast.Compare():
                yield from (part for side in (node.left, *node.comparators) for part in _expressions(side))
            case ast.MatchValue(value=value):
                yield value
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield from _expressions(test)


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    return (part for part in ast.walk(node) if isinstance(part, ast.expr))


def _names_platform(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return text.lower() in PLATFORM_WORDS
        case ast.Attribute(value=ast.Name(id="Channel"), attr=name):
            return name.lower() in PLATFORM_WORDS
        case ast.Attribute(value=ast.Attribute(attr="Channel"), attr=name):
            return name.lower() in PLATFORM_WORDS
    return False


def test_the_stand_in_imports_nothing_but_itself_and_its_libraries() -> None:
    libraries = {"httpx", "orjson", "starlette", "uvicorn", "pydantic", "standin", *sys.stdlib_module_names}
    found = {
        f"{source.at(node)} imports {name}"
        for source in sources("standin")
        for name, node in imported(source)
        if name.split(".")[0] not in libraries
    }

    assert found == set()


def test_while_a_read_is_open_nothing_is_waited_for_but_its_own_session() -> None:
    """All reads of one operation take turns at one session: a loader that is awaited within a turn waits for ever."""
    waiting = [
        source.at(wait)
        for source in sources("server")
        if source.path.startswith("server/schema/")
        for block in nodes(source)
        if isinstance(block, ast.AsyncWith)
        for item in block.items
        if ast.unparse(item.context_expr).endswith("context.read()") and isinstance(item.optional_vars, ast.Name)
        for wait in ast.walk(ast.Module(block.body, []))
        if isinstance(wait, ast.Await) and not _asks(wait.value, item.optional_vars.id)
    ]

    assert waiting == []


def _asks(call: ast.expr, uow: str) -> bool:
    """Say whether what is awaited is called with the unit of work, or is its own method."""
    if not isinstance(call, ast.Call):
        return False
    first = call.args[0] if call.args else call.func
    while isinstance(first, ast.Attribute):
        first = first.value
    return isinstance(first, ast.Name) and first.id == uow
