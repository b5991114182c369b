"""What comes round by the clock: housekeeping of each organization, and the safety net below the job rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth import service as auth
from server.kit import jobs, ratelimit
from server.kit.db import Database
from server.kit.jobs import Queue, job
from server.sends.jobs import QUEUE_OF, DrainPage
from server.sends.models import Purpose
from server.tenants.uow import system_scope
from workers.bell import forgotten

HOUSEKEEPING_EVERY = timedelta(hours=6)

_UNTENDED = text("""
SELECT organization_id FROM organization o
WHERE NOT EXISTS (SELECT FROM job WHERE job.organization_id = o.organization_id AND job.kind = 'tenants.keep_house')
LIMIT 500
""")


@job("tenants.keep_house", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class KeepHouse:
    """Delete what one organization no longer needs: old idempotency keys, early receipts of other apps' messages."""


async def tick(database: Database) -> None:
    """Ask for what is missing; safe to run at any time and by several processes at once."""
    async with system_scope(database) as session:
        await ratelimit.sweep(session)
        await auth.forget_old(session)
        await _drain_forgotten(session)
        for (organization_id,) in (await session.execute(_UNTENDED)).all():
            wanted = jobs.Deferred(KeepHouse(), "house", HOUSEKEEPING_EVERY)
            await jobs.write(session, organization_id, [wanted])


async def _drain_forgotten(session: AsyncSession) -> None:
    for organization_id, page_id, name in await forgotten(session):
        purpose = Purpose(name)
        wanted = jobs.Deferred(DrainPage(page_id, purpose), f"{page_id}:{name}", queue=QUEUE_OF[purpose])
        await jobs.write(session, organization_id, [wanted])
