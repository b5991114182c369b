"""Tables of consent: topics, the append-only ledger, the state it adds up to, suppression, windows and caps."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, sealed_to, walled


class ConsentAction(StrEnum):
    """What a person did about a topic."""

    OPT_IN = "OPT_IN"
    OPT_OUT = "OPT_OUT"


class ConsentSource(StrEnum):
    """Where we know it from. There is no source for an imported list (product.md S0-12)."""

    PLATFORM_OPT_IN = "PLATFORM_OPT_IN"
    PLATFORM_STOP = "PLATFORM_STOP"
    MESSAGE_KEYWORD = "MESSAGE_KEYWORD"
    AGENT = "AGENT"


class SuppressionReason(StrEnum):
    """Why nothing may be sent to a person."""

    BLOCKED_BY_CONTACT = "BLOCKED_BY_CONTACT"
    ASKED_TO_STOP = "ASKED_TO_STOP"
    UNREACHABLE = "UNREACHABLE"
    MANUAL = "MANUAL"
    ERASED_BEFORE = "ERASED_BEFORE"
    """The person had their data erased and came back: answered, but never written to first."""


class TopicRow(TenantRow, Base):
    """One kind of marketing a person can accept or decline. `key` is the payload of the platform's opt-in request."""

    __tablename__ = "topic"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "unit_id", "key"),
        {"info": walled(Wall.LINEAGE)},
    )

    unit_id: Mapped[UUID]
    key: Mapped[str]
    name: Mapped[str]


class ConsentEventRow(TenantRow, Base):
    """One yes or no of a person, as it happened. Never changed, never deleted."""

    __tablename__ = "consent_event"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        Index("consent_event_contact_idx", "organization_id", "contact_id", "occurred_at", "id"),
        {"info": walled(Wall.UNIT) | {"append_only": True, "erasable": ("unit_id", "contact_id")}},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    topic_id: Mapped[UUID | None]
    action: Mapped[ConsentAction]
    source: Mapped[ConsentSource]
    occurred_at: Mapped[datetime]
    wording: Mapped[str | None]
    platform_event_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]


class ConsentRow(Base):
    """What a person's last word on one topic at one page is. `occurred_at` orders words that arrive out of order."""

    __tablename__ = "consent"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "contact_id", "topic_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "topic_id"], ["topic.organization_id", "topic.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        Index("consent_topic_idx", "organization_id", "topic_id", "contact_id"),
        Index("consent_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    topic_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    is_opted_in: Mapped[bool]
    occurred_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    token_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_to("consent.token_sealed:{organization_id}:{page_id}:{contact_id}:{topic_id}")
    )
    """The platform's token for paid messages to this person on this topic."""
    event_id: Mapped[UUID]
    """The ledger entry that made it so: the proof."""


class SuppressionRow(Base):
    """Nothing is sent to this contact from any page of the organization until the row is lifted."""

    __tablename__ = "suppression"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "contact_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    reason: Mapped[SuppressionReason]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WindowRow(Base):
    """Until when a page may write to a person freely: the person's last action plus the channel's window."""

    __tablename__ = "messaging_window"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "contact_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        Index("messaging_window_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    last_action_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    human_agent_closes_at: Mapped[datetime]


class MarketingUseRow(Base):
    """When the last marketing message to a person was claimed at one page: the atomic daily cap (S0-03).

    One row per person and page, taken by an upsert that succeeds only after the channel's minimum gap; `previous_used_at`
    gives the slot back when the platform certainly refused the message.
    """

    __tablename__ = "marketing_use"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id", "contact_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        Index("marketing_use_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    send_id: Mapped[UUID]
    used_at: Mapped[datetime]
    previous_used_at: Mapped[datetime | None]
