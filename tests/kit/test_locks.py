"""The worker's lock: who holds it is alive, and a lost one is never mistaken for a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.locks import WorkerLock, WorkerLockLost, is_abandoned, lock_key
from server.tenants.uow import system_scope

_LONGER_THAN_ONE_CHECK_S = 0.1


@pytest.fixture
async def lock(database: Database) -> AsyncIterator[WorkerLock]:
    """A worker's lock, taken."""
    taken = WorkerLock(database.system_dsn)
    await taken.acquire()
    yield taken
    await taken.release()


async def _gone(database: Database, worker_id: UUID) -> bool:
    async with system_scope(database) as session:
        return await is_abandoned(session, worker_id)


async def _cut(database: Database, worker_id: UUID) -> None:
    """End the connection that holds the lock, as a restart of the server does."""
    async with system_scope(database) as session:
        ended = await session.execute(
            text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = :name"),
            {"name": f"switchboard-worker-{worker_id}"},
        )
        assert ended.scalars().all() == [True]
    await asyncio.sleep(_LONGER_THAN_ONE_CHECK_S)


async def test_a_worker_is_gone_when_its_lock_is_free_and_not_before(database: Database, lock: WorkerLock) -> None:
    alive = await _gone(database, lock.worker_id)
    await lock.release()

    assert alive is False
    assert await _gone(database, lock.worker_id)
    assert await _gone(database, uuid4())


async def test_asking_whether_a_worker_is_gone_takes_nothing_from_it(database: Database, lock: WorkerLock) -> None:
    for _ in range(3):
        assert not await _gone(database, lock.worker_id)

    await asyncio.sleep(_LONGER_THAN_ONE_CHECK_S)
    await lock.ensure(lock.worker_id)


async def test_a_lost_connection_is_noticed_and_a_new_lock_has_a_new_name(database: Database, lock: WorkerLock) -> None:
    before = lock.worker_id
    await _cut(database, before)

    with pytest.raises(WorkerLockLost):
        await lock.ensure(before)
    with pytest.raises(WorkerLockLost):
        await lock.ensure(before)
    after = await lock.acquire()

    assert after == lock.worker_id != before
    await lock.ensure(after)
    with pytest.raises(WorkerLockLost):
        await lock.ensure(before)
    assert await _gone(database, before)
    assert not await _gone(database, after)


async def test_everybody_who_asks_at_the_moment_of_the_loss_hears_of_it(database: Database, lock: WorkerLock) -> None:
    before = lock.worker_id
    await _cut(database, before)

    async def renew() -> None:
        with pytest.raises(WorkerLockLost):
            await lock.ensure(before)
        await lock.acquire()

    asked = await asyncio.gather(renew(), *(lock.ensure(before) for _ in range(20)), return_exceptions=True)

    assert asked[0] is None
    assert {type(one) for one in asked[1:]} == {WorkerLockLost}


async def test_a_lock_that_was_never_taken_is_not_held(database: Database) -> None:
    lock = WorkerLock(database.system_dsn)

    with pytest.raises(WorkerLockLost):
        await lock.ensure(lock.worker_id)


def test_the_keys_of_locks_fit_the_database_and_differ() -> None:
    keys = {lock_key(new_id()) for _ in range(10_000)}

    assert len(keys) == 10_000
    assert all(0 <= key < 2**63 for key in keys)
