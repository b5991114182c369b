"""Tables of the audit trail (append-only, one hash chain per organization), of legal access and of legal holds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.audit.rules import LegalAccessState, LegalBasis
from server.kit.db import Base, BigInt, TenantRow, Wall, walled


class AuditEventRow(TenantRow, Base):
    """One act: who did what to what, when, chained to the one before by `previous_hash`.

    No two events have the same number or the same predecessor: a chain whose head was set back cannot be continued.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        UniqueConstraint("organization_id", "seq"),
        UniqueConstraint("organization_id", "previous_hash"),
        Index("audit_event_subject_idx", "organization_id", "subject_id", "seq"),
        {"info": walled(Wall.HEADQUARTERS) | {"append_only": True}},
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
    __table_args__ = (
        PrimaryKeyConstraint("organization_id"),
        {"info": walled(Wall.ORGANIZATION) | {"rights": "SELECT, INSERT, UPDATE (seq, hash)"}},
    )

    organization_id: Mapped[UUID]
    seq: Mapped[int] = mapped_column(BigInt)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class ReadTraceRow(Base):
    """When somebody's reading of one object was last written into the trail, so that it is written once an hour."""

    __tablename__ = "read_trace"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "actor_id", "subject_id"),
        Index("read_trace_age_idx", "organization_id", "traced_at"),
        {"info": walled(Wall.ACTOR)},
    )

    organization_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    traced_at: Mapped[datetime]


_DECIDED = (
    "state",
    "decided_by",
    "decided_by_user_id",
    "decided_by_name",
    "decided_at",
    "comment",
    "expires_at",
    "ended_by_name",
    "ended_at",
)
"""What a decision and an end write; the request itself stays as it was asked for."""


class LegalAccessRow(TenantRow, Base):
    """One request to read the conversations of a contact, or one conversation, on a legal basis, and what became of it.

    The request's own columns cannot be changed, and no row can be deleted. It outlives the unit and what it names.
    """

    __tablename__ = "legal_access"
    __table_args__ = (
        CheckConstraint("num_nonnulls(contact_id, conversation_id) = 1", name="one_subject"),
        CheckConstraint("decided_by <> requester_id AND decided_by_user_id <> requester_user_id", name="four_eyes"),
        Index("legal_access_newest_idx", "organization_id", "unit_id", "id"),
        {
            "info": walled(Wall.UNIT)
            | {"rights": f"SELECT, INSERT, UPDATE ({', '.join(_DECIDED)})", "outlives_unit": True}
        },
    )

    unit_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    basis: Mapped[LegalBasis]
    reference: Mapped[str]
    reason: Mapped[str]
    hours: Mapped[int]
    secret_until: Mapped[datetime | None]
    """Until when the law forbids to tell those concerned; None: they are told at once."""
    requester_id: Mapped[UUID]
    requester_user_id: Mapped[UUID]
    requester_name: Mapped[str]
    state: Mapped[LegalAccessState]
    decided_by: Mapped[UUID | None]
    decided_by_user_id: Mapped[UUID | None]
    decided_by_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    comment: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    ended_by_name: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class LegalHoldRow(TenantRow, Base):
    """One order to erase nothing of a unit and what lies under it, or of one contact, until it is lifted."""

    __tablename__ = "legal_hold"
    __table_args__ = (
        Index("legal_hold_unit_idx", "organization_id", "unit_id", "id"),
        Index("legal_hold_contact_idx", "organization_id", "contact_id"),
        {
            "info": walled(Wall.LINEAGE)
            | {"rights": "SELECT, INSERT, UPDATE (lifted_by_name, lifted_at, lift_reason)", "outlives_unit": True}
        },
    )

    unit_id: Mapped[UUID]
    """The unit that is held; for a contact the contact's own."""
    contact_id: Mapped[UUID | None]
    basis: Mapped[LegalBasis]
    reference: Mapped[str]
    reason: Mapped[str]
    set_by_name: Mapped[str]
    lifted_by_name: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]
