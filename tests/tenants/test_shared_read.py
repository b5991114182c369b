"""The one connection of an operation: turns, its end with the first failure, and writing between reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server.kit.db import Database
from server.kit.turns import Room, Turns
from server.tenants import service as tenants
from server.tenants.scope import Scope
from server.tenants.shared_read import ReadInsideRead, SharedRead
from tests.factories.tenants import AnOrganization, an_agency


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    return await an_agency(database)


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
async def reads(database: Database, agency: AnOrganization, failures: list[BaseException]) -> AsyncIterator[SharedRead]:
    made = SharedRead(database, lambda: agency.scope, failures.append)
    yield made
    await made.aclose()


def held(database: Database) -> int:
    """Return how many connections are taken from the pool."""
    return int(database.app_engine.pool.checkedout())  # type: ignore[attr-defined]


async def backend(reads: SharedRead) -> int:
    """Return which connection reads, and that it may not write."""
    async with reads.turn() as uow:
        row = (
            await uow.session.execute(text("SELECT pg_backend_pid(), current_setting('transaction_read_only')"))
        ).one()
        assert row[1] == "on"
        return int(row[0])


async def test_many_readers_at_once_share_one_connection_and_one_transaction(
    database: Database, reads: SharedRead
) -> None:
    before = held(database)

    async def moment() -> object:
        async with reads.turn() as uow:
            return (await uow.session.execute(text("SELECT pg_backend_pid(), transaction_timestamp()"))).one()

    seen = await asyncio.gather(*(moment() for _ in range(20)))

    assert len({tuple(one) for one in seen}) == 1  # type: ignore[arg-type]
    assert held(database) == before + 1


async def test_a_failed_statement_ends_it_for_everybody_and_is_told_once(
    reads: SharedRead, failures: list[BaseException]
) -> None:
    async def fail() -> None:
        async with reads.turn() as uow:
            await uow.session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        await fail()
    with pytest.raises(DBAPIError):
        await backend(reads)

    assert len(failures) == 1


async def test_what_is_written_in_between_is_read_afterwards_on_the_same_connection(
    database: Database, agency: AnOrganization, reads: SharedRead
) -> None:
    first = await backend(reads)
    async with reads.writing() as uow:
        pid = (await uow.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await uow.session.execute(
            text("UPDATE unit SET name = 'written' WHERE id = :id"), {"id": agency.units["client 1"]}
        )
        during = held(database)
    async with reads.turn() as uow:
        found = await tenants.units_by_id(uow, [agency.units["client 1"]])

    assert (found[agency.units["client 1"]].name, pid) == ("written", first)
    assert held(database) == during


async def test_a_refusal_while_writing_leaves_the_reading_whole(reads: SharedRead) -> None:
    class Refused(Exception):
        pass

    async def write() -> None:
        async with reads.writing() as uow:
            await uow.session.execute(text("SELECT 1"))
            raise Refused

    with pytest.raises(Refused):
        await write()

    assert await backend(reads)


async def test_whoever_has_the_turn_and_waits_for_another_is_told_instead_of_waiting_for_ever(
    reads: SharedRead,
) -> None:
    async def nested() -> None:
        async with reads.turn():
            await backend(reads)

    with pytest.raises(ReadInsideRead):
        await asyncio.wait_for(nested(), 20)


async def test_a_reader_that_is_cut_off_ends_its_statement_and_the_next_one_reads_on(
    database: Database, agency: AnOrganization, reads: SharedRead
) -> None:
    async def sleep() -> None:
        async with reads.turn() as uow:
            await uow.session.execute(text("SELECT pg_sleep(60)"))

    sleeping = asyncio.create_task(sleep())
    await _until(database, agency.scope, 1)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping

    await _until(database, agency.scope, 0)
    assert await backend(reads)


async def test_one_that_is_not_kept_gives_its_connection_back_when_nobody_reads(
    database: Database, agency: AnOrganization
) -> None:
    before = held(database)
    reads = SharedRead(database, lambda: agency.scope, print, is_kept=False)

    await asyncio.gather(*(backend(reads) for _ in range(5)))

    assert held(database) == before


async def test_one_that_is_not_kept_reads_on_after_a_failure(database: Database, agency: AnOrganization) -> None:
    reads = SharedRead(database, lambda: agency.scope, print, is_kept=False)

    async def fail() -> None:
        async with reads.turn() as uow:
            await uow.session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        await fail()

    assert await backend(reads)


@pytest.mark.parametrize("is_kept", [False, True])
async def test_who_is_cut_off_at_whatever_moment_leaves_neither_a_connection_nor_a_place(
    database: Database, agency: AnOrganization, is_kept: bool
) -> None:
    before = held(database)
    turns = Turns(Room(size=1, share=1, line=100, most=100, patience_s=30))

    for steps in range(0, 90, 2):
        reads = SharedRead(database, lambda: agency.scope, print, admit=lambda: turns.turn("socket"), is_kept=is_kept)
        readers = [asyncio.create_task(used(reads)) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for one in readers:
            one.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async with asyncio.timeout(30):
        await turns.enter("socket")
        while held(database) != before:
            await asyncio.sleep(0.01)


async def used(reads: SharedRead) -> None:
    """Read, write and end, as a request does."""
    try:
        await backend(reads)
        async with reads.elsewhere():
            pass
        async with reads.writing() as uow:
            await uow.session.execute(text("SELECT 1"))
        await backend(reads)
    finally:
        await reads.end()


async def test_elsewhere_holds_no_connection_of_its_own(database: Database, reads: SharedRead) -> None:
    before = held(database)
    await backend(reads)

    async with reads.elsewhere():
        during = held(database)

    assert during == before


async def _until(database: Database, scope: Scope, count: int) -> None:
    """Wait until so many statements of this database sleep."""
    while True:
        async with database.scoped(
            scope.context(read_only=True)
        ) as session:  # a role sees the statements of its own kind
            found = await session.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
                    " AND query LIKE 'SELECT pg_sleep%'"
                )
            )
            if found.scalar_one() == count:
                return
        await asyncio.sleep(0.02)
