"""How the inbox's rows leave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Text, cast, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute

from server.inbox.models import (
    AssignmentRow,
    ConversationLabelRow,
    ConversationRow,
    MessageMediaRow,
    MessageRow,
    NoteRow,
    ParticipantRow,
    PendingChangeRow,
)
from server.tenants.leaving import How, Leaving, among, of_contact, of_units
from server.tenants.uow import UnitOfWork

MEDIA_NOTE = (
    "The platform keeps the file; its address expires. Fetch it soon, and from the page itself if it has expired."
)
COPY_NOTE = (
    "Our copy of the file stands among the data, as the message_media of this id, its content in hexadecimal digits."
)
_AT_ONCE = 1_000
_FILES_AT_ONCE = 2


def _in_conversations(column: InstrumentedAttribute[UUID]) -> Callable[[UUID], ColumnElement[bool]]:
    return lambda contact_id: column.in_(
        select(ConversationRow.id).where(
            ConversationRow.organization_id == column.class_.organization_id, ConversationRow.contact_id == contact_id
        )
    )


def _copies_of_contact(contact_id: UUID) -> ColumnElement[bool]:
    return MessageMediaRow.message_id.in_(
        select(MessageRow.id)
        .join(
            ConversationRow,
            (ConversationRow.organization_id == MessageRow.organization_id)
            & (ConversationRow.id == MessageRow.conversation_id),
        )
        .where(
            MessageRow.organization_id == MessageMediaRow.organization_id,
            or_(ConversationRow.contact_id == contact_id, MessageRow.writer_id == contact_id),
        )
    )


def _words_of(contact_id: UUID) -> ColumnElement[bool]:
    """Choose everything of the contact's conversation, and what they wrote in groups."""
    return or_(_in_conversations(MessageRow.conversation_id)(contact_id), MessageRow.writer_id == contact_id)


def _presence_of(contact_id: UUID) -> ColumnElement[bool]:
    return or_(ParticipantRow.group_id == contact_id, ParticipantRow.contact_id == contact_id)


LEAVING = (
    Leaving(
        ConversationLabelRow,
        How.ROWS,
        of_units(ConversationLabelRow.unit_id),
        _in_conversations(ConversationLabelRow.conversation_id),
    ),
    Leaving(AssignmentRow, How.ROWS, of_units(AssignmentRow.unit_id), _in_conversations(AssignmentRow.conversation_id)),
    Leaving(NoteRow, How.ROWS, of_units(NoteRow.unit_id), _in_conversations(NoteRow.conversation_id)),
    Leaving(MessageMediaRow, How.ROWS, of_units(MessageMediaRow.unit_id), _copies_of_contact, at_once=_FILES_AT_ONCE),
    Leaving(MessageRow, How.ROWS, of_units(MessageRow.unit_id), _words_of),
    Leaving(ParticipantRow, How.ROWS, of_units(ParticipantRow.unit_id), _presence_of),
    Leaving(PendingChangeRow, How.ROWS, of_units(PendingChangeRow.unit_id), of_contact(PendingChangeRow.contact_id)),
    Leaving(ConversationRow, How.ROWS, of_units(ConversationRow.unit_id), of_contact(ConversationRow.contact_id)),
)


_NEWEST_OF_OTHERS = text("""
UPDATE conversation AS c SET last_message_id = newest.id, last_message_at = newest.occurred_at,
  revision = c.revision + 1, change_xid = pg_current_xact_id()::text::bigint
FROM participant AS p, LATERAL (
  SELECT m.organization_id, m.conversation_id, m.id, m.occurred_at FROM conversation AS mine JOIN message AS m
    ON m.organization_id = mine.organization_id AND m.conversation_id = mine.id
  WHERE mine.organization_id = p.organization_id AND mine.contact_id = p.group_id
    AND m.writer_id IS DISTINCT FROM p.contact_id
  ORDER BY m.occurred_at DESC, m.id DESC LIMIT 1) AS newest
WHERE p.organization_id = :organization AND p.contact_id = :contact
  AND c.organization_id = newest.organization_id AND c.id = newest.conversation_id
  AND c.last_message_id IS DISTINCT FROM newest.id
""")


async def step_back(uow: UnitOfWork, contact_id: UUID) -> None:
    """Let every group of a contact show the newest message of somebody else, before the contact's own ones are erased."""
    await uow.session.execute(_NEWEST_OF_OTHERS, {"organization": uow.scope.organization_id, "contact": contact_id})


async def media(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> AsyncIterator[Sequence[Mapping[str, object]]]:
    """Yield what the messages of these units had attached: our copy of it, or where the platform keeps it for a while."""
    statement = (
        select(
            MessageRow.id,
            MessageRow.conversation_id,
            MessageRow.platform_message_id,
            MessageRow.occurred_at,
            MessageRow.attachments,
            _copies().label("copies"),
        )
        .where(
            MessageRow.organization_id == uow.scope.organization_id,
            MessageRow.unit_id == among(unit_ids),
            MessageRow.attachments != literal([], JSONB),
        )
        .order_by(MessageRow.id)
    )
    found = await uow.session.stream(statement, execution_options={"yield_per": _AT_ONCE})
    async for rows in found.partitions():
        yield [
            {
                "message_id": row.id,
                "conversation_id": row.conversation_id,
                "platform_message_id": row.platform_message_id,
                "occurred_at": row.occurred_at,
                "kind": piece.get("kind"),
                "title": piece.get("title"),
                "url": piece.get("url"),
                "copy_id": copy_id,
                "note": MEDIA_NOTE if copy_id is None else COPY_NOTE,
            }
            for row in rows
            for position, piece in enumerate(row.attachments)
            if isinstance(piece, Mapping)
            for copy_id in [(row.copies or {}).get(str(position))]
        ]


def _copies() -> ScalarSelect[Any]:
    """Select the ids of a message's copies by the places of their attachments."""
    return (
        select(func.jsonb_object_agg(cast(MessageMediaRow.position, Text), cast(MessageMediaRow.id, Text)))
        .where(
            MessageMediaRow.organization_id == MessageRow.organization_id,
            MessageMediaRow.message_id == MessageRow.id,
            MessageMediaRow.content.is_not(None),
        )
        .correlate(MessageRow)
        .scalar_subquery()
    )
