"""SQL of the traces of reading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.models import ReadTraceRow

# One statement that locks and writes nothing while all traces are young, which is how it nearly always is. Sorted, so that
# two requests of one person lock their rows in one order.
_NOTE = text("""
INSERT INTO read_trace AS known (organization_id, actor_id, subject_id, traced_at)
SELECT :organization, :actor, wanted.id, clock_timestamp() FROM unnest(cast(:ids AS uuid[])) AS wanted(id)
WHERE NOT EXISTS (SELECT FROM read_trace AS young
  WHERE young.organization_id = :organization AND young.actor_id = :actor AND young.subject_id = wanted.id
    AND young.traced_at > clock_timestamp() - cast(:age AS interval))
ORDER BY wanted.id
ON CONFLICT (organization_id, actor_id, subject_id) DO UPDATE SET traced_at = excluded.traced_at
  WHERE known.traced_at <= clock_timestamp() - cast(:age AS interval)
RETURNING subject_id
""")


async def note_reads(
    session: AsyncSession, organization_id: UUID, actor_id: UUID, ids: Sequence[UUID], age: timedelta
) -> list[UUID]:
    """Note that the actor reads the objects now; return those of which there was no note younger than `age`."""
    values = {"organization": organization_id, "actor": actor_id, "ids": list(ids), "age": age}
    return list(await session.scalars(_NOTE, values))


async def delete_traces(session: AsyncSession, organization_id: UUID, age: timedelta) -> None:
    """Delete notes that are older than `age`; the trail keeps the acts."""
    await session.execute(
        delete(ReadTraceRow).where(
            ReadTraceRow.organization_id == organization_id, ReadTraceRow.traced_at < func.clock_timestamp() - age
        )
    )
