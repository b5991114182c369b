"""SQL of the people of groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.inbox.models import ParticipantRow
from server.kit.ids import new_ids
from server.tenants.cuts import is_one_of

# Each moment moves one way only: the result is the same for every order in which the news come, and however often.
_NOTE = text("""
INSERT INTO participant AS p (organization_id, id, unit_id, group_id, contact_id, since, seen_at, left_at)
SELECT :organization, one.id, :unit, :group, one.contact_id, :seen_at, :seen_at, :left_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:contacts AS uuid[])) AS one(id, contact_id)
ORDER BY one.contact_id
ON CONFLICT (organization_id, group_id, contact_id) DO UPDATE SET
  since = least(p.since, excluded.since), seen_at = greatest(p.seen_at, excluded.seen_at),
  left_at = greatest(p.left_at, excluded.left_at)
""")


async def note(
    session: AsyncSession,
    organization_id: UUID,
    unit_id: UUID,
    group_id: UUID,
    contact_ids: Sequence[UUID],
    *,
    seen_at: datetime | None = None,
    left_at: datetime | None = None,
) -> None:
    """Note that these contacts were in the group at a moment, or left it."""
    values = {
        "organization": organization_id,
        "unit": unit_id,
        "group": group_id,
        "ids": new_ids(len(contact_ids)),
        "contacts": list(contact_ids),
        "seen_at": seen_at,
        "left_at": left_at,
    }
    await session.execute(_NOTE, values)


async def participants(
    session: AsyncSession, organization_id: UUID, group_ids: Collection[UUID], units: Collection[UUID] | None
) -> Sequence[ParticipantRow]:
    """Return the people of these groups, first come first; `units` None stands for every unit."""
    row = ParticipantRow
    statement = select(row).where(row.organization_id == organization_id, row.group_id.in_(group_ids))
    if units is not None:
        statement = statement.where(is_one_of(row.unit_id, units))
    return (await session.scalars(statement.order_by(row.since, row.id))).all()


async def count_present(session: AsyncSession, organization_id: UUID, group_id: UUID) -> int:
    """Return how many people are known to be in the group now."""
    row = ParticipantRow
    statement = select(func.count()).where(
        row.organization_id == organization_id,
        row.group_id == group_id,
        or_(row.left_at.is_(None), row.seen_at > row.left_at),
    )
    return int((await session.execute(statement)).scalar_one())
