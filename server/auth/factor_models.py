"""Tables of what a person has besides a password: an authenticator app, recovery codes, passkeys, other providers' word."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.auth.rules import ChallengeKind
from server.kit.db import Base, Wall, sealed_to, walled

_SYSTEM = {"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")}


class UserTotpRow(Base):
    """The authenticator app of one person; unconfirmed until a code of it was shown."""

    __tablename__ = "user_totp"
    __table_args__ = (ForeignKeyConstraint(["user_id"], ["user_account.id"]), _SYSTEM)

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary, info=sealed_to("user_totp|secret|{user_id}"))
    """Sealed; the identity of the seal is this table, this column and the person."""
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The time step of the last accepted code. No code of this step or an earlier one is accepted again."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserRecoveryCodeRow(Base):
    """One of ten codes that each replace the authenticator app once. Stored as a keyed hash."""

    __tablename__ = "user_recovery_code"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("user_id", "code_hash"),
        _SYSTEM,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserPasskeyRow(Base):
    """One public key of a person, whose private half an authenticator keeps for this host alone."""

    __tablename__ = "user_passkey"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("credential_id"),
        Index("user_passkey_person_idx", "user_id", "id"),
        _SYSTEM,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """COSE_Key, as the authenticator wrote it (WebAuthn section 6.5.1)."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """What the authenticator counted at its last use; 0 for one that does not count."""
    name: Mapped[str]
    transports: Mapped[list[str]]
    """How the browser reaches the authenticator; hints that are given back to it."""
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserIdentityRow(Base):
    """One person as an OpenID provider knows them. Issuer and subject decide who it is, never an e-mail address."""

    __tablename__ = "user_identity"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("issuer", "subject"),
        Index("user_identity_person_idx", "user_id"),
        _SYSTEM,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    issuer: Mapped[str]
    subject: Mapped[str]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SignInChallengeRow(Base):
    """Something that one browser was given to bring back once, within minutes: a challenge to sign, or a provider's state."""

    __tablename__ = "sign_in_challenge"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        UniqueConstraint("token_hash"),
        Index("sign_in_challenge_expiry_idx", "expires_at"),
        _SYSTEM,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[ChallengeKind]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """A keyed hash of the cookie that the browser must still have."""
    user_id: Mapped[UUID | None]
    """Whom it is for; None while nobody is known."""
    issuer: Mapped[str | None]
    subject: Mapped[str | None]
    """With `issuer`: the identity that waits for its person's consent to be linked."""
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
