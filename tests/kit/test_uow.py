"""The unit of work: all of it or nothing, and never in somebody else's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg import errors as pg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.live import Hint, Listener
from server.tenants import service as tenants
from server.tenants.rules import UnitKind
from server.tenants.uow import UnitOfWork, begin, begin_read
from tests.factories.tenants import AnOrganization
from tests.kit.errands import Errand, Refused, owed, refused_in

_CONTEXT = text(
    "SELECT pg_backend_pid() AS pid, coalesce(current_setting('app.organization', true), '') AS organization,"
    " coalesce(current_setting('app.all_units', true), '') AS all_units,"
    " coalesce(current_setting('app.units', true), '') AS units,"
    " coalesce(current_setting('app.lineage', true), '') AS lineage,"
    " current_setting('transaction_read_only') AS read_only, (SELECT count(*) FROM unit) AS visible"
)
_WRITE = text("UPDATE organization SET name = 'changed'")


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Database]:
    """A database with one connection in its pool: whatever one transaction leaves behind, the next one finds."""
    one = settings.database.model_copy(update={"pool_size": 1})
    opened = Database(one, KeyRing.parse(settings.security.keys.get_secret_value()))
    yield opened
    await opened.aclose()


async def _units(database: Database, agency: AnOrganization) -> int:
    async with begin_read(database, agency.scope) as uow:
        return int((await uow.session.execute(text("SELECT count(*) FROM unit"))).scalar_one())


async def _add(uow: UnitOfWork, agency: AnOrganization, name: str) -> None:
    await tenants.create_unit(uow, parent_id=agency.root_id, kind=UnitKind.CLIENT, name=name)
    uow.defer(Errand(name))
    uow.announce("units")


async def test_an_error_takes_back_rows_jobs_and_hints_alike(database: Database, agency: AnOrganization) -> None:
    before = await _units(database, agency)
    listener = Listener(database.system_dsn)
    async with (
        listener.watching(Hint("units", agency.id)) as wake,
        listener.watching(Hint("fence", agency.id)) as passed,
    ):
        listener.start()
        await asyncio.wait_for(passed.wait(), 10)
        wake.clear()
        passed.clear()

        async with refused_in(begin(database, agency.scope)) as uow:
            await _add(uow, agency, "never")
            await uow.flush()
        async with begin(database, agency.scope) as uow:
            uow.announce("fence")
        await asyncio.wait_for(passed.wait(), 10)

        assert not wake.is_set()
    await listener.aclose()
    assert await _units(database, agency) == before
    assert await owed(database, agency.scope) == []


async def test_what_succeeds_is_there_as_a_whole(database: Database, agency: AnOrganization) -> None:
    before = await _units(database, agency)

    async with begin(database, agency.scope) as uow:
        await _add(uow, agency, "client 9")

    assert await _units(database, agency) == before + 1
    assert [row.payload for row in await owed(database, agency.scope)] == [{"name": "client 9"}]


async def test_a_cancelled_unit_of_work_wrote_nothing(database: Database, agency: AnOrganization) -> None:
    before = await _units(database, agency)
    reached = asyncio.Event()

    async def work() -> None:
        async with begin(database, agency.scope) as uow:
            await _add(uow, agency, "never")
            await uow.flush()
            reached.set()
            await uow.session.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(work())
    await asyncio.wait_for(reached.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await _units(database, agency) == before
    assert await owed(database, agency.scope) == []


async def test_a_reading_unit_of_work_refuses_to_write_however_it_is_asked(
    database: Database, agency: AnOrganization
) -> None:
    async def ask(statement: str) -> None:
        async with begin_read(database, agency.scope) as uow:
            await uow.session.execute(text("SELECT 1"))
            await uow.session.execute(text(statement))

    for attempt in (
        "UPDATE organization SET name = 'changed'",
        "SELECT claim_page_route('MESSENGER', 'x', gen_random_uuid())",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
    ):
        with pytest.raises(DBAPIError) as refused:
            await ask(attempt)
        assert isinstance(refused.value.orig, (pg.ReadOnlySqlTransaction, pg.ActiveSqlTransaction)), attempt


async def test_a_unit_of_work_cannot_write_a_row_of_another_organization(
    database: Database, agency: AnOrganization
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(
                text("INSERT INTO organization (organization_id, kind, name) VALUES (gen_random_uuid(), 'AGENCY', 'x')")
            )

    assert isinstance(refused.value.orig, pg.InsufficientPrivilege)


async def _left_behind(database: Database) -> tuple[int, tuple[object, ...]]:
    async with database.app_engine.connect() as connection:
        row = (await connection.execute(_CONTEXT)).one()
    return row.pid, tuple(row)[1:]


NOTHING = ("", "", "", "", "off", 0)


async def test_the_next_user_of_a_connection_inherits_no_scope_and_no_mode(
    narrow: Database, agency: AnOrganization
) -> None:
    async with begin(narrow, agency.scope) as uow:
        inside = (await uow.session.execute(_CONTEXT)).one()
    after_write = await _left_behind(narrow)
    async with begin_read(narrow, agency.scope) as uow:
        reading = (await uow.session.execute(_CONTEXT)).one()
    after_read = await _left_behind(narrow)

    assert (inside.organization, inside.all_units, inside.visible) == (str(agency.id), "on", 3)
    assert reading.read_only == "on"
    assert after_write == after_read == (inside.pid, NOTHING)


async def test_nothing_is_inherited_after_an_error_either(narrow: Database, agency: AnOrganization) -> None:
    async with begin(narrow, agency.scope) as uow:
        pid = (await uow.session.execute(_CONTEXT)).one().pid
    async with refused_in(begin(narrow, agency.scope)) as uow:
        await uow.session.execute(_WRITE)
    with pytest.raises(DBAPIError):
        async with begin(narrow, agency.scope) as uow:
            await uow.session.execute(text("SELECT 1 / 0"))

    assert await _left_behind(narrow) == (pid, NOTHING)


async def test_nothing_is_inherited_after_a_cancel_and_the_pool_stays_whole(
    narrow: Database, agency: AnOrganization
) -> None:
    async def work(reached: asyncio.Event) -> None:
        async with begin(narrow, agency.scope) as uow:
            await uow.session.execute(_WRITE)
            reached.set()
            await uow.session.execute(text("SELECT pg_sleep(30)"))

    for _ in range(3):
        reached = asyncio.Event()
        task = asyncio.create_task(work(reached))
        await asyncio.wait_for(reached.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        _, left = await _left_behind(narrow)
        assert left == NOTHING


async def test_a_unit_of_work_that_was_committed_in_the_middle_can_do_no_more(
    database: Database, agency: AnOrganization
) -> None:
    async with begin(database, agency.scope) as uow:
        await uow.session.commit()
        with pytest.raises(InvalidRequestError, match="closed transaction"):
            await uow.session.execute(_CONTEXT)


async def test_two_scopes_that_run_at_once_see_each_their_own(database: Database, agency: AnOrganization) -> None:
    async def names(limit: int) -> set[str]:
        async with begin_read(database, agency.scope) as uow:
            await uow.session.execute(text("SELECT pg_sleep(0.01)"))
            found = await uow.session.execute(
                text("SELECT DISTINCT organization_id::text FROM unit LIMIT :n"), {"n": limit}
            )
            return set(found.scalars())

    seen = await asyncio.gather(*(names(n) for n in range(2, 22)))

    assert seen == [{str(agency.id)}] * 20


async def test_an_error_of_the_caller_is_passed_on_unchanged(database: Database, agency: AnOrganization) -> None:
    with pytest.raises(Refused, match="as it was"):
        async with begin(database, agency.scope):
            raise Refused("as it was")
