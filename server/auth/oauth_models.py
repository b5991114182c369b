"""Tables of the authorization server: apps, what people let them do, and what is on its way to a token."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.auth.oauth_rules import AppKind
from server.kit.db import Base, TenantRow, Wall, walled


class OAuthAppRow(TenantRow, Base):
    """One registered app. Only those who reach all of its units see it, and who registered it."""

    __tablename__ = "oauth_app"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "owner_id"], ["member.organization_id", "member.id"]),
        CheckConstraint("cardinality(unit_ids) > 0", name="some_units"),
        Index("oauth_app_parent_idx", "organization_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("oauth_app_owner_idx", "organization_id", "owner_id", postgresql_where=text("owner_id IS NOT NULL")),
        {"info": walled(Wall.OWN)},
    )

    name: Mapped[str]
    kind: Mapped[AppKind]
    member_id: Mapped[UUID | None]
    """Who registered it, or who answered for the app that did; None where nobody knows."""
    owner_id: Mapped[UUID | None]
    """Who answers for it: who registered it, until it is handed over."""
    parent_id: Mapped[UUID | None]
    """The token through which it was registered: it lives no longer, nor when that row is gone (tokens refer to apps, so
    that no foreign key can say it). None: its owner stands in that place."""
    expires_at: Mapped[datetime | None]
    """The end of that token, if it has one."""
    cut_at: Mapped[datetime | None]
    """When its end was moved to its parent's, because it would have outlived it."""
    cut_told_at: Mapped[datetime | None]
    """When that was written into the trail."""
    unit_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    """The units, each with everything under it, on which its tokens act at most. Only units that leave are taken off."""
    permissions: Mapped[list[str]]
    """What its tokens may do at most, from now on and also those that exist."""
    redirect_uris: Mapped[list[str]]
    grant_types: Mapped[list[str]]
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """None for a PUBLIC app."""
    former_secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_secret_until: Mapped[datetime | None]
    """Until when the secret before the newest is still taken."""
    archived_at: Mapped[datetime | None]


class OAuthGrantRow(TenantRow, Base):
    """What one person let one app do. Every token that follows from it, refreshed or not, ends with it."""

    __tablename__ = "oauth_grant"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "app_id"], ["oauth_app.organization_id", "oauth_app.id"]),
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        CheckConstraint("cardinality(unit_ids) > 0", name="some_units"),
        Index("oauth_grant_person_idx", "organization_id", "member_id", "id"),
        {"info": walled(Wall.OWN)},
    )

    app_id: Mapped[UUID]
    app_name: Mapped[str]
    """As the consent page showed it; the person may not see the app itself."""
    member_id: Mapped[UUID]
    unit_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    permissions: Mapped[list[str]]
    revoked_at: Mapped[datetime | None]


class OAuthCodeRow(TenantRow, Base):
    """One authorization code, good for one exchange."""

    __tablename__ = "oauth_code"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "grant_id"], ["oauth_grant.organization_id", "oauth_grant.id"]),
        UniqueConstraint("organization_id", "code_hash"),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    grant_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OAuthRefreshTokenRow(TenantRow, Base):
    """One link in a grant's chain of refresh tokens."""

    __tablename__ = "oauth_refresh_token"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "grant_id"], ["oauth_grant.organization_id", "oauth_grant.id"]),
        UniqueConstraint("organization_id", "token_hash"),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    grant_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replaced_by: Mapped[UUID | None]


class OAuthDeviceRow(TenantRow, Base):
    """One device that waits for a person's word."""

    __tablename__ = "oauth_device"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "app_id"], ["oauth_app.organization_id", "oauth_app.id"]),
        ForeignKeyConstraint(["organization_id", "grant_id"], ["oauth_grant.organization_id", "oauth_grant.id"]),
        UniqueConstraint("organization_id", "device_hash"),
        UniqueConstraint("organization_id", "user_code_hash"),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    app_id: Mapped[UUID]
    device_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    permissions: Mapped[list[str]]
    interval_s: Mapped[int]
    polled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    grant_id: Mapped[UUID | None]
    """What the person granted; None while undecided, and after a no."""
    used_at: Mapped[datetime | None]
