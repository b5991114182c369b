"""Jobs: work asked for later, as a row that is written in the transaction that asks for it.

A job row lives from `defer` until the transaction that carries out its effect deletes it. The broker only carries the row's
id; retries, backoff, attempts and dead letters live here (architecture.md section 4).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Index, Text, UniqueConstraint, case, delete, func, literal, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled
from server.kit.ids import new_id, new_ids


class Queue(StrEnum):
    """Classes of work that must not wait for each other; each is served by worker processes of its own."""

    REPLIES = "replies"
    CAMPAIGNS = "campaigns"
    EVENTS = "events"
    HOUSEKEEPING = "housekeeping"


class JobState(StrEnum):
    """Where a job row stands. A finished job has no row."""

    QUEUED = "QUEUED"
    CLAIMED = "CLAIMED"
    DEAD = "DEAD"


class JobRow(TenantRow, Base):
    """One piece of work that is still owed. At most one row is owed per kind and `dedupe_key`."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("organization_id", "kind", "dedupe_key"),
        Index("job_due_idx", "queue", "due_at", postgresql_where="state = 'QUEUED'"),
        Index("job_claimed_idx", "claimed_at", postgresql_where="state = 'CLAIMED'"),
        {"info": walled(Wall.ORGANIZATION, system="SELECT, INSERT, UPDATE")},
    )

    kind: Mapped[str]
    queue: Mapped[Queue]
    payload: Mapped[dict[str, object]]
    dedupe_key: Mapped[str]
    state: Mapped[JobState] = mapped_column(default=JobState.QUEUED, server_default=JobState.QUEUED.value)
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    rung_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int]
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    """Raised whenever the same work is asked for again while the row exists; a run that saw an older one runs again."""
    claimed_by: Mapped[UUID | None]
    claimed_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)


class DeadLetterSource(StrEnum):
    """What a dead letter was before."""

    EVENT = "EVENT"
    JOB = "JOB"


class DeadLetterRow(TenantRow, Base):
    """One thing that could not be carried out or placed, with the reason; it waits for a person."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        UniqueConstraint("organization_id", "source", "subject_id"),
        Index("dead_letter_newest_idx", "organization_id", "created_at", "id"),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    source: Mapped[DeadLetterSource]
    subject_id: Mapped[UUID]
    kind: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)


class Job(Protocol):
    """A frozen dataclass decorated with `job`; its fields are UUID, str, int, bool, datetime, or tuples of UUID."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """How one kind of job is queued: `backoff` doubles with each attempt, up to an hour."""

    name: str
    queue: Queue
    max_attempts: int
    backoff: timedelta


_KINDS: dict[str, tuple[JobKind, type]] = {}
_KIND_OF: dict[type, JobKind] = {}
J = TypeVar("J")
_UNKNOWN_BACKOFF = timedelta(minutes=1)  # a kind of a newer deployment, met by a worker of the old one


def job(
    name: str, queue: Queue, *, max_attempts: int = 8, backoff: timedelta = timedelta(seconds=2)
) -> Callable[[type[J]], type[J]]:
    """Register a frozen dataclass as a kind of job. Renaming one is a change of two deployments."""

    def register(kind: type[J]) -> type[J]:
        if name in _KINDS:
            raise ValueError(f"two kinds of job are named {name}")
        _KIND_OF[kind] = JobKind(name, queue, max_attempts, backoff)
        _KINDS[name] = (_KIND_OF[kind], kind)
        return kind

    return register


def kind_of(kind: type) -> JobKind:
    """Return how a job's class was registered."""
    return _KIND_OF[kind]


def kind_named(name: str) -> JobKind:
    """Return the registered kind; raise KeyError for a name that no slice registered."""
    return _KINDS[name][0]


def registered() -> frozenset[type]:
    """Return the classes of all registered kinds."""
    return frozenset(_KIND_OF)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A job on its way into the table. `key` "" means that every request is a job of its own."""

    job: Job
    key: str = ""
    delay: timedelta = timedelta()
    queue: Queue | None = None


def _to_json(value: object) -> object:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case tuple():
            return [_to_json(one) for one in value]
        case _:
            return value


def _from_json(annotation: Any, value: Any) -> object:
    if value is None:
        return None
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _from_json(next(one for one in arguments if one is not type(None)), value)
    if origin is tuple:
        return tuple(_from_json(arguments[0], one) for one in value)
    if annotation is datetime:
        return datetime.fromisoformat(value)
    is_converted = annotation is UUID or (isinstance(annotation, type) and issubclass(annotation, StrEnum))
    return annotation(value) if is_converted else value


def encode(work: Job) -> dict[str, object]:
    """Return the payload of a job: its fields as JSON."""
    return {name: _to_json(getattr(work, name)) for name in work.__dataclass_fields__}


def decode(name: str, payload: dict[str, Any]) -> Job:
    """Build the job back; raise KeyError or TypeError when its kind or fields changed since it was written."""
    cls = _KINDS[name][1]
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return typing.cast(
        "Job", cls(**{field.name: _from_json(hints[field.name], payload[field.name]) for field in fields})
    )


BELL_CHANNEL = "switchboard_bell"
# One JSON array instead of a VALUES list: one statement text for any number of jobs, so that it is compiled once, and one
# parameter that C code writes. The bell hangs on the same statement: it is rung at the commit. What nobody took up yet is
# only locked, not written again: a claim waits for this commit and sees all that it brings.
_WRITE = text("""
WITH written AS (INSERT INTO job AS owed (organization_id, id, kind, queue, payload, dedupe_key, due_at, max_attempts)
SELECT w.organization_id, w.id, w.kind, w.queue, w.payload, w.key,
  clock_timestamp() + make_interval(secs => w.delay), w.most
FROM ROWS FROM (jsonb_to_recordset(cast(:jobs AS jsonb)) AS (
  organization_id uuid, id uuid, kind text, queue text, payload jsonb, key text, delay float8, most int
)) WITH ORDINALITY AS w(organization_id, id, kind, queue, payload, key, delay, most, place)
ORDER BY w.place
ON CONFLICT (organization_id, kind, dedupe_key) DO UPDATE SET
  generation = owed.generation + 1, due_at = least(owed.due_at, excluded.due_at), payload = excluded.payload, rung_at = NULL,
  state = CASE WHEN owed.state = 'DEAD' THEN 'QUEUED' ELSE owed.state END,
  attempts = CASE WHEN owed.state = 'DEAD' THEN 0 ELSE owed.attempts END
WHERE owed.state <> 'QUEUED' OR owed.due_at > excluded.due_at OR owed.payload <> excluded.payload
) SELECT pg_notify(:bell, '')
""")


async def write(session: AsyncSession, organization_id: UUID, wanted: Iterable[Deferred]) -> None:
    """Insert the jobs of one organization, as `write_many` does."""
    await write_many(session, [(organization_id, one) for one in wanted])


async def write_many(session: AsyncSession, wanted: Sequence[tuple[UUID, Deferred]]) -> None:
    """Insert the jobs and ring the bell at commit; work that is already owed is marked as asked for again.

    Jobs of several organizations only in a session of the system role; no scope writes for another one.
    """
    if not wanted:
        return
    rows: dict[tuple[UUID, str, str], dict[str, object]] = {}
    for row_id, (organization_id, one) in zip(new_ids(len(wanted)), wanted, strict=True):
        kind = kind_of(type(one.job))
        key = one.key or str(row_id)
        rows[organization_id, kind.name, key] = {
            "organization_id": organization_id,
            "id": row_id,
            "kind": kind.name,
            "queue": (one.queue or kind.queue).value,
            "payload": encode(one.job),
            "key": key,
            "delay": one.delay.total_seconds(),
            "most": kind.max_attempts,
        }
    # Sorted, so that two transactions which ask for the same jobs lock their rows in one order.
    ordered = [rows[key] for key in sorted(rows)]
    await session.execute(_WRITE, {"jobs": orjson.dumps(ordered).decode(), "bell": BELL_CHANNEL})


class ClaimLost(Exception):
    """Another worker took the job over; the effect of this run must not be committed."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker holds; `generation` is what it saw when it claimed."""

    organization_id: UUID
    id: UUID
    kind: str
    payload: dict[str, Any]
    attempts: int
    max_attempts: int
    generation: int


async def claim(session: AsyncSession, organization_id: UUID, job_id: UUID, worker_id: UUID) -> ClaimedJob | None:
    """Take a due job; None if it is done, held, not due or not of this organization. Counts as an attempt."""
    statement = (
        update(JobRow)
        .where(
            JobRow.organization_id == organization_id,
            JobRow.id == job_id,
            JobRow.state == JobState.QUEUED,
            JobRow.due_at <= func.clock_timestamp(),
        )
        .values(
            state=JobState.CLAIMED,
            claimed_by=worker_id,
            claimed_at=func.clock_timestamp(),
            attempts=JobRow.attempts + 1,
        )
        .returning(
            JobRow.organization_id,
            JobRow.id,
            JobRow.kind,
            JobRow.payload,
            JobRow.attempts,
            JobRow.max_attempts,
            JobRow.generation,
        )
    )
    row = (await session.execute(statement)).one_or_none()
    return ClaimedJob(*row) if row else None


def _held(claimed: ClaimedJob, worker_id: UUID) -> tuple[Any, ...]:
    return (
        JobRow.organization_id == claimed.organization_id,
        JobRow.id == claimed.id,
        JobRow.state == JobState.CLAIMED,
        JobRow.claimed_by == worker_id,
    )


async def finish(session: AsyncSession, claimed: ClaimedJob, worker_id: UUID) -> None:
    """Delete the job in the transaction of its effect; if it was asked for again meanwhile, queue it instead.

    Raises ClaimLost when another worker took the job over, so that the caller's transaction rolls back.
    """
    gone = await session.execute(
        delete(JobRow).where(*_held(claimed, worker_id), JobRow.generation == claimed.generation).returning(JobRow.id)
    )
    if gone.first() is None and not await _requeue(session, claimed, worker_id, delay=timedelta(), attempts=0):
        raise ClaimLost


async def release(session: AsyncSession, claimed: ClaimedJob, worker_id: UUID, delay: timedelta) -> None:
    """Give the job back, due after `delay` or, if asked for again meanwhile, at once; the run counts as no attempt."""
    pause = case((JobRow.generation == claimed.generation, literal(delay)), else_=literal(timedelta()))
    await _requeue(session, claimed, worker_id, delay=pause, attempts=claimed.attempts - 1)


async def _requeue(
    session: AsyncSession,
    claimed: ClaimedJob,
    worker_id: UUID,
    *,
    delay: timedelta | ColumnElement[timedelta],
    attempts: int,
    error: str | None = None,
) -> bool:
    queued = await session.execute(
        update(JobRow)
        .where(*_held(claimed, worker_id))
        .values(
            state=JobState.QUEUED,
            due_at=func.clock_timestamp() + delay,
            **dict.fromkeys(("rung_at", "claimed_by", "claimed_at")),
            attempts=attempts,
            last_error=error,
        )
        .returning(JobRow.id)
    )
    found = queued.first() is not None
    if found:
        await session.execute(func.pg_notify(BELL_CHANNEL, "").select())
    return found


async def fail(session: AsyncSession, claimed: ClaimedJob, worker_id: UUID, error: str) -> bool:
    """Queue a failed job again with backoff, or make it a dead letter after its last attempt; return whether it died.

    Work that was asked for again during its last attempt is owed anew, with all its attempts.
    """
    known = _KINDS.get(claimed.kind)
    backoff = (known[0].backoff if known else _UNKNOWN_BACKOFF) * 2 ** (claimed.attempts - 1)
    delay = min(backoff, timedelta(hours=1))
    if claimed.attempts < claimed.max_attempts:
        await _requeue(session, claimed, worker_id, delay=delay, attempts=claimed.attempts, error=error)
        return False
    dead = await session.execute(
        update(JobRow)
        .where(*_held(claimed, worker_id), JobRow.generation == claimed.generation)
        .values(state=JobState.DEAD, claimed_by=None, claimed_at=None, last_error=error)
        .returning(JobRow.id)
    )
    if dead.first() is None:
        await _requeue(session, claimed, worker_id, delay=delay, attempts=0, error=error)
        return False
    source, reason = DeadLetterSource.JOB, "attempts_exhausted"
    await bury(session, claimed.organization_id, source, claimed.id, kind=claimed.kind, reason=reason, detail=error)
    return True


async def bury(
    session: AsyncSession,
    organization_id: UUID,
    source: DeadLetterSource,
    subject_id: UUID,
    *,
    kind: str,
    reason: str,
    detail: str,
) -> None:
    """Record a dead letter once per subject."""
    statement = insert(DeadLetterRow).values(
        organization_id=organization_id,
        id=new_id(),
        source=source,
        subject_id=subject_id,
        kind=kind,
        reason=reason,
        detail=detail[:2000],
    )
    await session.execute(statement.on_conflict_do_nothing(index_elements=["organization_id", "source", "subject_id"]))
