"""SQL of what comes in: locks, conversations, messages, and changes that wait for their message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.service import PageRef
from server.inbox.models import (
    ConversationKind,
    ConversationStatus,
    Direction,
    Folder,
    MessageRow,
    MessageState,
    PendingChangeRow,
)
from server.inbox.rules import Change, ChangeKind, Content
from server.kit.ids import new_id
from server.sends.models import Delivery, EarlyReceiptRow, SendIntentRow, SendState

NOW_XID = text("pg_current_xact_id()::text::bigint")
_FRESH = {"populate_existing": True}
_UNSYNCED = {"synchronize_session": False}
_CHANGE = (
    PendingChangeRow.kind,
    PendingChangeRow.occurred_at,
    PendingChangeRow.text,
    PendingChangeRow.edit_number,
)
_LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LOCK_ROW = text(
    "SELECT id FROM conversation"
    " WHERE organization_id = :organization AND page_id = :page AND contact_id = :contact FOR UPDATE"
)
# One upsert takes the number, moves the newest message forward, counts an inbound message as unread and lets it wake the
# conversation. What we begin ourselves asks nothing of anybody: it starts RESOLVED and wakes with the first answer.
# A request stays one until a message comes that is none, whichever comes first; what a person put elsewhere stays there.
_TAKE_PLACE = text("""
INSERT INTO conversation AS c (organization_id, id, unit_id, page_id, contact_id, status, last_message_id,
  last_message_at, last_inbound_at, unread_count, next_seq, folder, kind)
VALUES (:organization, :id, :unit, :page, :contact, :status, :message, :at, :inbound_at, :unread, 2, :folder, :kind)
ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE SET
  kind = CASE WHEN excluded.kind = 'GROUP' THEN 'GROUP' ELSE c.kind END,
  next_seq = c.next_seq + 1, revision = c.revision + 1, change_xid = excluded.change_xid,
  unread_count = c.unread_count + excluded.unread_count,
  last_inbound_at = greatest(c.last_inbound_at, excluded.last_inbound_at),
  status = CASE WHEN excluded.last_inbound_at IS NOT NULL AND c.status IN ('RESOLVED', 'SNOOZED') THEN 'OPEN'
    ELSE c.status END,
  folder = CASE WHEN c.folder = 'REQUEST' THEN excluded.folder ELSE c.folder END,
  last_message_id = CASE WHEN (c.last_message_at, c.last_message_id) < (excluded.last_message_at, excluded.last_message_id)
    THEN excluded.last_message_id ELSE c.last_message_id END,
  last_message_at = greatest(c.last_message_at, excluded.last_message_at)
RETURNING c.id, c.next_seq - 1 AS seq
""")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to be stored, with everything that already happened to it."""

    id: UUID
    direction: Direction
    state: MessageState
    content: Content
    occurred_at: datetime
    platform_message_id: str | None
    reply_to_platform_id: str | None = None
    state_reason: str | None = None
    send_id: UUID | None = None
    author_id: UUID | None = None
    template_version_id: UUID | None = None
    is_request: bool = False
    is_group: bool = False
    writer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SendFacts:
    """What the ledger of sends says of one send."""

    state: SendState
    delivery: Delivery
    reason: str | None
    text: str
    author_id: UUID | None


async def lock(session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID) -> UUID | None:
    """Make this transaction the only one that applies events of the pair; return their conversation, if there is one.

    The lock on its row keeps other events, replies and settled sends away. Before there is a row, an advisory lock does.
    """
    pair = {"organization": organization_id, "page": page_id, "contact": contact_id}
    found: UUID | None = (await session.execute(_LOCK_ROW, pair)).scalar_one_or_none()
    if found is None:
        await session.execute(_LOCK_NAME, {"name": f"inbox:{organization_id}:{page_id}:{contact_id}"})
        found = (await session.execute(_LOCK_ROW, pair)).scalar_one_or_none()
    return found


async def take_place(
    session: AsyncSession, organization_id: UUID, page: PageRef, contact_id: UUID, message: NewMessage
) -> tuple[UUID, int]:
    """Find or begin the conversation of the pair and give the message its place; return the conversation and the seq."""
    is_inbound = message.direction is Direction.INBOUND
    values = {
        "organization": organization_id,
        "id": new_id(),
        "unit": page.unit_id,
        "page": page.id,
        "contact": contact_id,
        "status": (ConversationStatus.OPEN if is_inbound else ConversationStatus.RESOLVED).value,
        "message": message.id,
        "at": message.occurred_at,
        "inbound_at": message.occurred_at if is_inbound else None,
        "unread": 1 if is_inbound else 0,
        "folder": (Folder.REQUEST if message.is_request else Folder.PRIMARY).value,
        "kind": (ConversationKind.GROUP if message.is_group else ConversationKind.DIRECT).value,
    }
    row = (await session.execute(_TAKE_PLACE, values)).one()
    return row.id, row.seq


async def message_by_platform_id(
    session: AsyncSession, organization_id: UUID, page_id: UUID, platform_message_id: str
) -> MessageRow | None:
    """Return the message that the page's platform calls so."""
    return await _message(
        session,
        organization_id,
        and_(MessageRow.page_id == page_id, MessageRow.platform_message_id == platform_message_id),
    )


async def message_by_send(session: AsyncSession, organization_id: UUID, send_id: UUID) -> MessageRow | None:
    """Return the message that the send carries out."""
    return await _message(session, organization_id, MessageRow.send_id == send_id)


async def _message(session: AsyncSession, organization_id: UUID, condition: ColumnElement[bool]) -> MessageRow | None:
    statement = select(MessageRow).where(MessageRow.organization_id == organization_id, condition)
    return (await session.scalars(statement.execution_options(**_FRESH))).one_or_none()


async def insert_message(
    session: AsyncSession,
    organization_id: UUID,
    page: PageRef,
    conversation_id: UUID,
    seq: int,
    message: NewMessage,
) -> MessageRow:
    """Store a message at its place."""
    row = MessageRow(
        organization_id=organization_id,
        id=message.id,
        unit_id=page.unit_id,
        page_id=page.id,
        conversation_id=conversation_id,
        seq=seq,
        direction=message.direction,
        state=message.state,
        state_reason=message.state_reason,
        platform_message_id=message.platform_message_id,
        reply_to_platform_id=message.reply_to_platform_id,
        send_id=message.send_id,
        author_id=message.author_id,
        writer_id=message.writer_id,
        template_version_id=message.template_version_id,
        occurred_at=message.occurred_at,
        **content_values(message.content),
    )
    session.add(row)
    await session.flush()
    return row


def content_values(content: Content) -> dict[str, object]:
    """Return the content as column values."""
    return {
        "text": content.text,
        "attachments": list(content.attachments),
        "edit_number": content.edit_number,
        "reaction": content.reaction,
        "reaction_at": content.reaction_at,
        "unsent_at": content.unsent_at,
    }


def content_of(row: MessageRow) -> Content:
    """Return the content of a stored message."""
    return Content(row.text, tuple(row.attachments), row.edit_number, row.reaction, row.reaction_at, row.unsent_at)


async def set_values(session: AsyncSession, row: MessageRow, values: Mapping[str, object]) -> None:
    """Change columns of a message whose conversation the caller has locked."""
    for name, value in values.items():
        setattr(row, name, value)
    await session.flush()


async def delete_message(session: AsyncSession, row: MessageRow) -> None:
    """Remove the second copy of a message; its facts must have been folded into the first."""
    session.expunge(row)
    await session.execute(
        delete(MessageRow)
        .where(MessageRow.organization_id == row.organization_id, MessageRow.id == row.id)
        .execution_options(**_UNSYNCED)
    )


async def touch(session: AsyncSession, organization_id: UUID, conversation_ids: Sequence[UUID]) -> None:
    """Mark conversations as changed and point them at their newest message; the caller has locked them."""
    statement = text(
        "UPDATE conversation SET revision = revision + 1, change_xid = pg_current_xact_id()::text::bigint,"
        " last_message_id = newest.id, last_message_at = newest.occurred_at"
        " FROM unnest(CAST(:ids AS uuid[])) AS wanted(id) CROSS JOIN LATERAL ("
        "  SELECT id, occurred_at FROM message"
        "  WHERE organization_id = :organization AND conversation_id = wanted.id"
        "  ORDER BY occurred_at DESC, id DESC LIMIT 1) AS newest"
        " WHERE conversation.organization_id = :organization AND conversation.id = wanted.id"
    )
    await session.execute(statement, {"organization": organization_id, "ids": list(conversation_ids)})


async def keep_change(
    session: AsyncSession,
    organization_id: UUID,
    page: PageRef,
    contact_id: UUID,
    platform_message_id: str,
    change: Change,
) -> None:
    """Keep a change whose message is not here yet, once however often it comes; the caller has locked the pair."""
    about = _about(organization_id, page.id, [platform_message_id])
    kept = [Change(ChangeKind(row.kind), *row[1:]) for row in await session.execute(select(*_CHANGE).where(about))]
    if change.kind is ChangeKind.UNSEND:
        await session.execute(
            update(PendingChangeRow)
            .where(about, PendingChangeRow.kind == ChangeKind.EDIT.value)
            .values(text=None)
            .execution_options(**_UNSYNCED)
        )
    elif change.kind is ChangeKind.EDIT and any(one.kind is ChangeKind.UNSEND for one in kept):
        change = Change(change.kind, change.occurred_at, None, change.edit_number)
    if change not in kept:
        session.add(
            PendingChangeRow(
                organization_id=organization_id,
                id=new_id(),
                unit_id=page.unit_id,
                page_id=page.id,
                platform_message_id=platform_message_id,
                contact_id=contact_id,
                kind=change.kind.value,
                text=change.text,
                edit_number=change.edit_number,
                occurred_at=change.occurred_at,
            )
        )
        await session.flush()


async def take_changes(
    session: AsyncSession, organization_id: UUID, page_id: UUID, platform_message_ids: Sequence[str]
) -> dict[str, list[Change]]:
    """Remove and return the changes that waited for these messages, by message."""
    statement = (
        delete(PendingChangeRow)
        .where(_about(organization_id, page_id, platform_message_ids))
        .returning(PendingChangeRow.platform_message_id, *_CHANGE)
        .execution_options(**_UNSYNCED)
    )
    found: dict[str, list[Change]] = {}
    for mid, kind, occurred_at, wording, number in await session.execute(statement):
        found.setdefault(mid, []).append(Change(ChangeKind(kind), occurred_at, wording, number))
    return found


def _about(organization_id: UUID, page_id: UUID, platform_message_ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        PendingChangeRow.organization_id == organization_id,
        PendingChangeRow.page_id == page_id,
        PendingChangeRow.platform_message_id.in_(platform_message_ids),
    )


async def send_facts(session: AsyncSession, organization_id: UUID, send_id: UUID) -> SendFacts | None:
    """Return what is known of a send."""
    statement = select(
        SendIntentRow.state, SendIntentRow.delivery, SendIntentRow.reason, SendIntentRow.text, SendIntentRow.author_id
    ).where(SendIntentRow.organization_id == organization_id, SendIntentRow.id == send_id)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else SendFacts(*row)


async def note_receipt(
    session: AsyncSession,
    organization_id: UUID,
    conversation_id: UUID,
    wanted: MessageState,
    watermark: datetime | None,
    platform_message_ids: Sequence[str],
) -> bool:
    """Move messages written outside of Switchboard forward; say whether any moved."""
    before = [MessageState.SENT] if wanted is MessageState.DELIVERED else [MessageState.SENT, MessageState.DELIVERED]
    reached: ColumnElement[bool] = MessageRow.platform_message_id.in_(platform_message_ids)
    if watermark is not None:
        reached = or_(reached, MessageRow.occurred_at <= watermark)
    statement = (
        update(MessageRow)
        .where(
            MessageRow.organization_id == organization_id,
            MessageRow.conversation_id == conversation_id,
            MessageRow.direction == Direction.OUTBOUND,
            MessageRow.send_id.is_(None),
            MessageRow.state.in_(before),
            reached,
        )
        .values(state=wanted)
        .returning(MessageRow.id)
        .execution_options(**_UNSYNCED)
    )
    return bool((await session.execute(statement)).all())


async def named_receipt(
    session: AsyncSession, organization_id: UUID, page_id: UUID, platform_message_id: str
) -> Delivery | None:
    """Return the furthest receipt that named this message, as sends keeps it."""
    statement = select(EarlyReceiptRow.delivery).where(
        EarlyReceiptRow.organization_id == organization_id,
        EarlyReceiptRow.page_id == page_id,
        EarlyReceiptRow.platform_message_id == platform_message_id,
    )
    return (await session.scalars(statement)).one_or_none()
