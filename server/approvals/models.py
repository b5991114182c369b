"""Tables of approvals: requests that bind a digest, and decisions on them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class ApprovalState(StrEnum):
    """Where a request stands. VOIDED: the content changed after it was asked for or granted."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    VOIDED = "VOIDED"


class Verdict(StrEnum):
    """What one approver said."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"


class ApprovalRequestRow(TenantRow, Base):
    """One question: may exactly this content go out? `content_digest` is what an approval signs."""

    __tablename__ = "approval_request"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("approval_request_subject_idx", "organization_id", "subject_id", "created_at"),
        Index(
            "approval_request_pending_key",
            "organization_id",
            "subject_id",
            unique=True,
            postgresql_where="state = 'PENDING'",
        ),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    content_digest: Mapped[bytes] = mapped_column(LargeBinary)
    summary: Mapped[dict[str, object]]
    state: Mapped[ApprovalState]
    quorum: Mapped[int]
    requested_by: Mapped[UUID]
    author_ids: Mapped[list[str]]
    """Everybody who wrote the content; none of them may approve it."""
    decided_at: Mapped[datetime | None]


class ApprovalDecisionRow(TenantRow, Base):
    """One verdict of one person on one request. Never changed."""

    __tablename__ = "approval_decision"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "request_id"], ["approval_request.organization_id", "approval_request.id"]
        ),
        UniqueConstraint("organization_id", "request_id", "member_id"),
        {"info": walled(Wall.UNIT) | {"append_only": True, "erasable": ("unit_id",)}},
    )

    unit_id: Mapped[UUID]
    request_id: Mapped[UUID]
    member_id: Mapped[UUID]
    verdict: Mapped[Verdict]
    comment: Mapped[str | None] = mapped_column(Text)
    content_digest: Mapped[bytes] = mapped_column(LargeBinary)
