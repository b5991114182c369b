"""Tables of channels: grants, pages, the routes by which webhooks find their tenant, and raw platform events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, sealed_to, walled
from server.platforms.port import Channel, Login


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


class CallbackKind(StrEnum):
    """What a platform tells or asks on behalf of a person: the app was removed, or what we hold of them must go."""

    DEAUTHORIZE = "DEAUTHORIZE"
    DELETION = "DELETION"


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
    found_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_to("channel_connection.found_sealed:{organization_id}:{id}")
    )
    """The pages found and their tokens, sealed, until the member chooses."""
    expires_at: Mapped[datetime]
    failure: Mapped[str | None]
    login: Mapped[Login] = mapped_column(default=Login.DIRECT, server_default="DIRECT")
    verifier_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_to("channel_connection.verifier_sealed:{organization_id}:{id}")
    )
    """The PKCE verifier (RFC 7636), sealed, until the code was traded."""


class ConnectedAccountRow(TenantRow, Base):
    """One grant: a person let us act for their pages. The tokens are sealed to this row.

    `token_version` counts the tokens it had: whoever renews them writes only over the version that was read. The lease says
    who asks the platform for new ones now.
    """

    __tablename__ = "connected_account"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "channel", "external_id", "unit_id"),
        Index("connected_account_person_idx", "channel", "external_id"),
        {"info": walled(Wall.UNIT, system="SELECT (organization_id, id, unit_id, channel, external_id, login)")},
    )

    unit_id: Mapped[UUID]
    channel: Mapped[Channel]
    external_id: Mapped[str]
    name: Mapped[str]
    token_sealed: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed_to("connected_account.token_sealed:{organization_id}:{id}")
    )
    scopes: Mapped[list[str]]
    token_expires_at: Mapped[datetime | None]
    health: Mapped[Health] = mapped_column(default=Health.HEALTHY, server_default="HEALTHY")
    health_reason: Mapped[str | None]
    connected_by: Mapped[UUID]
    login: Mapped[Login] = mapped_column(default=Login.DIRECT, server_default="DIRECT")
    refresh_token_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=sealed_to("connected_account.refresh_token_sealed:{organization_id}:{id}")
    )
    refresh_expires_at: Mapped[datetime | None]
    is_refreshable: Mapped[bool] = mapped_column(default=False, server_default="false")
    health_since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    tokens_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """Since when the tokens of the row are in force."""
    token_version: Mapped[int] = mapped_column(default=0, server_default="0")
    was_forced: Mapped[bool] = mapped_column(default=False, server_default="false")
    """The present tokens were asked for because the platform had refused the ones before."""
    refresh_lease: Mapped[UUID | None]
    refresh_lease_until: Mapped[datetime | None]
    was_interrupted: Mapped[bool] = mapped_column(default=False, server_default="false")
    """A renewal began and nobody knows how it ended: the platform may have given tokens that we do not have."""
    refresh_failures: Mapped[int] = mapped_column(default=0, server_default="0")
    refresh_not_before: Mapped[datetime | None]
    refresh_wanted_at: Mapped[datetime | None]
    """Since when the present token is known to be refused; a renewal is owed before the next call."""
    checked_at: Mapped[datetime | None]


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
    token_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_to("page.token_sealed:{organization_id}:{id}"))
    ad_account_id: Mapped[str | None]
    health: Mapped[Health] = mapped_column(default=Health.HEALTHY, server_default="HEALTHY")
    health_reason: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    """No send is claimed before this time: the platform asked us to wait."""
    subscribed_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]
    parent_external_id: Mapped[str | None]
    """The platform's name of the page that this account hangs on, where the login went through one."""
    missing_permissions: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    health_since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    is_ill_by_grant: Mapped[bool] = mapped_column(default=False, server_default="false")
    """What ails it is wrong with its grant alone, and is over when the grant is well."""
    tokens_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """Since when its own token, or its place at its grant, is in force."""
    connected_by: Mapped[UUID | None]
    subscription_checked_at: Mapped[datetime | None]


class PageSyncRow(Base):
    """How far the stored events of one page are compared with the platform's own list (D-17).

    From `since`, when its webhooks began, to `complete_until` nothing is missing.
    """

    __tablename__ = "page_sync"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "page_id"),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    page_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    since: Mapped[datetime | None]
    complete_until: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    gaps_filled: Mapped[int] = mapped_column(default=0, server_default="0")
    last_gap_at: Mapped[datetime | None]
    note: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")


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


class PlatformRequestRow(Base):
    """One verified callback of a platform about a person. It names nobody; the code of its status page opens it.

    It is done when no organization owes the person anything because of it any more.
    """

    __tablename__ = "platform_request"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        UniqueConstraint("code_hash"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE")},
    )

    id: Mapped[UUID]
    channel: Mapped[Channel]
    kind: Mapped[CallbackKind]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
