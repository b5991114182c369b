"""Uses: none is lost, none is counted twice, and what callers call themselves does not fill the table."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from server.config import Settings
from server.documents import service as documents
from server.documents.counting import MAX_BUILDS, OTHERS, UseCounter
from server.documents.rules import USES_KEPT, ClientBuild, digest_of
from server.documents.service import UseFilter
from server.kit.db import Database
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.documents import WEB_1, WEB_2, a_text, registered
from tests.factories.tenants import an_agency

DIGESTS = [digest_of(a_text(name)) for name in ("A", "B", "C")]


async def _uses(database: Database, scope: Scope, days: int = 1) -> dict[tuple[bytes, str, str], int]:
    async with begin_read(database, scope) as uow:
        found = await documents.list_uses(uow, UseFilter(timedelta(days=days)))
    return {(one.digest, one.app, one.version): one.uses for one in found}


async def test_three_processes_that_end_gracefully_lose_and_double_nothing(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    arguments = [str(agency.id), "301", *(one.hex() for one in DIGESTS)]

    running = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.documents.counting_process", *order)
        for order in (arguments, [*arguments[:2], *reversed(arguments[2:])], arguments)
    ]
    ended = [await one.wait() for one in running]

    assert ended == [0, 0, 0]
    uses = await _uses(database, agency.scope)
    assert sum(uses.values()) == 903
    assert {key[0]: count for key, count in uses.items()} == {DIGESTS[0]: 302, DIGESTS[1]: 300, DIGESTS[2]: 301}


async def test_uses_are_written_while_the_service_runs(database: Database) -> None:
    agency = await an_agency(database)
    counter = UseCounter(database, pause_s=0.02)
    counter.start()

    counter.note(agency.id, DIGESTS[0], "A", WEB_1)
    async with asyncio.timeout(20):
        while not await _uses(database, agency.scope):
            await asyncio.sleep(0.02)
    counter.note(agency.id, DIGESTS[0], "A", WEB_1)
    await counter.aclose()

    assert await _uses(database, agency.scope) == {(DIGESTS[0], "web", "1.0.0"): 2}


async def test_uses_of_two_organizations_are_written_together_and_seen_apart(database: Database) -> None:
    ours, theirs = await an_agency(database), await an_agency(database)
    counter = UseCounter(database)

    for organization, build in ((ours, WEB_1), (theirs, WEB_1), (ours, WEB_1), (ours, WEB_2)):
        counter.note(organization.id, DIGESTS[0], "A", build)
    await counter.flush()

    assert await _uses(database, ours.scope) == {
        (DIGESTS[0], "web", "1.0.0"): 2,
        (DIGESTS[0], "web", "2.0.0"): 1,
    }
    assert await _uses(database, theirs.scope) == {(DIGESTS[0], "web", "1.0.0"): 1}


async def test_what_the_database_does_not_take_is_written_later(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    counter = UseCounter(database)
    owner = settings.database.owner
    assert owner is not None
    address = owner.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("REVOKE INSERT ON document_use FROM switchboard_system")
        try:
            counter.note(agency.id, DIGESTS[0], "A", WEB_1)
            await counter.flush()
            counter.note(agency.id, DIGESTS[0], "A", WEB_1)
            before = await _uses(database, agency.scope)
        finally:
            connection.execute("GRANT INSERT ON document_use TO switchboard_system")
    await counter.aclose()

    assert before == {}
    assert await _uses(database, agency.scope) == {(DIGESTS[0], "web", "1.0.0"): 2}


async def test_a_caller_that_always_calls_itself_something_else_is_counted_as_one_of_the_others(
    database: Database,
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    counter = UseCounter(database)

    for number in range(MAX_BUILDS + 50):
        counter.note(agency.id, DIGESTS[0], "A", ClientBuild("web", str(number)))
    counter.note(agency.id, DIGESTS[0], "A", ClientBuild("web", "0"))
    counter.note(other.id, DIGESTS[0], "A", WEB_1)
    await counter.flush()

    async with begin_read(database, agency.scope) as uow:
        found = await uow.session.execute(text("SELECT app || ' ' || version, uses FROM document_use"))
        rows = {row[0]: row[1] for row in found}
    assert len(rows) == MAX_BUILDS + 1
    assert (rows[f"{OTHERS.app} {OTHERS.version}"], rows["web 0"]) == (50, 2)
    assert await _uses(database, other.scope) == {(DIGESTS[0], "web", "1.0.0"): 1}


async def test_uses_are_added_up_over_the_days_that_are_asked_for(database: Database) -> None:
    agency = await an_agency(database)
    counter = UseCounter(database)
    for days in (3, 2, 1):
        counter.note(agency.id, DIGESTS[0], "A", WEB_1)
        await counter.flush()
        async with begin(database, agency.scope) as uow:
            statement = text("UPDATE document_use SET day = day - :days WHERE day = (now() AT TIME ZONE 'UTC')::date")
            await uow.session.execute(statement, {"days": days})

    counter.note(agency.id, DIGESTS[1], "B", WEB_1)
    await counter.flush()

    key = (DIGESTS[0], "web", "1.0.0")
    assert [(await _uses(database, agency.scope, days)).get(key) for days in (1, 2, 3, 4)] == [None, 1, 2, 3]


async def test_old_uses_are_forgotten_and_younger_ones_stay(database: Database) -> None:
    agency = await an_agency(database)
    counter = UseCounter(database)
    for digest in DIGESTS[:2]:
        counter.note(agency.id, digest, "A", WEB_1)
    await counter.flush()
    async with begin(database, agency.scope) as uow:
        statement = text("UPDATE document_use SET day = day - :days WHERE digest = :digest")
        for digest, days in zip(DIGESTS, (USES_KEPT.days, USES_KEPT.days - 1), strict=False):
            await uow.session.execute(statement, {"days": days, "digest": digest})

    async with begin(database, agency.scope) as uow:
        await documents.forget_old_uses(uow)

    async with begin_read(database, agency.scope) as uow:
        left = (await uow.session.scalars(text("SELECT digest FROM document_use"))).all()
    assert [bytes(one) for one in left] == [DIGESTS[1]]


async def test_each_registration_shows_the_builds_that_use_its_text_most(database: Database) -> None:
    agency = await an_agency(database)
    rows = (await registered(database, agency.scope, WEB_1, [a_text("A"), a_text("B")])).rows
    counter = UseCounter(database)
    for number in range(documents.MAX_USES_OF_ONE + 5):
        for _ in range(number + 1):
            counter.note(agency.id, DIGESTS[0], "A", ClientBuild("web", str(number)))
    await counter.flush()

    async with begin_read(database, agency.scope) as uow:
        found = await documents.uses_of(uow, [row.id for row in rows])

    assert found.keys() == {rows[0].id}
    assert [one.uses for one in found[rows[0].id]] == list(range(25, 5, -1))


@pytest.mark.parametrize("build", [WEB_1, OTHERS])
async def test_one_statement_writes_whatever_was_counted(database: Database, build: ClientBuild) -> None:
    agency = await an_agency(database)
    counter = UseCounter(database)
    for number in range(2_000):
        counter.note(agency.id, digest_of(str(number)), f"Q{number % 7}", build)

    await counter.flush()

    async with begin_read(database, agency.scope) as uow:
        counted = (await uow.session.execute(text("SELECT count(*), sum(uses) FROM document_use"))).one()
    assert tuple(counted) == (2_000, 2_000)
