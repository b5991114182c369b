"""SQL of raw events: storing them for all tenants at once, and reading one mailbox in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import EventState, PlatformEventRow
from server.kit import jobs
from server.kit.ids import new_ids
from server.platforms.port import Channel


@dataclass(frozen=True, slots=True)
class PageRoute:
    """Whose page it is."""

    organization_id: UUID
    page_id: UUID


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One item on its way into the ledger; `payload` is JSON text that jsonb accepts."""

    route: PageRoute
    kind: str
    external_id: str
    mailbox: str
    occurred_at: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class NewStray:
    """One body or item that no tenant can be named for, or that no row can hold."""

    digest: bytes
    reason: str
    body: bytes
    detail: str


@dataclass(frozen=True, slots=True)
class StoredMailbox:
    """Where an event was really inserted."""

    route: PageRoute
    mailbox: str


# The rows come as one JSON array, which C code writes and reads; arrays of payloads would have every quote of them escaped
# by Python. The text stays the same for one item and for the ten thousands of a large body. Which rows are new is told
# only when some were not: nearly always all of them are.
_ADD_EVENTS = text(
    "WITH stored AS (INSERT INTO platform_event"
    " (organization_id, id, page_id, channel, kind, external_id, mailbox, occurred_at, payload)"
    " SELECT e.organization_id, e.id, e.page_id, :channel, e.kind, e.external_id, e.mailbox, e.occurred_at, e.payload"
    " FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e(organization_id uuid, id uuid, page_id uuid, kind text,"
    "  external_id text, mailbox text, occurred_at timestamptz, payload jsonb)"
    " ORDER BY e.organization_id, e.page_id, e.kind, e.external_id, e.id"
    " ON CONFLICT (organization_id, page_id, kind, external_id) DO NOTHING"
    " RETURNING id)"
    " SELECT CASE WHEN count(*) < :total THEN coalesce(array_agg(id), CAST('{}' AS uuid[])) END AS ids FROM stored"
)
_ROUTES = text(
    "SELECT external_id, organization_id, page_id FROM page_route"
    " WHERE channel = :channel AND external_id = ANY(CAST(:names AS text[]))"
)
_INSERT_STRAYS = text(
    "INSERT INTO stray_event (id, channel, digest, reason, body, detail)"
    " SELECT s.id, :channel, s.digest, s.reason, s.body, s.detail"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:digests AS bytea[]), CAST(:reasons AS text[]), CAST(:bodies AS bytea[]),"
    "  CAST(:details AS text[])) AS s(id, digest, reason, body, detail)"
    " ORDER BY s.digest, s.id"
    " ON CONFLICT (channel, digest) DO NOTHING RETURNING id"
)


async def routes(session: AsyncSession, channel: Channel, external_ids: Sequence[str]) -> dict[str, PageRoute]:
    """Return the owner of each page that has one. For the system role."""
    found = await session.execute(_ROUTES, {"channel": channel.value, "names": list(external_ids)})
    return {row.external_id: PageRoute(row.organization_id, row.page_id) for row in found}


async def insert_events(session: AsyncSession, channel: Channel, events: Sequence[NewEvent]) -> list[StoredMailbox]:
    """Insert what is not there yet and return where, one entry for each inserted row. For the system role."""
    are_new = await add_events(session, channel, events)
    return [StoredMailbox(one.route, one.mailbox) for one, is_new in zip(events, are_new, strict=True) if is_new]


async def add_events(session: AsyncSession, channel: Channel, events: Sequence[NewEvent]) -> list[bool]:
    """Insert what is not there yet and say of each whether it was new. For the system role."""
    if not events:
        return []
    ids = new_ids(len(events))
    rows = [
        {
            "organization_id": event.route.organization_id,
            "id": row_id,
            "page_id": event.route.page_id,
            "kind": event.kind,
            "external_id": event.external_id,
            "mailbox": event.mailbox,
            "occurred_at": event.occurred_at,
            "payload": orjson.Fragment(event.payload),
        }
        for row_id, event in zip(ids, events, strict=True)
    ]
    told = {"channel": channel.value, "events": orjson.dumps(rows).decode(), "total": len(rows)}
    stored: list[UUID] | None = (await session.execute(_ADD_EVENTS, told)).scalar_one()
    if stored is None:
        return [True] * len(rows)
    new = frozenset(stored)
    return [row_id in new for row_id in ids]


async def insert_strays(session: AsyncSession, channel: Channel, strays: Sequence[NewStray]) -> int:
    """Insert strays that are not there yet and return how many were new. For the system role."""
    return sum(await add_strays(session, channel, strays))


async def add_strays(session: AsyncSession, channel: Channel, strays: Sequence[NewStray]) -> list[bool]:
    """Insert strays that are not there yet and say of each whether it was new. For the system role."""
    if not strays:
        return []
    ids = new_ids(len(strays))
    inserted = await session.execute(
        _INSERT_STRAYS,
        {
            "channel": channel.value,
            "ids": ids,
            "digests": [stray.digest for stray in strays],
            "reasons": [stray.reason for stray in strays],
            "bodies": [stray.body for stray in strays],
            "details": [stray.detail for stray in strays],
        },
    )
    new = frozenset(inserted.scalars())
    return [row_id in new for row_id in ids]


async def next_events(
    session: AsyncSession, organization_id: UUID, page_id: UUID, mailboxes: Sequence[str], limit: int
) -> Sequence[PlatformEventRow]:
    """Lock and return unhandled events mailbox by mailbox, oldest first. A second reader waits and then sees the rest."""
    statement = (
        select(PlatformEventRow)
        .where(
            PlatformEventRow.organization_id == organization_id,
            PlatformEventRow.page_id == page_id,
            PlatformEventRow.mailbox.in_(mailboxes),
            PlatformEventRow.state == EventState.STORED,
        )
        .order_by(PlatformEventRow.mailbox, PlatformEventRow.occurred_at, PlatformEventRow.id)
        .limit(limit)
        .with_for_update()
    )
    return (await session.scalars(statement)).all()


async def waiting_mailboxes(
    session: AsyncSession, organization_id: UUID, page_id: UUID, after: str | None, limit: int
) -> Sequence[str]:
    """Return the names of mailboxes of a page that hold unhandled events, in order of name, beyond `after`."""
    statement = (
        select(PlatformEventRow.mailbox)
        .distinct()
        .where(
            PlatformEventRow.organization_id == organization_id,
            PlatformEventRow.page_id == page_id,
            PlatformEventRow.state == EventState.STORED,
        )
        .order_by(PlatformEventRow.mailbox)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PlatformEventRow.mailbox > after)
    return (await session.scalars(statement)).all()


async def mark_handled(session: AsyncSession, organization_id: UUID, event_ids: Sequence[UUID]) -> None:
    """Mark events as applied."""
    await session.execute(
        update(PlatformEventRow)
        .where(PlatformEventRow.organization_id == organization_id, PlatformEventRow.id.in_(event_ids))
        .values(state=EventState.HANDLED, handled_at=func.clock_timestamp())
    )


async def mark_unknown(session: AsyncSession, event: PlatformEventRow, label: str) -> None:
    """Mark an event as kept but not understood, under the name by which its kind is counted."""
    await session.execute(
        update(PlatformEventRow)
        .where(PlatformEventRow.organization_id == event.organization_id, PlatformEventRow.id == event.id)
        .values(state=EventState.HANDLED, reason=label, handled_at=func.clock_timestamp())
    )


async def mark_dead(session: AsyncSession, event: PlatformEventRow, reason: str, detail: str) -> None:
    """Mark an event as one that cannot be placed, and record its dead letter once."""
    await session.execute(
        update(PlatformEventRow)
        .where(PlatformEventRow.organization_id == event.organization_id, PlatformEventRow.id == event.id)
        .values(state=EventState.DEAD, reason=reason, handled_at=func.clock_timestamp())
    )
    await jobs.bury(
        session,
        event.organization_id,
        jobs.DeadLetterSource.EVENT,
        event.id,
        kind=event.kind,
        reason=reason,
        detail=detail,
    )
