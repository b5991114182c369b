"""The bell: tenants in turn, and the jobs of dead workers put back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.config import Settings
from server.kit import jobs
from server.kit.db import Database
from server.kit.jobs import JobState
from server.kit.locks import WorkerLock, living
from server.tenants.uow import begin, system_scope
from tests.factories.tenants import AnOrganization, an_agency
from tests.kit.errands import Errand, ask, let_time_pass, owed, refused_in
from workers import bell


async def _only(session: AsyncSession, *organizations: UUID) -> None:
    """Silence, for this transaction, what other tests left to be rung for."""
    await session.execute(
        text("UPDATE job SET rung_at = clock_timestamp() WHERE organization_id <> ALL (:mine)"),
        {"mine": list(organizations)},
    )


async def test_one_tenants_hundreds_of_jobs_do_not_stand_before_anothers_one(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    small = await an_agency(database)
    async with begin(database, agency.scope) as uow:
        for number in range(600):
            uow.defer(Errand(f"{number}"))
    await let_time_pass(database, agency.scope, 60)
    late = {(await ask(database, small.scope, name)).id for name in ("first", "second")}

    async with refused_in(system_scope(database)) as session:
        await _only(session, agency.id, small.id)
        rung = [job_id for _, _, job_id in await bell.due(session, settings)]

    assert len(rung) == 400
    assert set(rung[:4]) >= late, "the second job of the small tenant comes right after the second of the big one"


async def test_a_job_is_rung_for_once_until_its_ring_is_held_for_lost(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    row = await ask(database, agency.scope)

    async def rung() -> list[UUID]:
        async with system_scope(database) as session:
            await _only(session, agency.id)
            return [job_id for _, _, job_id in await bell.due(session, settings)]

    first, second = await rung(), await rung()
    await let_time_pass(database, agency.scope, 60)
    third = await rung()

    assert (first, second, third) == ([row.id], [], [row.id])


async def test_rings_that_nobody_answered_are_rung_again_before_they_are_held_for_lost(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    row = await ask(database, agency.scope)

    async with refused_in(system_scope(database)) as session:
        await _only(session, agency.id)
        await bell.due(session, settings)
        await session.execute(
            text("UPDATE job SET rung_at = rung_at - interval '1 second' WHERE id = :id"), {"id": row.id}
        )
        too_early = await bell.due(session, settings)
        await bell.ring_again(session)
        await _only(session, agency.id)
        again = await bell.due(session, settings)

    assert too_early == []
    assert [job_id for _, _, job_id in again] == [row.id]


async def test_a_worker_that_ended_is_missed_among_the_living(database: Database) -> None:
    worker = WorkerLock(database.system_dsn)
    name = f"switchboard-worker-{await worker.acquire()}"

    before = await _living(database)
    await worker.release()
    async with asyncio.timeout(5):  # the server ends a session a moment after its client
        while name in await _living(database):
            await asyncio.sleep(0.01)

    assert name in before


async def _living(database: Database) -> frozenset[str]:
    async with system_scope(database) as session:
        return await living(session)


async def test_the_bell_knows_when_the_next_job_falls_due(database: Database, agency: AnOrganization) -> None:
    async with begin(database, agency.scope) as uow:
        uow.defer(Errand("soon"), delay=timedelta(milliseconds=300))

    async with system_scope(database) as session:
        wait_s = await bell.next_due_s(session)

    assert wait_s is not None
    assert wait_s <= 0.3


async def test_the_job_of_a_worker_is_put_back_only_when_its_lock_is_free(
    database: Database, agency: AnOrganization
) -> None:
    row = await ask(database, agency.scope)
    worker = WorkerLock(database.system_dsn)
    worker_id = await worker.acquire()
    async with begin(database, agency.scope) as uow:
        assert await jobs.claim(uow.session, agency.id, row.id, worker_id)
    await let_time_pass(database, agency.scope, 3600)

    async with system_scope(database) as session:
        await bell.put_back(session)
    [held] = await owed(database, agency.scope)
    await worker.release()
    async with system_scope(database) as session:
        await bell.put_back(session)
    [queued] = await owed(database, agency.scope)

    assert (held.state, held.claimed_by) == (JobState.CLAIMED, worker_id)
    assert (queued.state, queued.claimed_by, queued.attempts, queued.rung_at) == (JobState.QUEUED, None, 1, None)
