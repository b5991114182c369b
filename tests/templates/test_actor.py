"""The job of a release, run as a worker runs it: claimed, carried out, deleted in the transaction of its effect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import select

from server.config import Settings
from server.kit.db import Database
from server.kit.jobs import JobRow
from server.kit.locks import WorkerLock
from server.platforms.registry import Registry
from server.templates import service as templates
from server.templates.models import ReleaseState
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, a_franchise
from tests.templates.shared_texts import a_text, open_locations, said_at
from workers.actors.templates import ACTORS
from workers.run import Runtime, carry_out, claim


@pytest.fixture
async def runtime(database: Database, settings: Settings) -> AsyncIterator[Runtime]:
    """A worker process of its own, by its lock."""
    lock = WorkerLock(database.system_dsn)
    await lock.acquire()
    yield Runtime(database, Registry({}), settings, lock)
    await lock.release()


async def owed(database: Database, organization: AnOrganization) -> list[UUID]:
    """Return the ids of the jobs that are owed."""
    async with begin_read(database, organization.scope) as uow:
        return list(await uow.session.scalars(select(JobRow.id).where(JobRow.organization_id == organization.id)))


async def run_all(runtime: Runtime, organization: AnOrganization) -> int:
    """Carry out job after job until none is owed; return how many runs it took."""
    runs = 0
    while waiting := await owed(runtime.database, organization):
        run = await claim(runtime, organization.id, waiting[0])
        assert run is not None
        await carry_out(run, ACTORS)
        runs += 1
    return runs


async def test_a_worker_places_a_release_page_by_page_and_owes_nothing_at_the_end(
    database: Database, runtime: Runtime
) -> None:
    franchise = await a_franchise(database, locations=1)
    await open_locations(database, franchise, 2_000)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)

    runs = await run_all(runtime, franchise)

    assert runs == 3
    async with begin_read(database, franchise.scope) as uow:
        row = await templates.release_by_id(uow, started.id)
    assert (row.state, row.placed, row.total) == (ReleaseState.DONE, 2_001, 2_001)
    assert await said_at(database, franchise.scope, franchise.units["location 1"], template_id) == "Hello"


async def test_the_job_of_a_release_that_was_rolled_back_ends_without_an_effect(
    database: Database, runtime: Runtime
) -> None:
    franchise = await a_franchise(database, locations=1)
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    async with begin(database, franchise.scope) as uow:
        started = await templates.release(uow, template_id, None, franchise.root_id)
        await templates.roll_back(uow, started.id)

    assert await run_all(runtime, franchise) == 1

    async with begin_read(database, franchise.scope) as uow:
        row = await templates.release_by_id(uow, started.id)
    assert (row.state, row.placed) == (ReleaseState.ROLLED_BACK, 0)
