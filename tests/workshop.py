"""Workers in the test process: `settle` carries out what is owed until nothing is, on real rows with real claims."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update

from server.kit.jobs import JobRow, JobState
from server.tenants.scope import worker_scope
from server.tenants.uow import begin, begin_read
from tests.standin_server import Platform
from workers.bind import answer
from workers.run import Actor, Runtime


@dataclass(frozen=True, slots=True)
class Workshop:
    """One worker, driven by the test instead of a broker."""

    runtime: Runtime
    actors: Mapping[type, Actor]

    async def work(self, organization_id: UUID, *, within: timedelta = timedelta()) -> int:
        """Carry out every job that is due now or `within` a time; return how many there were."""
        scope = worker_scope(organization_id)
        async with begin(self.runtime.database, scope) as uow:
            await uow.session.execute(
                update(JobRow)
                .where(
                    JobRow.organization_id == organization_id,
                    JobRow.state == JobState.QUEUED,
                    JobRow.due_at > func.clock_timestamp(),
                    JobRow.due_at <= func.clock_timestamp() + within,
                )
                .values(due_at=func.clock_timestamp())
            )
        async with begin_read(self.runtime.database, scope) as uow:
            due = (
                await uow.session.scalars(
                    select(JobRow.id)
                    .where(
                        JobRow.organization_id == organization_id,
                        JobRow.state == JobState.QUEUED,
                        JobRow.due_at <= func.clock_timestamp(),
                    )
                    .order_by(JobRow.due_at, JobRow.id)
                )
            ).all()
        for job_id in due:
            await answer(self.runtime, organization_id, job_id, dict(self.actors))
        return len(due)

    async def settle(self, organization_id: UUID, platform: Platform | None = None, *, timeout_s: float = 30) -> None:
        """Work until nothing is due and, with a platform, nothing of it is on its way."""
        async with asyncio.timeout(timeout_s):
            while True:
                worked = await self.work(organization_id)
                if worked == 0 and (platform is None or await platform.quiet()):
                    if await self.work(organization_id) == 0:
                        return
                    continue
                await asyncio.sleep(0.01)

    async def dead_jobs(self, organization_id: UUID) -> list[str]:
        """Return the errors of jobs that were given up."""
        async with begin_read(self.runtime.database, worker_scope(organization_id)) as uow:
            rows = await uow.session.execute(text("SELECT kind || ': ' || detail FROM dead_letter ORDER BY created_at"))
            return [row[0] for row in rows]
