"""SQL of sends, besides the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.sends.models import (
    BatchState,
    Delivery,
    Purpose,
    SendAttemptRow,
    SendBatchRow,
    SendIntentRow,
    SendState,
    SendTallyRow,
)
from server.tenants.cuts import at, is_one_of


@dataclass(frozen=True, slots=True)
class SettledSend:
    """A send whose state or delivery changed; what the inbox and campaigns are told."""

    send_id: UUID
    page_id: UUID
    contact_id: UUID
    state: SendState
    delivery: Delivery
    reason: str | None
    platform_message_id: str | None
    platform_at: datetime | None


SETTLED = (
    SendIntentRow.id,
    SendIntentRow.page_id,
    SendIntentRow.contact_id,
    SendIntentRow.state,
    SendIntentRow.delivery,
    SendIntentRow.reason,
    SendIntentRow.platform_message_id,
    SendIntentRow.platform_at,
)
SETTLED_SQL = "s.id, s.page_id, s.contact_id, s.state, s.delivery, s.reason, s.platform_message_id, s.platform_at"


def settled(row: Row[*tuple[Any, ...]]) -> SettledSend:
    """Build the value from a row of SETTLED, also when raw SQL returned its enums as text."""
    return SettledSend(row[0], row[1], row[2], SendState(row[3]), Delivery(row[4]), row[5], row[6], row[7])


async def insert_intents(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Insert sends; one whose dedupe key exists is left alone."""
    for start in range(0, len(rows), 1_000):
        statement = upsert(SendIntentRow).values(list(rows[start : start + 1_000]))
        await session.execute(statement.on_conflict_do_nothing(index_elements=["organization_id", "dedupe_key"]))


async def insert_once(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert one send unless its dedupe key exists; however many ask at once, one gets True."""
    statement = upsert(SendIntentRow).values(**values)
    inserted = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["organization_id", "dedupe_key"]).returning(SendIntentRow.id)
    )
    return inserted.first() is not None


async def insert_batch(session: AsyncSession, organization_id: UUID, batch_id: UUID, unit_id: UUID) -> None:
    """Insert a batch once; it allows nothing until a digest is approved."""
    statement = upsert(SendBatchRow).values(
        organization_id=organization_id, id=batch_id, unit_id=unit_id, state=BatchState.RUNNING
    )
    await session.execute(statement.on_conflict_do_nothing())


async def update_batch(session: AsyncSession, organization_id: UUID, batch_id: UUID, **values: Any) -> None:
    """Change a batch's state or approved digest."""
    await session.execute(
        update(SendBatchRow)
        .where(SendBatchRow.organization_id == organization_id, SendBatchRow.id == batch_id)
        .values(**values)
    )


async def pages_of_batch(session: AsyncSession, organization_id: UUID, batch_id: UUID) -> Sequence[UUID]:
    """Return the pages on which a batch still has sends to do."""
    statement = (
        select(SendIntentRow.page_id)
        .distinct()
        .where(
            SendIntentRow.organization_id == organization_id,
            SendIntentRow.batch_id == batch_id,
            SendIntentRow.state == SendState.QUEUED,
        )
    )
    return (await session.scalars(statement)).all()


_RECORD = text(f"""
UPDATE send_intent s SET
  state = v.state, reason = v.reason, detail = v.detail,
  platform_message_id = coalesce(v.mid, s.platform_message_id),
  platform_at = CASE WHEN v.state = 'SENT' THEN coalesce(s.platform_at, clock_timestamp()) ELSE s.platform_at END,
  delivery = CASE WHEN v.state = 'SENT' AND s.delivery = 'NONE' THEN 'ACCEPTED' ELSE s.delivery END,
  not_before = CASE WHEN v.retry_s IS NULL THEN s.not_before
    ELSE clock_timestamp() + make_interval(secs => v.retry_s) END,
  attempt = s.attempt - CASE WHEN v.uncounted THEN 1 ELSE 0 END,
  claimed_by = CASE WHEN v.state = 'UNKNOWN' THEN s.claimed_by END,
  settled_at = CASE WHEN v.state IN ('SENT', 'NOT_SENT') THEN clock_timestamp() END
FROM unnest(cast(:ids AS uuid[]), cast(:attempts AS int[]), cast(:states AS text[]), cast(:reasons AS text[]),
  cast(:details AS text[]), cast(:mids AS text[]), cast(:retries AS float8[]), cast(:uncounted AS boolean[]))
  AS v(id, attempt, state, reason, detail, mid, retry_s, uncounted)
WHERE s.organization_id = :organization AND s.id = v.id AND s.attempt = v.attempt
  AND s.state IN ('CLAIMED', 'UNKNOWN')
RETURNING {SETTLED_SQL}
""")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a batch of outcomes, as it is written."""

    id: UUID
    unit_id: UUID
    attempt: int
    claimed_at: datetime
    state: SendState
    reason: str | None
    detail: str
    platform_message_id: str | None
    retry_in: timedelta | None
    is_uncounted: bool
    outcome: str


async def record(session: AsyncSession, organization_id: UUID, lines: Sequence[Recorded]) -> list[SettledSend]:
    """Write outcomes of tries that still stand (same attempt, nobody settled them otherwise)."""
    rows = await session.execute(
        _RECORD,
        {
            "organization": organization_id,
            "ids": [line.id for line in lines],
            "attempts": [line.attempt for line in lines],
            "states": [line.state.value for line in lines],
            "reasons": [line.reason for line in lines],
            "details": [line.detail[:500] for line in lines],
            "mids": [line.platform_message_id for line in lines],
            "retries": [None if line.retry_in is None else line.retry_in.total_seconds() for line in lines],
            "uncounted": [line.is_uncounted for line in lines],
        },
    )
    return [settled(row) for row in rows]


async def insert_attempts(
    session: AsyncSession, organization_id: UUID, worker_id: UUID, lines: Sequence[Recorded]
) -> None:
    """Log the tries; a try is logged once."""
    tried = [
        {
            "organization_id": organization_id,
            "send_id": line.id,
            "attempt": line.attempt,
            "unit_id": line.unit_id,
            "worker_id": worker_id,
            "claimed_at": line.claimed_at,
            "outcome": line.outcome,
            "detail": line.detail[:500],
        }
        for line in lines
        if not line.is_uncounted
    ]
    if tried:
        await session.execute(upsert(SendAttemptRow).values(tried).on_conflict_do_nothing())


_RELEASE_CAP = text("""
UPDATE marketing_use SET used_at = coalesce(previous_used_at, '-infinity')
WHERE organization_id = :organization AND send_id = ANY(cast(:ids AS uuid[]))
""")


async def release_cap(session: AsyncSession, organization_id: UUID, send_ids: Sequence[UUID]) -> None:
    """Give the daily slots of these sends back: the platform certainly did not deliver them."""
    await session.execute(_RELEASE_CAP, {"organization": organization_id, "ids": list(send_ids)})


_POSTPONE = text("""
UPDATE send_intent s SET not_before = :until
FROM (
  SELECT id FROM send_intent
  WHERE organization_id = :organization AND page_id = :page AND purpose = 'MARKETING' AND state = 'QUEUED'
    AND not_before < :until
  ORDER BY not_before, id
  LIMIT 1000
  FOR UPDATE SKIP LOCKED
) early
WHERE s.organization_id = :organization AND s.id = early.id
RETURNING s.id
""")


async def postpone_marketing(session: AsyncSession, organization_id: UUID, page_id: UUID, until: datetime) -> int:
    """Put off up to 1,000 of the page's marketing sends that would be due before; return how many."""
    rows = await session.execute(_POSTPONE, {"organization": organization_id, "page": page_id, "until": until})
    return len(rows.all())


_NEXT_DUE = text("""
SELECT extract(epoch FROM least(
    min(not_before) FILTER (WHERE state = 'QUEUED'),
    min(claimed_at + make_interval(secs => :lease)) FILTER (WHERE state = 'CLAIMED')) - clock_timestamp())
FROM send_intent
WHERE organization_id = :organization AND page_id = :page AND purpose = :purpose AND state IN ('QUEUED', 'CLAIMED')
""")


async def next_due_s(
    session: AsyncSession, organization_id: UUID, page_id: UUID, purpose: Purpose, lease: timedelta
) -> float | None:
    """Return in how many seconds the page has to be looked at again (0 or less: now), or None if nothing is left.

    Queued sends are due at their time, claims that nobody recorded when their lease has passed.
    """
    values = {
        "organization": organization_id,
        "page": page_id,
        "purpose": purpose.value,
        "lease": lease.total_seconds(),
    }
    seconds = (await session.execute(_NEXT_DUE, values)).scalar_one()
    return None if seconds is None else float(seconds)


async def settle_echo(
    session: AsyncSession, conditions: Sequence[Any], mid: str, at: datetime
) -> tuple[SettledSend, ...]:
    """Mark the one send that an echo speaks of as sent; a message id that it already carries stays."""
    statement = (
        update(SendIntentRow)
        .where(*conditions)
        .values(
            state=SendState.SENT,
            platform_message_id=func.coalesce(SendIntentRow.platform_message_id, mid),
            platform_at=at,
            settled_at=func.coalesce(SendIntentRow.settled_at, func.clock_timestamp()),
            delivery=text("CASE WHEN delivery = 'NONE' THEN 'ACCEPTED' ELSE delivery END"),
            claimed_by=None,
        )
        .returning(*SETTLED)
    )
    return tuple(settled(row) for row in await session.execute(statement))


async def batch_counts(
    session: AsyncSession, organization_id: UUID, batch_ids: Sequence[UUID]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return (batch, state, delivery, reason, count) of batches, those included that were erased with their people."""
    row, tally = SendIntentRow, SendTallyRow
    statement = (
        select(row.batch_id, row.state, row.delivery, row.reason, func.count())
        .where(row.organization_id == organization_id, is_one_of(row.batch_id, batch_ids))
        .group_by(row.batch_id, row.state, row.delivery, row.reason)
    )
    erased = select(tally.batch_id, tally.state, tally.delivery, tally.reason, tally.count).where(
        tally.organization_id == organization_id, is_one_of(tally.batch_id, batch_ids)
    )
    return (await session.execute(statement.union_all(erased))).all()


async def send(session: AsyncSession, organization_id: UUID, send_id: UUID) -> SendIntentRow | None:
    """Return one send, locked."""
    return await session.get(SendIntentRow, (organization_id, send_id), with_for_update=True)


async def text_of(session: AsyncSession, organization_id: UUID, send_id: UUID) -> str | None:
    """Return a send's text."""
    statement = select(SendIntentRow.text).where(
        SendIntentRow.organization_id == organization_id, SendIntentRow.id == send_id
    )
    return (await session.scalars(statement)).one_or_none()


async def sends_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[SendIntentRow]:
    """Return those of the sends that the scope sees, in no particular order."""
    statement = select(SendIntentRow).where(SendIntentRow.organization_id == organization_id, SendIntentRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_open(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    unit_ids: Sequence[UUID] | None,
) -> Sequence[SendIntentRow]:
    """Return up to `size + 1` sends of these units (None: of all) whose outcome is unknown or waits for a person."""
    statement = (
        select(SendIntentRow)
        .where(
            SendIntentRow.organization_id == organization_id,
            SendIntentRow.state.in_((SendState.UNKNOWN, SendState.NEEDS_HUMAN)),
            at(SendIntentRow.unit_id, unit_ids),
            *keyset.beyond(arguments),
        )
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()
