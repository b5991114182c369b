"""SQL of many messages at once, for conversations of one page that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.service import PageRef
from server.inbox.models import ConversationRow, MessageRow
from server.inbox.repository.inbound import NewMessage, content_values

# As `inbound.take_place` does for one message; the two must say the same.
_TAKE_PLACES = text("""
UPDATE conversation AS c SET
  next_seq = c.next_seq + w.count, revision = c.revision + w.count, change_xid = pg_current_xact_id()::text::bigint,
  unread_count = c.unread_count + w.count,
  last_inbound_at = greatest(c.last_inbound_at, w.at),
  status = CASE WHEN c.status IN ('RESOLVED', 'SNOOZED') THEN 'OPEN' ELSE c.status END,
  folder = CASE WHEN c.folder = 'REQUEST' AND NOT w.is_request THEN 'PRIMARY' ELSE c.folder END,
  last_message_id = CASE WHEN (c.last_message_at, c.last_message_id) < (w.at, w.newest) THEN w.newest
    ELSE c.last_message_id END,
  last_message_at = greatest(c.last_message_at, w.at)
FROM jsonb_to_recordset(CAST(:arrivals AS jsonb)) AS w(
  contact_id uuid, count int, at timestamptz, newest uuid, is_request boolean)
WHERE c.organization_id = :organization AND c.page_id = :page AND c.contact_id = w.contact_id
RETURNING c.contact_id, c.id, c.next_seq - w.count AS seq
""")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What messages mean for their conversation."""

    contact_id: UUID
    count: int
    at: datetime
    newest: UUID
    is_request: bool

    @classmethod
    def of(cls, contact_id: UUID, messages: Sequence[NewMessage]) -> Arrival:
        """Add up the messages of one contact."""
        newest = max(messages, key=lambda one: (one.occurred_at, one.id))
        return cls(contact_id, len(messages), newest.occurred_at, newest.id, all(one.is_request for one in messages))


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation, and the number of the first message that was given a place in it."""

    conversation_id: UUID
    seq: int


async def lock_conversations(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_ids: Sequence[UUID]
) -> frozenset[UUID]:
    """Lock the conversations of these contacts in the order of their ids; return the contacts that have one."""
    statement = (
        select(ConversationRow.contact_id)
        .where(
            ConversationRow.organization_id == organization_id,
            ConversationRow.page_id == page_id,
            ConversationRow.contact_id.in_(contact_ids),
        )
        .order_by(ConversationRow.id)
        .with_for_update()
    )
    return frozenset(await session.scalars(statement))


async def known_messages(
    session: AsyncSession, organization_id: UUID, page_id: UUID, platform_message_ids: Sequence[str]
) -> frozenset[str]:
    """Return those of the platform's names that a message of the page has."""
    statement = select(MessageRow.platform_message_id).where(
        MessageRow.organization_id == organization_id,
        MessageRow.page_id == page_id,
        MessageRow.platform_message_id.in_(platform_message_ids),
    )
    return frozenset(one for one in await session.scalars(statement) if one is not None)


async def take_places(
    session: AsyncSession, organization_id: UUID, page_id: UUID, arrivals: Sequence[Arrival]
) -> dict[UUID, Place]:
    """Give messages their places in conversations that the caller has locked; return them by contact."""
    told = orjson.dumps(arrivals).decode()
    rows = await session.execute(_TAKE_PLACES, {"arrivals": told, "organization": organization_id, "page": page_id})
    return {row.contact_id: Place(row.id, row.seq) for row in rows}


async def insert_messages(
    session: AsyncSession, organization_id: UUID, page: PageRef, placed: Sequence[tuple[Place, int, NewMessage]]
) -> None:
    """Store inbound messages, each so many behind the first of its place."""
    rows = [
        {
            "organization_id": organization_id,
            "id": message.id,
            "unit_id": page.unit_id,
            "page_id": page.id,
            "conversation_id": place.conversation_id,
            "seq": place.seq + number,
            "direction": message.direction,
            "state": message.state,
            "platform_message_id": message.platform_message_id,
            "reply_to_platform_id": message.reply_to_platform_id,
            "occurred_at": message.occurred_at,
            **content_values(message.content),
        }
        for place, number, message in placed
    ]
    await session.execute(insert(MessageRow), rows)
