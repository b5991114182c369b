"""Tables of the audit trail: append-only, one hash chain per organization."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, BigInt, TenantRow, Wall, walled


class AuditEventRow(TenantRow, Base):
    """One act: who did what to what, when, chained to the one before by `previous_hash`."""

    __tablename__ = "audit_event"
    __table_args__ = (
        UniqueConstraint("organization_id", "seq"),
        Index("audit_event_subject_idx", "organization_id", "subject_id", "seq"),
        {"info": walled(Wall.ORGANIZATION) | {"append_only": True}},
    )

    seq: Mapped[int] = mapped_column(BigInt)
    occurred_at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    action: Mapped[str]
    subject_id: Mapped[UUID]
    details: Mapped[dict[str, object]]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHeadRow(Base):
    """The end of one organization's chain; its row lock puts concurrent acts in one order."""

    __tablename__ = "audit_head"
    __table_args__ = (PrimaryKeyConstraint("organization_id"), {"info": walled(Wall.ORGANIZATION)})

    organization_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInt)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
