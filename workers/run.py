"""One run of one job: claim the row, let the actor work, delete the row in the transaction of the effect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from server.config import Settings
from server.kit import jobs
from server.kit.db import Database
from server.kit.locks import WorkerLock
from server.platforms.registry import Registry
from server.tenants.scope import worker_scope
from server.tenants.uow import UnitOfWork, begin, begin_read


class RetryLater(Exception):
    """The job is given back, due after `delay`, without counting this run as an attempt."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay.total_seconds()} s")
        self.delay = delay


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every run of one worker process shares."""

    database: Database
    registry: Registry
    settings: Settings
    lock: WorkerLock


@dataclass(slots=True)
class Run:
    """What an actor is given: units of work in the scope of the job's organization, and the way to finish the job."""

    runtime: Runtime
    claimed: jobs.ClaimedJob
    worker_id: UUID
    is_finished: bool = field(default=False)

    @property
    def organization_id(self) -> UUID:
        """Return the organization of the job's row; never that of the message that rang."""
        return self.claimed.organization_id

    @property
    def registry(self) -> Registry:
        """Return the connectors."""
        return self.runtime.registry

    @property
    def settings(self) -> Settings:
        """Return the settings of the process."""
        return self.runtime.settings

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work over the whole organization of the job."""
        async with begin(self.runtime.database, worker_scope(self.organization_id)) as uow:
            yield uow

    @asynccontextmanager
    async def begin_read(self) -> AsyncIterator[UnitOfWork]:
        """Open a read-only unit of work over the whole organization of the job."""
        async with begin_read(self.runtime.database, worker_scope(self.organization_id)) as uow:
            yield uow

    async def finish(self, uow: UnitOfWork) -> None:
        """Delete the job in this unit of work; raises ClaimLost when another worker took it over."""
        await uow.flush()
        await jobs.finish(uow.session, self.claimed, self.worker_id)
        self.is_finished = True


Actor = Callable[[Run, Any], Awaitable[None]]


async def claim(runtime: Runtime, organization_id: UUID, job_id: UUID) -> Run | None:
    """Claim the job that a bell rang for; None when there is nothing (more) to do.

    The row is looked up inside the wall of the named organization, so a forged message reaches no other tenant's job.
    """
    worker_id = runtime.lock.worker_id
    async with begin(runtime.database, worker_scope(organization_id)) as uow:
        claimed = await jobs.claim(uow.session, organization_id, job_id, worker_id)
    return None if claimed is None else Run(runtime, claimed, worker_id)


async def carry_out(run: Run, actors: dict[type, Actor]) -> None:
    """Run the actor of the job's kind and finish the job, if the actor did not."""
    work = jobs.decode(run.claimed.kind, run.claimed.payload)
    await actors[type(work)](run, work)
    if not run.is_finished:
        async with run.begin() as uow:
            await run.finish(uow)
