"""SQL of exporting the trail: where a range begins and ends, and where the file belongs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.models import AuditEventRow
from server.tenants.models import UnitRow


async def span(
    session: AsyncSession, organization_id: UUID, since: datetime | None, until: datetime | None
) -> tuple[int, int] | None:
    """Return the first and the last number of the events from `since` on and before `until`; None if there are none."""
    statement = select(func.min(AuditEventRow.seq), func.max(AuditEventRow.seq)).where(
        AuditEventRow.organization_id == organization_id
    )
    if since is not None:
        statement = statement.where(AuditEventRow.occurred_at >= since)
    if until is not None:
        statement = statement.where(AuditEventRow.occurred_at < until)
    first, last = (await session.execute(statement)).one()
    return None if first is None else (first, last)


async def hash_of(session: AsyncSession, organization_id: UUID, seq: int) -> bytes | None:
    """Return the hash of one event."""
    found = await session.scalar(
        select(AuditEventRow.hash).where(AuditEventRow.organization_id == organization_id, AuditEventRow.seq == seq)
    )
    return None if found is None else bytes(found)


async def root_id(session: AsyncSession, organization_id: UUID) -> UUID:
    """Return the root of the organization's tree."""
    found = await session.execute(
        select(UnitRow.id).where(UnitRow.organization_id == organization_id, UnitRow.parent_id.is_(None))
    )
    return found.scalar_one()
