"""A file becomes units: all of it or nothing, told line by line, and the same file twice changes nothing."""

from __future__ import annotations

import asyncio
from io import BytesIO
from itertools import islice

import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants import service as tenants
from server.tenants.errors import UnitArchived, UnitMisplaced
from server.tenants.rules import OperationState, Role, UnitKind
from server.tenants.service import UnitChange
from server.tenants.sheets import SheetFormat, rows
from server.tenants.uow import begin, begin_read
from tests.factories.imports import a_file, an_import, ended, operation, problems, units_of
from tests.factories.tenants import AnOrganization, a_person
from tests.factories.trees import closures, two_regions
from tests.schema.asking import statements
from tests.workshop import Workshop
from workers.actors.registry import ACTORS
from workers.bind import answer

CHAIN = """external_code;name;kind;parent_code;city;opening_hours;attr.parking
L-1;Hauptplatz;;R-2;Linz;Mon-Fri 09:00-18:00, 19:00-20:00;"Behind the house,
two places"
R-2;Upper Austria;region;R-1;;;
R-1;Austria;REGION;;;;
L-2;Bahnhof;LOCATION;R-2;Linz;;
"""


async def _ended(
    database: Database, workshop: Workshop, made: AnOrganization, content: bytes | str, **more: object
) -> tuple[OperationState, dict[str, object], list[tuple[int, str, list[str]]]]:
    asked = await an_import(database, made, content, **more)  # type: ignore[arg-type]
    row = await ended(database, workshop, made, asked)
    return row.state, dict(row.result), await problems(database, made, asked)


async def test_lines_in_any_order_become_a_tree(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)

    asked = await an_import(database, made, CHAIN)
    row = await ended(database, workshop, made, asked)

    assert (row.state, row.total, row.done, row.failed) == (OperationState.SUCCEEDED, 4, 4, 0)
    assert row.result == {"created": 4, "updated": 0, "unchanged": 0}
    units = await units_of(database, made)
    assert (units["Hauptplatz"].kind, units["Austria"].kind) == (UnitKind.LOCATION, UnitKind.REGION)
    assert units["Hauptplatz"].parent_id == units["Upper Austria"].id
    assert units["Austria"].parent_id == made.root_id
    assert units["Hauptplatz"].attributes["parking"] == "Behind the house,\ntwo places"
    assert "city" not in units["Austria"].attributes
    stored, true = await closures(database, made)
    assert stored == true
    async with begin_read(database, made.scope) as uow:
        last = (await audit.list_events(uow, PageArguments(first=1))).items[0]
    assert (last.action, last.subject_id, last.details["created"]) == ("unit:import:end", asked, 4)


async def test_the_same_file_twice_changes_nothing(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    await _ended(database, workshop, made, CHAIN)
    before = {name: (row.id, row.attributes) for name, row in (await units_of(database, made)).items()}

    _, result, _ = await _ended(database, workshop, made, CHAIN)

    assert result == {"created": 0, "updated": 0, "unchanged": 4}
    assert {name: (row.id, row.attributes) for name, row in (await units_of(database, made)).items()} == before


async def test_a_known_code_changes_the_name_and_the_named_attributes_and_nothing_else(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)
    await _ended(database, workshop, made, CHAIN)

    state, result, _ = await _ended(
        database,
        workshop,
        made,
        "external_code,name,city,phone\nL-1,Hauptplatz 1,,+43 732 123456\nL-2,Bahnhof,Linz,\nL-3,Neu,Wels,\n",
    )

    assert (state, result) == (OperationState.SUCCEEDED, {"created": 1, "updated": 1, "unchanged": 1})
    units = await units_of(database, made)
    attributes = units["Hauptplatz 1"].attributes
    assert (attributes["phone"], "city" in attributes, "parking" in attributes) == ("+43732123456", False, True)
    assert units["Hauptplatz 1"].parent_id == units["Upper Austria"].id
    assert units["Neu"].parent_id == made.root_id


async def test_a_dry_run_tells_what_would_be_and_writes_no_unit(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    before = set(await units_of(database, made))

    state, result, _ = await _ended(database, workshop, made, CHAIN, is_dry_run=True)

    assert (state, result) == (OperationState.SUCCEEDED, {"created": 4, "updated": 0, "unchanged": 0})
    assert set(await units_of(database, made)) == before


async def test_one_wrong_line_keeps_all_others_out(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    before = set(await units_of(database, made))
    wrong = CHAIN + "L-9;;SHOP;;Linz;always;\nL-8;=1+1;;;;;@x\n"

    asked = await an_import(database, made, wrong)
    row = await ended(database, workshop, made, asked)

    assert (row.state, row.total, row.done, row.failed) == (OperationState.FAILED, 6, 6, 2)
    assert row.result["code"] == "import.refused"
    assert await problems(database, made, asked) == [
        (7, "invalid_input", ["name"]),
        (7, "invalid_input", ["kind"]),
        (7, "invalid_input", ["opening_hours"]),
        (8, "invalid_input", ["name"]),
        (8, "invalid_input", ["attr.parking"]),
    ]
    assert set(await units_of(database, made)) == before


CROSSED = """external_code,name,kind,parent_code
n1,n1 anew,REGION,
n2,n2,,
s1,s1,,
new,twin,,
new,other,,
a,A,REGION,b
b,B,REGION,c
c,C,REGION,a
below,Below a circle,,a
lost,Lost,,nowhere
outside,Outside,,south
x,X,REGION,y
y,Y,,
z,twin,,
n9,n1 anew,,
"""


async def test_lines_are_checked_against_each_other_and_against_the_tree(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)
    async with begin(database, made.scope) as uow:
        for name in ("n1", "n2", "s1", "south"):
            await tenants.update_unit(uow, made.units[name], UnitChange(sets_code=True, external_code=name))
        await tenants.archive_unit(uow, made.units["n2"])

    state, _, found = await _ended(database, workshop, made, CROSSED, under=made.units["north"])

    assert state is OperationState.FAILED
    assert found == [
        (2, "unit.misplaced", ["kind"]),
        (2, "already_exists", ["name"]),
        (3, "unit.archived", ["external_code"]),
        (4, "already_exists", ["external_code"]),
        (5, "already_exists", ["name"]),
        (6, "already_exists", ["external_code"]),
        (7, "unit.cycle", ["parent_code"]),
        (8, "unit.cycle", ["parent_code"]),
        (9, "unit.cycle", ["parent_code"]),
        (10, "unit.cycle", ["parent_code"]),
        (11, "invalid_input", ["parent_code"]),
        (12, "invalid_input", ["parent_code"]),
        (13, "unit.misplaced", ["kind"]),
        (15, "already_exists", ["name"]),
        (16, "already_exists", ["name"]),
    ]


async def test_an_import_does_not_move_units_nor_put_them_under_archived_ones_nor_too_deep(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)
    async with begin(database, made.scope) as uow:
        for name in ("n1", "north", "south"):
            await tenants.update_unit(uow, made.units[name], UnitChange(sets_code=True, external_code=name))
        await tenants.archive_unit(uow, made.units["south"])
    chain = "".join(f"r{n},r{n},REGION,{f'r{n - 1}' if n else 'north'}\n" for n in range(13))
    lines = f"external_code,name,kind,parent_code\nn1,n1,,r0\nnew,new,,south\n{chain}"

    _, _, found = await _ended(database, workshop, made, lines)

    assert found == [
        (2, "unit.misplaced", ["parent_code"]),
        (3, "unit.archived", ["parent_code"]),
        (15, "unit.too_deep", ["parent_code"]),
        (16, "unit.too_deep", ["parent_code"]),
    ]


async def test_names_may_be_exchanged_within_one_file(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    await _ended(database, workshop, made, "external_code,name\na,First\nb,Second\n")

    state, result, _ = await _ended(database, workshop, made, "external_code,name\na,Second\nb,First\n")

    assert (state, result["updated"]) == (OperationState.SUCCEEDED, 2)


async def test_json_lines_say_the_same(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    lines = b"""{"external_code": "L-1", "name": "Hauptplatz", "parent_code": "R-1", "attr.parking": "yes", "city": null}

{"external_code": "R-1", "name": "Austria", "kind": "REGION"}
"""

    _, result, _ = await _ended(database, workshop, made, lines, form=SheetFormat.JSONL)
    _, _, wrong = await _ended(
        database, workshop, made, b'{"external_code": 7, "name": "x", "colour": "red"}\n[]\n{', form=SheetFormat.JSONL
    )

    assert result == {"created": 2, "updated": 0, "unchanged": 0}
    assert (await units_of(database, made))["Hauptplatz"].attributes == {"parking": "yes"}
    assert [(line, path) for line, _, path in wrong] == [
        (1, ["colour"]),
        (1, ["external_code"]),
        (1, ["external_code"]),
        (2, []),
        (3, []),
    ]


HEAD = b"external_code,name\n"


@pytest.mark.parametrize(
    ("form", "content", "line"),
    [
        (SheetFormat.CSV, b"", 0),
        (SheetFormat.CSV, HEAD, 0),
        (SheetFormat.CSV, b"\xff\xfee\0x\0", 1),
        (SheetFormat.CSV, b"name,colour\nx,y\n", 1),
        (SheetFormat.CSV, b"external_code,name,name\n", 1),
        (SheetFormat.CSV, b'"external_code\n",name\n', 1),
        (SheetFormat.CSV, b",".join([b"attr.a%d" % n for n in range(200)]), 1),
        (SheetFormat.CSV, HEAD + b"1,M\xfcnchen\n", 2),
        (SheetFormat.CSV, HEAD + b"1,a,b\n", 2),
        (SheetFormat.CSV, HEAD + b"1\n", 2),
        (SheetFormat.CSV, HEAD + b'1,"a"b\n', 2),
        (SheetFormat.CSV, HEAD + b'1,"a', 2),
        (SheetFormat.CSV, HEAD + b"1," + b"x" * 1_000_000 + b"\n", 2),
        (SheetFormat.CSV, HEAD + b"1,a\0b\n", 2),
        (SheetFormat.CSV, HEAD + b"\n\n1,\x1b[31m\n", 4),
        (SheetFormat.CSV, HEAD + b"=cmd|' /C calc'!A0,a\n", 2),
        (SheetFormat.JSONL, b"\xef\xbb\xbf", 0),
        (SheetFormat.JSONL, b"[" * 60_000, 1),
        (SheetFormat.JSONL, b'{"name": "' + b"x" * 1_000_000 + b'"}', 1),
        (SheetFormat.JSONL, b'{"external_code": "1", "name": "\\ud800"}', 1),
        (SheetFormat.JSONL, b'{"external_code": "1", "name": "a\\u0000b"}', 1),
        (SheetFormat.JSONL, b"null", 1),
    ],
)
async def test_hostile_files_get_problems_and_no_exceptions(
    database: Database, workshop: Workshop, form: SheetFormat, content: bytes, line: int
) -> None:
    made = await two_regions(database)

    state, _, found = await _ended(database, workshop, made, content, form=form)

    assert state is OperationState.FAILED
    assert {one[0] for one in found} == {line}


async def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_no_problem(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)

    _, result, _ = await _ended(database, workshop, made, b"\xef\xbb\xbfexternal_code;name\r\n\r\n1;A, B\r\n;\r\n")

    assert result["created"] == 1


def test_a_file_has_at_most_fifty_thousand_rows() -> None:
    content = HEAD + b"".join(b"%d,a%d\n" % (n, n) for n in range(60_000))

    *kept, last = rows(SheetFormat.CSV, BytesIO(content))

    assert (len(kept), last.line, len(last.problems)) == (50_000, 50_002, 1)
    assert not any(row.problems for row in kept[-10:])


async def test_a_worker_that_dies_in_the_middle_leaves_nothing_half_done(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)
    before = set(await units_of(database, made))
    content = HEAD + b"".join(b"%d,a%d\n" % (n, n) for n in range(2_500)) + b",broken\n"
    asked = await an_import(database, made, content)

    # What a killed run leaves behind: two committed steps, and its job.
    async with begin(database, made.scope) as uow:
        await tenants.start_over(uow, asked)
    with_rows = list(islice(rows(SheetFormat.CSV, BytesIO(content)), 2_000))
    for start in (0, 1_000):
        async with begin(database, made.scope) as uow:
            await tenants.put_aside(uow, asked, with_rows[start : start + 1_000])
    half = await operation(database, made, asked)
    assert (half.state, half.done, set(await units_of(database, made))) == (OperationState.RUNNING, 2_000, before)

    row = await ended(database, workshop, made, asked)

    assert (row.state, row.total, row.done, row.failed) == (OperationState.FAILED, 2_501, 2_501, 1)
    async with begin_read(database, made.scope) as uow:
        left = (await uow.session.execute(text("SELECT count(*) FROM unit_import_row"))).scalar_one()
    assert left == 0


async def test_two_imports_of_one_file_at_once_make_each_unit_once(database: Database, workshop: Workshop) -> None:
    made = await two_regions(database)
    asked = [await an_import(database, made, CHAIN) for _ in range(2)]
    async with begin_read(database, made.scope) as uow:
        due = (await uow.session.scalars(text("SELECT id FROM job WHERE kind = 'tenants.import_units'"))).all()

    await asyncio.gather(*(answer(workshop.runtime, made.id, one, dict(ACTORS)) for one in due))

    counts = [(await ended(database, workshop, made, one)).result["created"] for one in asked]
    assert sorted(counts) == [0, 4]  # type: ignore[type-var]


async def test_the_number_of_statements_grows_by_the_steps_and_not_by_the_lines(
    database: Database, workshop: Workshop
) -> None:
    made = await two_regions(database)

    with statements() as few:
        await _ended(database, workshop, made, HEAD + b"1,a1\n")
    with statements() as many:
        await _ended(database, workshop, made, HEAD + b"".join(b"%d,a%d\n" % (n, n) for n in range(2_000)))

    assert len(many) - len(few) <= 6


async def test_an_import_needs_leave_on_the_unit_and_on_the_file(database: Database, settings: Settings) -> None:
    made, foreign = await two_regions(database), await two_regions(database)
    north = await a_person(database, settings, made, made.units["north"], Role.ADMIN)
    manager = await a_person(database, settings, made, made.units["north"], Role.MANAGER)
    at_north = await a_file(database, made, b"", made.units["north"])
    at_root = await a_file(database, made, b"", made.root_id)
    elsewhere = await a_file(database, foreign, b"")

    async def refused(scope: object, file_id: object, parent_id: object) -> type[Exception]:
        with pytest.raises(Exception) as error:  # noqa: PT011 - the kind is what is asked for
            async with begin(database, scope) as uow:  # type: ignore[arg-type]
                await tenants.start_import(uow, file_id, SheetFormat.CSV, parent_id, is_dry_run=True)  # type: ignore[arg-type]
        return type(error.value)

    assert await refused(manager.scope, at_north, made.units["north"]) is PermissionDenied
    assert await refused(north.scope, at_north, made.units["south"]) is NotFound
    assert await refused(north.scope, at_north, made.root_id) is NotFound
    assert await refused(north.scope, at_root, made.units["north"]) is NotFound
    assert await refused(made.scope, elsewhere, made.root_id) is NotFound
    assert await refused(made.scope, new_id(), made.root_id) is NotFound
    assert await refused(made.scope, at_root, made.units["n1"]) is UnitMisplaced
    async with begin(database, made.scope) as uow:
        await tenants.archive_unit(uow, made.units["north"])
    assert await refused(made.scope, at_root, made.units["north"]) is UnitArchived
