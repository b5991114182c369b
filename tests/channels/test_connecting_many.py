"""Bulk connects: one rule, thousands of pages, a result for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.choices import UNIT_PREFIX, ListFormat
from server.channels.errors import ChoicesUnclear, CompletionInvalid, ConnectionNotOpen
from server.channels.service import Wanted
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied
from server.kit.ids import encode, new_id
from server.schema.nodes import Kind
from server.tenants import service as tenants
from server.tenants.rules import OperationState, Permission, Role
from server.tenants.service import NewFile
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.channels import a_page, an_external_id
from tests.factories.connecting import Landed, Stage, a_person_with, connected, granted
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person, an_agency
from tests.standin_server import Platform
from tests.workshop import Workshop

PAGES = 450


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


async def start(stage: Stage, member: APerson, at: Landed, wanted: Wanted) -> UUID:
    """Ask for the pages; return the operation."""
    async with begin(stage.database, member.scope) as uow:
        return (await channels.start_connecting(uow, at.connection_id, at.completion, wanted)).id


async def told(stage: Stage, organization: AnOrganization, operation_id: UUID) -> tuple[object, ...]:
    """State, total, done and failed of an operation."""
    async with begin_read(stage.database, organization.scope) as uow:
        row = (await tenants.operations_by_id(uow, [operation_id]))[operation_id]
        return row.state, row.total, row.done, row.failed


async def problems(stage: Stage, operation_id: UUID, organization: AnOrganization) -> list[tuple[int, str, str]]:
    """Line, code and last step of the path of each problem."""
    async with begin_read(stage.database, organization.scope) as uow:
        rows = await uow.session.execute(
            text("SELECT line, code, path ->> -1 FROM operation_problem WHERE operation_id = :id ORDER BY line"),
            {"id": operation_id},
        )
        return [tuple(row) for row in rows]


async def content(lines: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield lines


async def a_file(stage: Stage, member: APerson, unit_id: UUID, lines: bytes) -> UUID:
    """An uploaded file."""
    async with begin(stage.database, member.scope) as uow:
        new = NewFile(unit_id, "pages.csv", "text/csv", timedelta(days=1), Permission.UNIT_MANAGE)
        return (await tenants.store_file(uow, new, content(lines))).id


def a_table(rows: list[tuple[str, UUID]], *more: str) -> bytes:
    """A CSV file of pages and units, as a spreadsheet writes it."""
    lines = [f"{page},{encode(UNIT_PREFIX, unit)}" for page, unit in rows]
    return "\r\n".join(["externalId,unitId", *lines, *more, ""]).encode()


async def test_everything_that_was_found_is_connected_to_one_unit_in_committed_steps(
    stage: Stage, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_person_with(platform, pages := [an_external_id() for _ in range(PAGES)])
    at = await granted(stage, member.scope, unit_id, person)

    operation_id = await start(stage, member, at, Wanted(unit_id=unit_id))
    await workshop.work(agency.id)

    assert await told(stage, agency, operation_id) == (OperationState.SUCCEEDED, PAGES, PAGES, 0)
    async with begin_read(database, agency.scope) as uow:
        found = await uow.session.execute(text("SELECT external_id, unit_id, connected_by FROM page"))
        assert {row[0] for row in found if row[1:] == (unit_id, member.scope.actor.id)} == set(pages)
        kept = await uow.session.execute(text("SELECT state, found_sealed FROM channel_connection"))
        assert [tuple(row) for row in kept] == [("FINISHED", None)]
        subscribing = await uow.session.execute(text("SELECT count(*) FROM job WHERE kind = 'channels.subscribe_page'"))
        assert subscribing.scalar_one() == PAGES


async def test_each_page_of_a_file_gets_its_own_result_and_nobody_is_named(
    stage: Stage, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    franchise, other = await a_franchise(database, locations=3), await an_agency(database)
    here, there, elsewhere = (franchise.units[f"location {number}"] for number in (1, 2, 3))
    member = await a_person(database, settings, franchise, here, Role.ADMIN, also=[(there, Role.ADMIN)])
    good, taken, moved, hidden, foreign, twice, odd = pages = [an_external_id() for _ in range(7)]
    person = await a_person_with(platform, pages)
    await a_page(database, other, other.units["client 1"], external_id=taken)
    await a_page(database, franchise, there, external_id=moved)
    await a_page(database, franchise, elsewhere, external_id=hidden)
    at = await granted(stage, member.scope, here, person)
    rows = [
        *(
            (good, here),
            (taken, here),
            (moved, here),
            (hidden, here),
            (foreign, elsewhere),
            (twice, there),
            (twice, here),
        ),
        *(("4711", here), (odd, other.units["client 1"])),
    ]
    file_id = await a_file(stage, member, here, a_table(rows, f"{odd},nonsense"))

    operation_id = await start(stage, member, at, Wanted(file_id=file_id))
    await workshop.work(franchise.id)

    assert await told(stage, franchise, operation_id) == (OperationState.SUCCEEDED, 10, 10, 8)
    assert await problems(stage, operation_id, franchise) == [
        (2, "channel.page_taken", taken),
        (3, "channel.page_in_other_unit", moved),
        (4, "channel.page_taken", hidden),
        (5, "not_found", foreign),
        (7, "channel.page_not_offered", twice),
        (8, "channel.page_not_offered", "4711"),
        (9, "not_found", odd),
        (10, "not_found", odd),
    ]


async def test_a_worker_that_died_goes_on_behind_the_last_committed_step(
    stage: Stage, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_person_with(platform, [an_external_id() for _ in range(30)])
    at = await granted(stage, member.scope, unit_id, person)
    operation_id = await start(stage, member, at, Wanted(unit_id=unit_id))
    async with begin(database, agency.scope) as uow:
        left = await channels.choices_of(uow, operation_id)
        assert left is not None
        await channels.connect_part(uow, operation_id, at.connection_id, left[:20])

    await workshop.work(agency.id)

    assert await told(stage, agency, operation_id) == (OperationState.SUCCEEDED, 30, 30, 0)
    async with begin_read(database, agency.scope) as uow:
        acts = await uow.session.execute(
            text("SELECT subject_id FROM audit_event WHERE action = 'channel:page:connect'")
        )
        assert Counter(acts.scalars().all()).most_common(1)[0][1] == 1


async def test_the_code_of_a_dialogue_is_used_up_by_a_bulk_connect(
    stage: Stage, database: Database, settings: Settings, platform: Platform
) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    stranger = await a_person(database, settings, agency, agency.root_id, Role.ADMIN, name="Eve")
    person = await a_person_with(platform, [page := an_external_id()])
    at = await granted(stage, member.scope, unit_id, person)
    with pytest.raises(NotFound):
        await start(stage, stranger, at, Wanted(unit_id=unit_id))
    with pytest.raises(CompletionInvalid):
        await start(stage, member, Landed(at.connection_id, "guessed"), Wanted(unit_id=unit_id))
    await start(stage, member, at, Wanted(unit_id=unit_id))

    with pytest.raises((CompletionInvalid, ConnectionNotOpen)):
        await start(stage, member, at, Wanted(unit_id=unit_id))
    async with begin(database, member.scope) as uow:
        with pytest.raises((CompletionInvalid, ConnectionNotOpen)):
            await channels.finish_connection(uow, at.connection_id, at.completion, [(page, unit_id)])


async def test_a_rule_that_is_unclear_or_not_allowed_is_refused_at_once(
    stage: Stage, database: Database, settings: Settings, platform: Platform
) -> None:
    agency = await an_agency(database)
    mine, other = agency.units["client 1"], agency.units["client 2"]
    member = await a_person(database, settings, agency, mine, Role.ADMIN)
    person = await a_person_with(platform, [an_external_id()])
    at = await granted(stage, member.scope, mine, person)
    bad = [await a_file(stage, member, mine, one) for one in (b"\xff\xfe", b"a,b\n1,2\n", b"", b"externalId,unitId\n")]

    for wanted in (
        Wanted(),
        Wanted(unit_id=mine, pages=[("1", mine)]),
        Wanted(pages=[]),
        Wanted(pages=[("1", mine)] * 10_001),
        *(Wanted(file_id=one) for one in bad),
    ):
        with pytest.raises(ChoicesUnclear):
            await start(stage, member, at, wanted)
    with pytest.raises((NotFound, PermissionDenied)):
        await start(stage, member, at, Wanted(unit_id=other))
    with pytest.raises(NotFound):
        await start(stage, member, at, Wanted(file_id=new_id(), file_format=ListFormat.JSONL))


async def test_a_page_that_is_connected_again_keeps_its_place_and_gets_the_new_token(
    stage: Stage, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    member = await a_person(database, settings, agency, unit_id, Role.ADMIN)
    person = await a_person_with(platform, [page := an_external_id()])
    first = (await connected(stage, member.scope, unit_id, person, [page]))[0].page
    assert first is not None
    at = await granted(stage, member.scope, unit_id, person)

    await start(stage, member, at, Wanted(pages=[(page, unit_id)]))
    await workshop.work(agency.id)

    async with begin_read(database, agency.scope) as uow:
        rows = await uow.session.execute(text("SELECT id, tokens_at > :before FROM page"), {"before": first.tokens_at})
        assert [tuple(row) for row in rows] == [(first.id, True)]


def test_units_are_named_in_lists_as_the_schema_names_them() -> None:
    assert Kind.UNIT.value == UNIT_PREFIX
