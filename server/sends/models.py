"""Tables of sends: every outgoing message, its attempts, the batch that must allow it, and receipts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled
from server.platforms.port import Act, OutgoingKind


class Purpose(StrEnum):
    """Why a message is sent; set before the send and never changed (S0-01)."""

    CONVERSATIONAL = "CONVERSATIONAL"
    MARKETING = "MARKETING"


class SendState(StrEnum):
    """Where a send stands on our side. What the platform reports later is `Delivery`."""

    QUEUED = "QUEUED"
    CLAIMED = "CLAIMED"
    SENT = "SENT"
    NOT_SENT = "NOT_SENT"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    NEEDS_HUMAN = "NEEDS_HUMAN"


class Delivery(StrEnum):
    """What the platform said afterwards. Moves forward only: NONE, ACCEPTED, DELIVERED, READ; FAILED ends it."""

    NONE = "NONE"
    ACCEPTED = "ACCEPTED"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"


class BatchState(StrEnum):
    """Whether the sends of a batch may be claimed."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class SendBatchRow(TenantRow, Base):
    """The leave under which the sends of one campaign run go out; every claim reads it in its own statement."""

    __tablename__ = "send_batch"
    __table_args__ = ({"info": walled(Wall.UNIT)},)

    unit_id: Mapped[UUID]
    state: Mapped[BatchState]
    approved_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The content that was approved. A send whose digest differs is refused as APPROVAL_STALE (D-07)."""


class SendIntentRow(TenantRow, Base):
    """One message that somebody decided to send to one person, exactly once."""

    __tablename__ = "send_intent"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "batch_id"], ["send_batch.organization_id", "send_batch.id"]),
        UniqueConstraint("organization_id", "dedupe_key"),
        Index(
            "send_intent_due_idx",
            "organization_id",
            "page_id",
            "purpose",
            "not_before",
            "id",
            postgresql_where="state = 'QUEUED'",
        ),
        Index(
            "send_intent_open_idx",
            "organization_id",
            "page_id",
            "claimed_at",
            postgresql_where="state IN ('CLAIMED', 'UNKNOWN')",
        ),
        Index("send_intent_person_idx", "organization_id", "contact_id"),
        Index("send_intent_batch_idx", "organization_id", "batch_id", "state", "delivery"),
        Index("send_intent_contact_idx", "organization_id", "page_id", "contact_id", "platform_at"),
        Index("send_intent_message_idx", "organization_id", "page_id", "platform_message_id"),
        {"info": walled(Wall.UNIT, system="SELECT (organization_id, page_id, state, purpose, not_before, claimed_at)")},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    recipient_external_id: Mapped[str]
    batch_id: Mapped[UUID | None]
    topic_id: Mapped[UUID | None]
    purpose: Mapped[Purpose]
    kind: Mapped[OutgoingKind] = mapped_column(server_default="MESSAGE")
    """What it is on the platform. For MARKETING the purpose decides: sends of older processes have the default here."""
    text: Mapped[str] = mapped_column(Text)
    comment_id: Mapped[str | None]
    commented_at: Mapped[datetime | None]
    """The platform's time of the comment; a private reply may go for so long after it as the channel says."""
    thread_external_id: Mapped[str | None]
    reply_to_message_id: Mapped[str | None]
    """The platform's id of the message that this one quotes."""
    media: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    """Our files, as {"file": id, "kind": MediaKind}."""
    quick_replies: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    buttons: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    utility: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))
    """The approved template, as {"name", "language", "parameters"}."""
    human_agent: Mapped[bool] = mapped_column(default=False, server_default="false")
    content_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    platform_campaign_id: Mapped[str | None]
    dedupe_key: Mapped[str]
    author_id: Mapped[UUID | None]
    not_before: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[SendState] = mapped_column(default=SendState.QUEUED, server_default="QUEUED")
    reason: Mapped[str | None]
    """For SKIPPED the rule that forbade it, for NOT_SENT the failure, for UNKNOWN what is known."""
    detail: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    claimed_by: Mapped[UUID | None]
    claimed_at: Mapped[datetime | None]
    checked_absent: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often an unknown was looked for in the platform's own list and not found."""
    settled_at: Mapped[datetime | None]
    platform_message_id: Mapped[str | None]
    platform_at: Mapped[datetime | None]
    """When the platform says that it took the message (from the echo), or when its answer arrived."""
    delivery: Mapped[Delivery] = mapped_column(default=Delivery.NONE, server_default="NONE")
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    consent_event_id: Mapped[UUID | None]
    """The ledger entry that allowed a marketing message, as the claim found it (D-08)."""


class SendAttemptRow(Base):
    """One try of one send: who claimed it, and how it ended."""

    __tablename__ = "send_attempt"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "send_id", "attempt"),
        ForeignKeyConstraint(["organization_id", "send_id"], ["send_intent.organization_id", "send_intent.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    send_id: Mapped[UUID]
    attempt: Mapped[int]
    unit_id: Mapped[UUID]
    worker_id: Mapped[UUID]
    claimed_at: Mapped[datetime]
    outcome: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    finished_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ReceiptMarkRow(Base):
    """Up to when the messages of one page to one person were delivered and read; receipts may come before their message."""

    __tablename__ = "receipt_mark"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "contact_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        Index("receipt_mark_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    delivered_until: Mapped[datetime | None]
    read_until: Mapped[datetime | None]


class EarlyReceiptRow(Base):
    """A receipt that names a message id which no send carries yet; applied when the answer or the echo names it."""

    __tablename__ = "early_receipt"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "platform_message_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    platform_message_id: Mapped[str]
    unit_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    """Whose receipt it is; None in rows from before this was noted."""
    delivery: Mapped[Delivery]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SendTallyRow(TenantRow, Base):
    """How many sends of a batch were erased with the people they went to: the number stays, the people do not."""

    __tablename__ = "send_tally"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "batch_id"], ["send_batch.organization_id", "send_batch.id"]),
        Index("send_tally_batch_idx", "organization_id", "batch_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    """The unit of the batch."""
    batch_id: Mapped[UUID]
    state: Mapped[SendState]
    delivery: Mapped[Delivery]
    reason: Mapped[str | None]
    count: Mapped[int]


class PageMediaRow(Base):
    """What the platform of a page calls one of our files, so that it is uploaded once and sent often."""

    __tablename__ = "page_media"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "file_id"),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        ForeignKeyConstraint(
            ["organization_id", "file_id"], ["stored_file.organization_id", "stored_file.id"], ondelete="CASCADE"
        ),
        Index("page_media_file_idx", "organization_id", "file_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    file_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    platform_media_id: Mapped[str]
    expires_at: Mapped[datetime | None]
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class QuotaUseRow(Base):
    """What was taken of one allowance: of a page, or of our app, which all tenants share.

    `window_s` 0 is the row of what the platform itself told: how much is left until when, or that it wants to be left alone.
    """

    __tablename__ = "quota_use"
    __table_args__ = (
        PrimaryKeyConstraint("subject", "act", "window_s"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")},
    )

    subject: Mapped[str]
    act: Mapped[Act]
    window_s: Mapped[int]
    open: Mapped[dict[str, object]] = mapped_column(server_default="{}")
    """Tokens of calls that have not ended, by the slice of time since 1970 in which they were taken."""
    done: Mapped[dict[str, object]] = mapped_column(server_default="{}")
    """Tokens of calls that have ended, by the slice in which they had."""
    waiting: Mapped[dict[str, object]] = mapped_column(server_default="{}")
    """Organizations that wait for an app's allowance: until when they are believed to wait, and when they got some last."""
    remaining: Mapped[int | None]
    resets_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    used_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
