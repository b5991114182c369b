"""Tables of sign-in: tokens, stored as keyed hashes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class TokenKind(StrEnum):
    """PERSONAL acts as a member, with at most the member's rights; SERVICE acts as an app on one unit."""

    PERSONAL = "PERSONAL"
    SERVICE = "SERVICE"


class AccessTokenRow(TenantRow, Base):
    """One bearer token. The secret itself is shown once and never stored."""

    __tablename__ = "access_token"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "token_hash"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    kind: Mapped[TokenKind]
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    member_id: Mapped[UUID | None]
    unit_id: Mapped[UUID | None]
    """For SERVICE: the unit whose subtree the app reaches. For PERSONAL: a cut of the member's reach, if any."""
    permissions: Mapped[list[str] | None]
    """What the token may do at most; None means all that its member may do."""
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
