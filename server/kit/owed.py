"""Walking through what is owed and what was buried, to find what belongs to somebody who leaves. The caller decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.jobs import DeadLetterRow, DeadLetterSource, JobRow

_QUIET = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Owed:
    """What one job row names."""

    id: UUID
    kind: str
    payload: Mapping[str, object]
    dedupe_key: str


async def jobs_after(session: AsyncSession, organization_id: UUID, after: UUID | None, limit: int) -> list[Owed]:
    """Return job rows in the order of their ids, dead ones included."""
    statement = select(JobRow.id, JobRow.kind, JobRow.payload, JobRow.dedupe_key).where(
        JobRow.organization_id == organization_id
    )
    if after is not None:
        statement = statement.where(JobRow.id > after)
    return [Owed(*row) for row in await session.execute(statement.order_by(JobRow.id).limit(limit))]


async def letters_after(
    session: AsyncSession, organization_id: UUID, after: UUID | None, limit: int
) -> Sequence[tuple[UUID, UUID]]:
    """Return (id, subject) of the dead letters of events, in the order of their ids."""
    statement = select(DeadLetterRow.id, DeadLetterRow.subject_id).where(
        DeadLetterRow.organization_id == organization_id, DeadLetterRow.source == DeadLetterSource.EVENT
    )
    if after is not None:
        statement = statement.where(DeadLetterRow.id > after)
    found = await session.execute(statement.order_by(DeadLetterRow.id).limit(limit))
    return [(row.id, row.subject_id) for row in found]


async def forget(
    session: AsyncSession, organization_id: UUID, *, job_ids: Collection[UUID], letter_ids: Collection[UUID] = ()
) -> tuple[int, int]:
    """Delete jobs with their dead letters, and dead letters; return how many jobs and how many letters.

    A worker that carries such a job out now finds its claim lost, and its effect is rolled back.
    """
    jobs = await session.execute(
        delete(JobRow)
        .where(JobRow.organization_id == organization_id, JobRow.id.in_(job_ids))
        .returning(JobRow.id)
        .execution_options(**_QUIET)
    )
    letters = await session.execute(
        delete(DeadLetterRow)
        .where(
            DeadLetterRow.organization_id == organization_id,
            or_(
                DeadLetterRow.id.in_(letter_ids),
                (DeadLetterRow.source == DeadLetterSource.JOB) & DeadLetterRow.subject_id.in_(job_ids),
            ),
        )
        .returning(DeadLetterRow.id)
        .execution_options(**_QUIET)
    )
    return len(jobs.all()), len(letters.all())
