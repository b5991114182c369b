"""SQL of sends whose outcome nobody knows: claims of dead workers, and what the platform's list proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.platforms.port import OutgoingKind
from server.sends.models import Purpose, SendIntentRow, SendState
from server.sends.repository.intents import SETTLED_SQL, SettledSend, settled
from server.sends.rules import Finding, UnknownSend


async def claimants(session: AsyncSession, organization_id: UUID, page_id: UUID, besides: UUID) -> Sequence[UUID]:
    """Return the other workers that hold claims of the page."""
    statement = (
        select(SendIntentRow.claimed_by)
        .distinct()
        .where(
            SendIntentRow.organization_id == organization_id,
            SendIntentRow.page_id == page_id,
            SendIntentRow.state == SendState.CLAIMED,
            SendIntentRow.claimed_by.is_not(None),
            SendIntentRow.claimed_by != besides,
        )
    )
    return [worker for worker in await session.scalars(statement) if worker is not None]


_ABANDON = """
WITH gone AS (
  UPDATE send_intent s SET state = 'UNKNOWN', reason = 'WORKER_GONE', detail = 'the worker ended between claim and record'
  WHERE s.organization_id = :organization AND s.page_id = :page AND s.state = 'CLAIMED' AND {which}
  RETURNING s.*
), logged AS (
  INSERT INTO send_attempt (organization_id, send_id, attempt, unit_id, worker_id, claimed_at, outcome, detail)
  SELECT organization_id, id, attempt, unit_id, claimed_by, claimed_at, 'UNKNOWN', detail FROM gone
  ON CONFLICT DO NOTHING
)
SELECT {columns} FROM gone s
"""
_ABANDON_WORKER = text(_ABANDON.format(which="s.claimed_by = :worker", columns=SETTLED_SQL))
_ABANDON_OLD = text(
    _ABANDON.format(
        which="s.purpose = :purpose AND s.claimed_at < clock_timestamp() - make_interval(secs => :age)",
        columns=SETTLED_SQL,
    )
)


async def abandon_old(
    session: AsyncSession, organization_id: UUID, page_id: UUID, purpose: Purpose, age: timedelta
) -> list[SettledSend]:
    """Make claims of one purpose that are older than `age` unknown; only for who holds the page's drain job."""
    values = {"organization": organization_id, "page": page_id, "purpose": purpose.value, "age": age.total_seconds()}
    return [settled(row) for row in await session.execute(_ABANDON_OLD, values)]


async def abandon(session: AsyncSession, organization_id: UUID, page_id: UUID, worker_id: UUID) -> list[SettledSend]:
    """Make the claims of a dead worker unknown; they are never queued again without proof."""
    rows = await session.execute(
        _ABANDON_WORKER, {"organization": organization_id, "page": page_id, "worker": worker_id}
    )
    return [settled(row) for row in rows]


async def has_open(session: AsyncSession, organization_id: UUID, page_id: UUID) -> bool:
    """Say whether the page has claims or unknowns that somebody must still settle."""
    statement = select(SendIntentRow.id).where(
        SendIntentRow.organization_id == organization_id,
        SendIntentRow.page_id == page_id,
        SendIntentRow.state.in_((SendState.CLAIMED, SendState.UNKNOWN)),
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def unknowns(
    session: AsyncSession, organization_id: UUID, page_id: UUID, grace: timedelta, limit: int
) -> list[UnknownSend]:
    """Return unknowns of the page whose claim is older than the grace, oldest first."""
    statement = (
        select(
            SendIntentRow.id,
            SendIntentRow.recipient_external_id,
            SendIntentRow.text,
            SendIntentRow.claimed_at,
            and_(
                or_(SendIntentRow.kind == OutgoingKind.MESSAGE, SendIntentRow.purpose == Purpose.MARKETING),
                func.jsonb_array_length(SendIntentRow.media) == 0,
                func.jsonb_array_length(SendIntentRow.buttons) == 0,
            ).label("is_plain"),
        )
        .where(
            SendIntentRow.organization_id == organization_id,
            SendIntentRow.page_id == page_id,
            SendIntentRow.state == SendState.UNKNOWN,
            SendIntentRow.claimed_at < func.clock_timestamp() - grace,
        )
        .order_by(SendIntentRow.claimed_at)
        .limit(limit)
    )
    return [
        UnknownSend(row.id, row.recipient_external_id, row.text, row.claimed_at, row.is_plain)
        for row in await session.execute(statement)
    ]


async def attributed(
    session: AsyncSession, organization_id: UUID, page_id: UUID, mids: Sequence[str]
) -> frozenset[str]:
    """Return which of these platform messages already belong to a send."""
    statement = select(SendIntentRow.platform_message_id).where(
        SendIntentRow.organization_id == organization_id,
        SendIntentRow.page_id == page_id,
        SendIntentRow.platform_message_id.in_(mids),
    )
    return frozenset(mid for mid in await session.scalars(statement) if mid is not None)


_RESOLVE = text(f"""
UPDATE send_intent s SET
  state = CASE WHEN v.mid IS NOT NULL THEN 'SENT' WHEN v.ambiguous THEN 'NEEDS_HUMAN'
    WHEN s.checked_absent + 1 >= :checks THEN CASE WHEN v.proof THEN 'QUEUED' ELSE 'NEEDS_HUMAN' END
    ELSE 'UNKNOWN' END,
  reason = CASE WHEN v.mid IS NOT NULL THEN 'FOUND_BY_LIST' WHEN v.ambiguous THEN 'AMBIGUOUS'
    WHEN s.checked_absent + 1 >= :checks THEN CASE WHEN v.proof THEN 'ABSENT_FROM_LIST' ELSE 'NOT_PROVEN' END
    ELSE s.reason END,
  checked_absent = CASE WHEN v.mid IS NULL AND NOT v.ambiguous THEN s.checked_absent + 1 ELSE s.checked_absent END,
  platform_message_id = coalesce(v.mid, s.platform_message_id),
  platform_at = coalesce(v.at, s.platform_at),
  delivery = CASE WHEN v.mid IS NOT NULL AND s.delivery = 'NONE' THEN 'ACCEPTED' ELSE s.delivery END,
  settled_at = CASE WHEN v.mid IS NOT NULL THEN clock_timestamp() END,
  not_before = CASE WHEN v.mid IS NULL THEN clock_timestamp() ELSE s.not_before END
FROM unnest(cast(:ids AS uuid[]), cast(:mids AS text[]), cast(:ats AS timestamptz[]), cast(:ambiguous AS boolean[]),
  cast(:proofs AS boolean[])) AS v(id, mid, at, ambiguous, proof)
WHERE s.organization_id = :organization AND s.id = v.id AND s.state = 'UNKNOWN'
RETURNING {SETTLED_SQL}
""")


async def resolve(
    session: AsyncSession, organization_id: UUID, findings: Mapping[UUID, Finding], checks: int
) -> list[SettledSend]:
    """Write what the platform's list says of unknowns; absent `checks` times is queued again, if being absent proves it."""
    told = list(findings.values())
    rows = await session.execute(
        _RESOLVE,
        {
            "organization": organization_id,
            "checks": checks,
            "ids": list(findings),
            "mids": [None if one.message is None else one.message.platform_message_id for one in told],
            "ats": [None if one.message is None else one.message.created_at for one in told],
            "ambiguous": [one.is_ambiguous for one in told],
            "proofs": [one.is_proof for one in told],
        },
    )
    return [settled(row) for row in rows]
