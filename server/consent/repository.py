"""SQL of consent, besides the send gate's own statement."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.consent.models import (
    ConsentAction,
    ConsentEventRow,
    ConsentRow,
    SuppressionReason,
    SuppressionRow,
    TopicRow,
    WindowRow,
)
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import in_reach_or_above
from server.tenants.models import UnitClosureRow
from server.tenants.scope import Scope

_BY_THE_PERSON = (SuppressionReason.BLOCKED_BY_CONTACT, SuppressionReason.ASKED_TO_STOP)
# One text for any number of people: SQLAlchemy compiles an INSERT of several VALUES anew each time it runs.
_EXTEND_WINDOWS = text("""
INSERT INTO messaging_window AS w
  (organization_id, page_id, contact_id, unit_id, last_action_at, closes_at, human_agent_closes_at)
SELECT :organization, :page, r.contact_id, :unit, r.last_action_at, r.closes_at, r.human_agent_closes_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
  contact_id uuid, last_action_at timestamptz, closes_at timestamptz, human_agent_closes_at timestamptz)
ORDER BY r.contact_id
ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE SET
  last_action_at = greatest(w.last_action_at, excluded.last_action_at),
  closes_at = greatest(w.closes_at, excluded.closes_at),
  human_agent_closes_at = greatest(w.human_agent_closes_at, excluded.human_agent_closes_at)
""")


@dataclass(frozen=True, slots=True)
class Reopened:
    """Until when a person's last action lets a page write, without and with the tag for human agents."""

    contact_id: UUID
    last_action_at: datetime
    closes_at: datetime
    human_agent_closes_at: datetime


async def insert_topic(session: AsyncSession, row: dict[str, object]) -> TopicRow | None:
    """Insert a topic; None if its unit has one of that key."""
    statement = insert(TopicRow).values(row).on_conflict_do_nothing().returning(TopicRow)
    return (await session.scalars(statement)).one_or_none()


async def topics_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[TopicRow]:
    """Return the topics with these ids that the scope sees."""
    statement = select(TopicRow).where(*_seen_by(scope), TopicRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_topics(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, unit_id: UUID | None
) -> Sequence[TopicRow]:
    """Return up to `size + 1` topics; with a unit, those of the unit and above it."""
    statement = select(TopicRow).where(*_seen_by(scope), *keyset.beyond(arguments))
    if unit_id is not None:
        statement = statement.where(TopicRow.unit_id.in_(_lineage(scope.organization_id, unit_id)))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


def _seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return TopicRow.organization_id == scope.organization_id, in_reach_or_above(scope, TopicRow.unit_id)


def _lineage(organization_id: UUID, unit_id: UUID) -> Select[UUID]:
    return select(UnitClosureRow.ancestor_id).where(
        UnitClosureRow.organization_id == organization_id, UnitClosureRow.descendant_id == unit_id
    )


async def nearest_topic(session: AsyncSession, organization_id: UUID, unit_id: UUID, key: str) -> TopicRow | None:
    """Return the topic of this key that stands nearest to the unit: its own first, then the closest above."""
    statement = (
        select(TopicRow)
        .join(
            UnitClosureRow,
            and_(
                UnitClosureRow.organization_id == TopicRow.organization_id,
                UnitClosureRow.ancestor_id == TopicRow.unit_id,
            ),
        )
        .where(
            TopicRow.organization_id == organization_id,
            TopicRow.key == key,
            UnitClosureRow.descendant_id == unit_id,
        )
        .order_by(UnitClosureRow.depth)
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_words(session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID) -> None:
    """Put the words of one person at one page in one order until the transaction ends."""
    seed = b"".join(one.bytes for one in (organization_id, page_id, contact_id))
    key = int.from_bytes(hashlib.blake2b(seed, digest_size=8, person=b"sb-consent").digest()) >> 1
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def append_event(session: AsyncSession, row: ConsentEventRow) -> None:
    """Write one entry of the ledger."""
    session.add(row)
    await session.flush()


async def has_stopped_all_since(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID, at: datetime
) -> bool:
    """Say whether the person stopped everything from the page at or after a time."""
    found = exists().where(
        ConsentEventRow.organization_id == organization_id,
        ConsentEventRow.contact_id == contact_id,
        ConsentEventRow.page_id == page_id,
        ConsentEventRow.topic_id.is_(None),
        ConsentEventRow.action == ConsentAction.OPT_OUT,
        ConsentEventRow.occurred_at >= at,
    )
    return bool((await session.execute(select(found))).scalar_one())


async def set_consent(session: AsyncSession, row: dict[str, object]) -> bool:
    """Write the last word on one topic unless a later one stands; return whether it was written.

    Of two words of the same moment the no wins, whichever came first.
    """
    statement = insert(ConsentRow).values(row)
    new = statement.excluded
    upsert = statement.on_conflict_do_update(
        index_elements=["organization_id", "page_id", "contact_id", "topic_id"],
        set_={
            name: new[name]
            for name in ("unit_id", "is_opted_in", "occurred_at", "expires_at", "token_sealed", "event_id")
        },
        where=or_(
            new.occurred_at > ConsentRow.occurred_at,
            and_(
                new.occurred_at == ConsentRow.occurred_at,
                or_(new.is_opted_in.is_(False), ConsentRow.is_opted_in),
            ),
        ),
    ).returning(ConsentRow.topic_id)
    return (await session.execute(upsert)).first() is not None


async def withdraw_all(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID, at: datetime, event_id: UUID
) -> None:
    """Turn every word on a topic of the page that is not later than `at` into a no, and drop its token."""
    await session.execute(
        update(ConsentRow)
        .where(
            ConsentRow.organization_id == organization_id,
            ConsentRow.page_id == page_id,
            ConsentRow.contact_id == contact_id,
            ConsentRow.occurred_at <= at,
        )
        .values(is_opted_in=False, occurred_at=at, token_sealed=None, expires_at=None, event_id=event_id)
    )


async def consents_of(session: AsyncSession, organization_id: UUID, contact_id: UUID) -> Sequence[ConsentRow]:
    """Return the last word on each topic at each page, newest first."""
    statement = (
        select(ConsentRow)
        .where(ConsentRow.organization_id == organization_id, ConsentRow.contact_id == contact_id)
        .order_by(ConsentRow.occurred_at.desc(), ConsentRow.page_id, ConsentRow.topic_id)
    )
    return (await session.scalars(statement)).all()


async def ledger(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments, contact_id: UUID
) -> Sequence[ConsentEventRow]:
    """Return up to `size + 1` entries of one person's ledger."""
    statement = (
        select(ConsentEventRow)
        .where(
            ConsentEventRow.organization_id == organization_id,
            ConsentEventRow.contact_id == contact_id,
            *keyset.beyond(arguments),
        )
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def extend_windows(
    session: AsyncSession, organization_id: UUID, page_id: UUID, unit_id: UUID, windows: Sequence[Reopened]
) -> None:
    """Open the windows of people at one page, each named once, or move their ends forward; never back."""
    told = {"organization": organization_id, "page": page_id, "unit": unit_id, "rows": orjson.dumps(windows).decode()}
    await session.execute(_EXTEND_WINDOWS, told)


async def window(session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID) -> WindowRow | None:
    """Return the window of one person at one page."""
    statement = select(WindowRow).where(
        WindowRow.organization_id == organization_id,
        WindowRow.page_id == page_id,
        WindowRow.contact_id == contact_id,
    )
    return (await session.scalars(statement)).one_or_none()


async def suppress(session: AsyncSession, row: dict[str, object]) -> bool:
    """Suppress a contact; the person's own word replaces ours, never the other way. Return whether a row changed."""
    statement = insert(SuppressionRow).values(row)
    if row["reason"] in _BY_THE_PERSON:
        upsert = statement.on_conflict_do_update(
            index_elements=["organization_id", "contact_id"],
            set_={"reason": statement.excluded.reason},
            where=SuppressionRow.reason.not_in(_BY_THE_PERSON),
        )
    else:
        upsert = statement.on_conflict_do_nothing()
    return (await session.execute(upsert.returning(SuppressionRow.contact_id))).first() is not None


async def lift(session: AsyncSession, organization_id: UUID, contact_id: UUID) -> bool:
    """Delete a suppression; return whether there was one."""
    gone = await session.execute(
        delete(SuppressionRow)
        .where(SuppressionRow.organization_id == organization_id, SuppressionRow.contact_id == contact_id)
        .returning(SuppressionRow.contact_id)
    )
    return gone.first() is not None


async def suppressions(
    session: AsyncSession, organization_id: UUID, contact_ids: Sequence[UUID]
) -> Sequence[SuppressionRow]:
    """Return the suppressions of these contacts."""
    statement = select(SuppressionRow).where(
        SuppressionRow.organization_id == organization_id, SuppressionRow.contact_id.in_(contact_ids)
    )
    return (await session.scalars(statement)).all()
