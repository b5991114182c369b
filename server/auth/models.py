"""Tables of sign-in: accounts, sessions, tickets and tokens. What opens something is stored as a keyed hash."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.rules import MailPurpose, MailState, TicketKind
from server.kit.db import Base, TenantRow, Wall, walled
from server.tenants.rules import Role
from server.tenants.scope import CredentialKind


class AccessTokenRow(TenantRow, Base):
    """One bearer token. The secret itself is shown once and never stored."""

    __tablename__ = "access_token"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "maker_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "owner_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(
            ["organization_id", "parent_id"], ["access_token.organization_id", "access_token.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organization_id", "app_id"], [OAuthAppRow.organization_id, OAuthAppRow.id]),
        ForeignKeyConstraint(["organization_id", "grant_id"], [OAuthGrantRow.organization_id, OAuthGrantRow.id]),
        UniqueConstraint("organization_id", "token_hash"),
        CheckConstraint(
            "member_id IS NOT NULL OR (unit_ids IS NOT NULL AND permissions IS NOT NULL)", name="app_is_limited"
        ),
        CheckConstraint("cardinality(unit_ids) > 0", name="some_units"),
        Index(
            "access_token_session_idx", "organization_id", "session_id", postgresql_where=text("session_id IS NOT NULL")
        ),
        Index(
            "access_token_parent_idx", "organization_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")
        ),
        Index("access_token_owner_idx", "organization_id", "owner_id", postgresql_where=text("owner_id IS NOT NULL")),
        {"info": walled(Wall.OWN)},
    )

    kind: Mapped[CredentialKind]
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    member_id: Mapped[UUID | None]
    """Whose rights the token has at most; None for an app that acts as itself."""
    unit_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    """The units, each with everything under it, that the token reaches at most; None means all that its member reaches."""
    permissions: Mapped[list[str] | None]
    """What the token may do at most; None means all that its member may do."""
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """Noted at most once a minute."""
    revoked_at: Mapped[datetime | None]
    app_id: Mapped[UUID | None]
    """The registered app that holds an OAUTH token; archived, none of its tokens is taken."""
    grant_id: Mapped[UUID | None]
    """The person's consent that an OAUTH token follows from and ends with; None for an app that acts as itself."""
    session_id: Mapped[UUID | None]
    """The sign-in that a SESSION token was made for, and ends with."""
    idle_s: Mapped[int | None]
    """After how many seconds without use the token stops; None means that idleness does not end it."""
    maker_id: Mapped[UUID | None]
    """Who made it, or who answered for the app that did; None where nobody knows."""
    owner_id: Mapped[UUID | None]
    """Who answers for a SERVICE token: its maker, until it is handed over. None for a token that acts as a member."""
    parent_id: Mapped[UUID | None]
    """The token through which it was made: it lives no longer. None: its member or its owner stands in that place."""
    cut_at: Mapped[datetime | None]
    """When its end was moved to its parent's, because it would have outlived it."""
    cut_told_at: Mapped[datetime | None]
    """When that was written into the trail."""


class DevMailRow(Base):
    """One mail that was not sent, because this is a development machine without an SMTP server. See /dev/mail."""

    __tablename__ = "dev_mail"
    __table_args__ = ({"info": walled(Wall.SYSTEM, system="SELECT, INSERT, DELETE")},)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserAccountRow(Base):
    """One person who signs in. `member.user_id` is its id in every organization that the person works for."""

    __tablename__ = "user_account"
    __table_args__ = (
        UniqueConstraint("email"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    """As `rules.address_of` writes it."""
    name: Mapped[str]
    password_hash: Mapped[str | None]
    """Argon2's own text form; None for somebody who never chose a password."""
    password_changed_at: Mapped[datetime | None]
    email_verified_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserSessionRow(Base):
    """One sign-in on one device. The cookie's value is stored as a keyed hash."""

    __tablename__ = "user_session"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("token_hash"),
        Index("user_session_person_idx", "user_id", "id"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    methods: Mapped[list[str]]
    client: Mapped[str]
    """The browser's own name, cut; shown to its person, believed by nobody."""
    network_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A keyed hash of where the sign-in came from: people are never locked out where they have been before."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """Noted at most once a minute."""
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SignInTicketRow(Base):
    """One step that somebody may take once and soon: a second factor that is owed, a password that is chosen anew."""

    __tablename__ = "sign_in_ticket"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("token_hash"),
        Index("sign_in_ticket_person_idx", "user_id", "kind"),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[TicketKind]
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    methods: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    """What was proved before the ticket was made."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often somebody tried a second factor with it."""
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserMailRow(Base):
    """One mail that a person is owed. It holds no secret and no text: both are made when it is sent."""

    __tablename__ = "user_mail"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        Index("user_mail_due_idx", "not_before", postgresql_where=text("state = 'OWED'")),
        {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    purpose: Mapped[MailPurpose]
    state: Mapped[MailState] = mapped_column(default=MailState.OWED, server_default=MailState.OWED.value)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    not_before: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """Also the lease of a worker that is sending: it is moved ahead when the mail is claimed."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    finished_at: Mapped[datetime | None]


class InvitationRow(TenantRow, Base):
    """One offer of a role on a unit to an address: open until it is accepted, revoked or over.

    The secret of its link is made when the mail is sent; only its keyed hash is kept.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "custom_role_id"], ["custom_role.organization_id", "custom_role.id"]),
        ForeignKeyConstraint(["organization_id", "invited_by"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        UniqueConstraint("organization_id", "token_hash"),
        CheckConstraint("(role IS NULL) <> (custom_role_id IS NULL)", name="one_role"),
        Index("invitation_unit_idx", "organization_id", "unit_id", "id"),
        Index("invitation_inviter_idx", "organization_id", "invited_by", "created_at"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    email: Mapped[str]
    """Normalized by `address_key`; who accepts must have proved this address."""
    name: Mapped[str]
    role: Mapped[Role | None]
    custom_role_id: Mapped[UUID | None]
    invited_by: Mapped[UUID]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the last link that was mailed; a new mail makes the earlier link useless."""
    mails: Mapped[int] = mapped_column(default=0)
    """How many mails were asked for."""
    mailed_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    """When the address was refused for good."""
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    member_id: Mapped[UUID | None]
    """Who accepted."""
    revoked_at: Mapped[datetime | None]
