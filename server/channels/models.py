"""Tables of channels: grants, pages, the routes by which webhooks find their tenant, and raw platform events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled
from server.platforms.port import Channel


class Health(StrEnum):
    """Whether we may still act for an account, and if not, what a person has to do."""

    HEALTHY = "HEALTHY"
    EXPIRING = "EXPIRING"
    RECONNECT_NEEDED = "RECONNECT_NEEDED"
    RESTRICTED = "RESTRICTED"
    MISSING_PERMISSION = "MISSING_PERMISSION"


class ConnectionState(StrEnum):
    """Where an OAuth dialogue stands."""

    STARTED = "STARTED"
    GRANTED = "GRANTED"
    FINISHED = "FINISHED"
    REFUSED = "REFUSED"


class EventState(StrEnum):
    """What became of a raw event."""

    STORED = "STORED"
    HANDLED = "HANDLED"
    DEAD = "DEAD"


class ConnectionRow(TenantRow, Base):
    """One run of a platform's consent dialogue, bound to the member who began it and to the browser that ended it."""

    __tablename__ = "channel_connection"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "state_hash"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    channel: Mapped[Channel]
    state: Mapped[ConnectionState]
    state_hash: Mapped[bytes] = mapped_column(LargeBinary)
    completion_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Hash of the code that only the browser which ended the dialogue was given."""
    return_url: Mapped[str | None]
    account_id: Mapped[UUID | None]
    found_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The pages found and their tokens, sealed, until the member chooses."""
    expires_at: Mapped[datetime]
    failure: Mapped[str | None]


class ConnectedAccountRow(TenantRow, Base):
    """One grant: a person let us act for their pages. The token is sealed to this row."""

    __tablename__ = "connected_account"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "channel", "external_id", "unit_id"),
        Index("connected_account_person_idx", "channel", "external_id"),
        {"info": walled(Wall.UNIT, system="SELECT (organization_id, unit_id, channel, external_id)")},
    )

    unit_id: Mapped[UUID]
    channel: Mapped[Channel]
    external_id: Mapped[str]
    name: Mapped[str]
    token_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    token_expires_at: Mapped[datetime | None]
    health: Mapped[Health] = mapped_column(default=Health.HEALTHY, server_default="HEALTHY")
    health_reason: Mapped[str | None]
    connected_by: Mapped[UUID]


class PageRow(TenantRow, Base):
    """One social page that we receive and send for. `health` and `paused_until` are read by the claim of every send."""

    __tablename__ = "page"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(
            ["organization_id", "account_id"], ["connected_account.organization_id", "connected_account.id"]
        ),
        UniqueConstraint("organization_id", "channel", "external_id"),
        Index("page_unit_idx", "organization_id", "unit_id", "name", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    account_id: Mapped[UUID]
    channel: Mapped[Channel]
    external_id: Mapped[str]
    name: Mapped[str]
    token_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    ad_account_id: Mapped[str | None]
    health: Mapped[Health] = mapped_column(default=Health.HEALTHY, server_default="HEALTHY")
    health_reason: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    """No send is claimed before this time: the platform asked us to wait."""
    subscribed_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]


class PageRouteRow(Base):
    """Which tenant a platform's page belongs to. Read by the system role alone; a page has one owner at a time."""

    __tablename__ = "page_route"
    __table_args__ = (
        PrimaryKeyConstraint("channel", "external_id"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, DELETE")},
    )

    channel: Mapped[Channel]
    external_id: Mapped[str]
    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]


class PlatformEventRow(TenantRow, Base):
    """One item of a webhook as the platform sent it. Its unique key makes a duplicate delivery harmless."""

    __tablename__ = "platform_event"
    __table_args__ = (
        UniqueConstraint("organization_id", "page_id", "kind", "external_id"),
        Index(
            "platform_event_mailbox_idx",
            "organization_id",
            "page_id",
            "mailbox",
            "occurred_at",
            "id",
            postgresql_where="state = 'STORED'",
        ),
        {"info": walled(Wall.ORGANIZATION, system="SELECT, INSERT")},
    )

    page_id: Mapped[UUID]
    channel: Mapped[Channel]
    kind: Mapped[str]
    external_id: Mapped[str]
    mailbox: Mapped[str]
    occurred_at: Mapped[datetime]
    payload: Mapped[dict[str, object]]
    state: Mapped[EventState] = mapped_column(default=EventState.STORED, server_default="STORED")
    reason: Mapped[str | None]
    handled_at: Mapped[datetime | None]


class StrayEventRow(Base):
    """A signed body, or a part of one, that no tenant can be named for: a dead letter of the operator."""

    __tablename__ = "stray_event"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        UniqueConstraint("channel", "digest"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, DELETE")},
    )

    id: Mapped[UUID]
    channel: Mapped[Channel]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    detail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
