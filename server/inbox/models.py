"""Tables of the inbox: conversations, messages, notes, assignment and labels."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, BigInt, TenantRow, Wall, walled


class ConversationStatus(StrEnum):
    """Where our work on a conversation stands (product.md, part E)."""

    OPEN = "OPEN"
    PENDING = "PENDING"
    SNOOZED = "SNOOZED"
    RESOLVED = "RESOLVED"


class Folder(StrEnum):
    """Where the platform put the conversation (S2-03)."""

    PRIMARY = "PRIMARY"
    REQUEST = "REQUEST"
    SPAM = "SPAM"


class Category(StrEnum):
    """What a conversation is about (S2-14); needed before it can be resolved."""

    INQUIRY = "INQUIRY"
    FEEDBACK = "FEEDBACK"
    COMPLAINT = "COMPLAINT"
    REVIEW = "REVIEW"
    SUPPORT = "SUPPORT"
    PRIVATE_INFORMATION = "PRIVATE_INFORMATION"
    INFLUENCER = "INFLUENCER"


class ConversationKind(StrEnum):
    """Between whom a conversation is (S4-01)."""

    DIRECT = "DIRECT"
    GROUP = "GROUP"


class Direction(StrEnum):
    """Who wrote the message."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class MessageState(StrEnum):
    """What is known of a message. RECEIVED is inbound; the others are outbound and say no more than the platform said."""

    RECEIVED = "RECEIVED"
    QUEUED = "QUEUED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"


class UnsendState(StrEnum):
    """Where the wish to take a message back stands at the platform."""

    REQUESTED = "REQUESTED"
    DONE = "DONE"
    FAILED = "FAILED"


_NOW_XID = text("(pg_current_xact_id()::text::bigint)")


class ConversationRow(TenantRow, Base):
    """The one exchange of a page with a contact. Unique per page and contact, so two first messages cannot race.

    In a group the contact stands for the group as a whole, as the platform names it; its people are participants.
    """

    __tablename__ = "conversation"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "assignee_id"], ["member.organization_id", "member.id"]),
        UniqueConstraint("organization_id", "page_id", "contact_id"),
        Index("conversation_contact_idx", "organization_id", "contact_id"),
        Index("conversation_latest_idx", "organization_id", "last_message_at", "id"),
        Index("conversation_unit_latest_idx", "organization_id", "unit_id", "last_message_at", "id"),
        Index("conversation_change_idx", "organization_id", "change_xid", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    kind: Mapped[ConversationKind] = mapped_column(default=ConversationKind.DIRECT, server_default="DIRECT")
    status: Mapped[ConversationStatus] = mapped_column(default=ConversationStatus.OPEN, server_default="OPEN")
    folder: Mapped[Folder] = mapped_column(default=Folder.PRIMARY, server_default="PRIMARY")
    category: Mapped[Category | None]
    assignee_id: Mapped[UUID | None]
    last_message_id: Mapped[UUID | None]
    last_message_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None]
    unread_count: Mapped[int] = mapped_column(default=0, server_default="0")
    next_seq: Mapped[int] = mapped_column(default=1, server_default="1")
    revision: Mapped[int] = mapped_column(default=1, server_default="1")
    """Raised with every change; a write that names an older one is refused as stale."""
    change_xid: Mapped[int] = mapped_column(BigInt, server_default=_NOW_XID)
    """The transaction of the last change. Subscriptions catch up by (change_xid, id) below the snapshot's horizon."""


class MessageRow(TenantRow, Base):
    """One message of a conversation, in or out. `seq` is the order of arrival, `occurred_at` the platform's time."""

    __tablename__ = "message"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "conversation_id"], ["conversation.organization_id", "conversation.id"]
        ),
        ForeignKeyConstraint(["organization_id", "author_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "writer_id"], ["contact.organization_id", "contact.id"]),
        UniqueConstraint("organization_id", "page_id", "platform_message_id"),
        UniqueConstraint("organization_id", "conversation_id", "seq"),
        UniqueConstraint("organization_id", "send_id"),
        Index("message_order_idx", "organization_id", "conversation_id", "occurred_at", "id"),
        Index("message_writer_idx", "organization_id", "writer_id", postgresql_where="writer_id IS NOT NULL"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    seq: Mapped[int]
    direction: Mapped[Direction]
    state: Mapped[MessageState]
    state_reason: Mapped[str | None]
    text: Mapped[str | None] = mapped_column(Text)
    attachments: Mapped[list[dict[str, object]]] = mapped_column(JSONB, default=list, server_default="[]")
    platform_message_id: Mapped[str | None]
    reply_to_platform_id: Mapped[str | None]
    send_id: Mapped[UUID | None]
    author_id: Mapped[UUID | None]
    writer_id: Mapped[UUID | None]
    """Which of a group's people wrote it; None in a conversation of two, and for what the page wrote."""
    template_version_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    edit_number: Mapped[int] = mapped_column(default=0, server_default="0")
    reaction: Mapped[str | None]
    reaction_at: Mapped[datetime | None]
    unsent_at: Mapped[datetime | None]
    unsend: Mapped[UnsendState | None]
    unsend_detail: Mapped[str | None]


class ParticipantRow(TenantRow, Base):
    """One of the people of a group. Every moment moves one way only, so that news of a group may come in any order.

    The group is named by the contact that stands for it: people may be told before anybody has written.
    """

    __tablename__ = "participant"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "group_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        UniqueConstraint("organization_id", "group_id", "contact_id"),
        Index("participant_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    group_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    since: Mapped[datetime | None]
    """The earliest moment at which they are known to have been there."""
    seen_at: Mapped[datetime | None]
    """The latest such moment. They are there now unless they left after it."""
    left_at: Mapped[datetime | None]
    """When they left for the last time."""


class MessageMediaRow(TenantRow, Base):
    """Our own copy of one attachment of a message, or why there is none: the platform's address of it expires."""

    __tablename__ = "message_media"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "message_id"], ["message.organization_id", "message.id"]),
        UniqueConstraint("organization_id", "message_id", "position"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    message_id: Mapped[UUID]
    position: Mapped[int]
    """The place of the attachment in its message, from 0."""
    media_type: Mapped[str | None]
    size: Mapped[int | None]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    problem: Mapped[str | None]
    """Why there is no copy; it is not tried again."""


class PendingChangeRow(TenantRow, Base):
    """An edit, unsend or reaction that arrived before its message; applied when the message arrives."""

    __tablename__ = "pending_change"
    __table_args__ = (
        Index("pending_change_message_idx", "organization_id", "page_id", "platform_message_id"),
        Index("pending_change_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    platform_message_id: Mapped[str]
    contact_id: Mapped[UUID | None]
    """Whose message it is about; None in rows from before this was noted."""
    kind: Mapped[str]
    text: Mapped[str | None] = mapped_column(Text)
    edit_number: Mapped[int] = mapped_column(default=0, server_default="0")
    occurred_at: Mapped[datetime]


class NoteRow(TenantRow, Base):
    """One internal remark on a conversation; never sent to anybody."""

    __tablename__ = "note"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "conversation_id"], ["conversation.organization_id", "conversation.id"]
        ),
        Index("note_order_idx", "organization_id", "conversation_id", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    author_id: Mapped[UUID]
    text: Mapped[str] = mapped_column(Text)


class AssignmentRow(TenantRow, Base):
    """One entry of a conversation's history of owners; None is a release."""

    __tablename__ = "assignment"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "conversation_id"], ["conversation.organization_id", "conversation.id"]
        ),
        Index("assignment_conversation_idx", "organization_id", "conversation_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    assignee_id: Mapped[UUID | None]
    actor_id: Mapped[UUID]


class ConversationLabelRow(Base):
    """One label on one conversation."""

    __tablename__ = "conversation_label"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "conversation_id", "label_id"),
        ForeignKeyConstraint(
            ["organization_id", "conversation_id"], ["conversation.organization_id", "conversation.id"]
        ),
        ForeignKeyConstraint(["organization_id", "label_id"], ["label.organization_id", "label.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    label_id: Mapped[UUID]
    unit_id: Mapped[UUID]
