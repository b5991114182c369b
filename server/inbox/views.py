"""What the inbox shows: plain values, read in a constant number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.inbox.models import Category, ConversationKind, ConversationStatus, Direction, Folder, MessageState
from server.platforms.port import Channel


@dataclass(frozen=True, slots=True)
class Parts:
    """Which related values a reader asks for; what is not asked for is not read."""

    contact: bool = False
    page: bool = False
    assignee: bool = False
    labels: bool = False
    last_message: bool = False

    @classmethod
    def every(cls) -> Parts:
        """Return the request for all of them."""
        return cls(contact=True, page=True, assignee=True, labels=True, last_message=True)


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations are wanted; None is no condition. `unit_id` means the unit and everything under it."""

    status: ConversationStatus | None = None
    folder: Folder | None = None
    unit_id: UUID | None = None
    page_id: UUID | None = None
    assignee_id: UUID | None = None
    unassigned: bool | None = None
    label_id: UUID | None = None
    category: Category | None = None
    contact_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ContactPart:
    """Who the conversation is with."""

    id: UUID
    name: str | None
    first_name: str | None


@dataclass(frozen=True, slots=True)
class PagePart:
    """Which page the conversation is held by."""

    id: UUID
    channel: Channel
    external_id: str
    name: str


@dataclass(frozen=True, slots=True)
class AssigneePart:
    """Which member owns the conversation."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class LabelPart:
    """One label of the conversation."""

    id: UUID
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class LastMessagePart:
    """The newest message by the platform's time."""

    id: UUID
    direction: Direction
    state: MessageState
    text: str | None
    has_attachments: bool
    occurred_at: datetime
    unsent_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConversationView:
    """One conversation with the parts that were asked for; the others are None, or empty for labels."""

    id: UUID
    unit_id: UUID
    page_id: UUID
    contact_id: UUID
    kind: ConversationKind
    status: ConversationStatus
    folder: Folder
    category: Category | None
    assignee_id: UUID | None
    last_message_id: UUID | None
    last_message_at: datetime
    last_inbound_at: datetime | None
    unread_count: int
    revision: int
    created_at: datetime
    contact: ContactPart | None = None
    page: PagePart | None = None
    assignee: AssigneePart | None = None
    last_message: LastMessagePart | None = None
    labels: tuple[LabelPart, ...] = ()
