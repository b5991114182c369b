"""Tables of campaigns: the draft, its sender pages, and the frozen audience with a verdict for each person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "DRAFT"
    IN_REVIEW = "IN_REVIEW"
    REJECTED = "REJECTED"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class CampaignRow(TenantRow, Base):
    """One planned marketing send. Any edit raises `revision`, changes `content_digest` and voids an approval."""

    __tablename__ = "campaign"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "topic_id"], ["topic.organization_id", "topic.id"]),
        ForeignKeyConstraint(
            ["organization_id", "template_version_id"], ["template_version.organization_id", "template_version.id"]
        ),
        Index("campaign_newest_idx", "organization_id", "unit_id", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str]
    state: Mapped[CampaignState]
    topic_id: Mapped[UUID]
    template_version_id: Mapped[UUID]
    fallbacks: Mapped[dict[str, object]]
    """What stands in for a missing variable, per variable (S0-07)."""
    label_ids: Mapped[list[str]]
    """The segment: contacts that carry any of these labels; empty needs a written reason (S1-16)."""
    everybody_reason: Mapped[str | None] = mapped_column(Text)
    scheduled_at: Mapped[datetime | None]
    author_id: Mapped[UUID]
    editor_ids: Mapped[list[str]]
    revision: Mapped[int] = mapped_column(default=1, server_default="1")
    content_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Set by submit: template version, variants, audience snapshot, schedule, caps and sender pages in one hash."""
    audience_count: Mapped[int] = mapped_column(default=0, server_default="0")
    expansion_cursor: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class CampaignPageRow(Base):
    """One page that a campaign sends from, with the platform's own campaign there once it is opened."""

    __tablename__ = "campaign_page"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "campaign_id", "page_id"),
        ForeignKeyConstraint(["organization_id", "campaign_id"], ["campaign.organization_id", "campaign.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    campaign_id: Mapped[UUID]
    page_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    platform_campaign_id: Mapped[str | None]


class CampaignRecipientRow(Base):
    """One person of a campaign's audience snapshot: the text rendered for them, or the reason why they are left out."""

    __tablename__ = "campaign_recipient"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "campaign_id", "contact_id"),
        ForeignKeyConstraint(["organization_id", "campaign_id"], ["campaign.organization_id", "campaign.id"]),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        Index("campaign_recipient_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    campaign_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    recipient_external_id: Mapped[str]
    text: Mapped[str | None] = mapped_column(Text)
    skip_reason: Mapped[str | None]
    """Why the person was left out when the audience was frozen; later refusals stand on the send itself."""
    send_id: Mapped[UUID | None]
