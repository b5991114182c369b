"""Tables of what is kept apart: pairs of units that share no staff, and who may work on both sides all the same."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class UnitConflictRow(TenantRow, Base):
    """Two units that compete: while `lifted_at` is empty, nobody may work for both. See docs/access.md."""

    __tablename__ = "unit_conflict"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "first_unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "second_unit_id"], ["unit.organization_id", "unit.id"]),
        Index(
            "unit_conflict_open_key",
            "organization_id",
            "first_unit_id",
            "second_unit_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    first_unit_id: Mapped[UUID]
    """The smaller of the two ids, so that a pair is one row whichever way it is told."""
    second_unit_id: Mapped[UUID]
    reason: Mapped[str]
    flagged_by: Mapped[str]
    """The name of the one who flagged it."""
    lifted_at: Mapped[datetime | None]


class ConflictExceptionRow(TenantRow, Base):
    """What somebody asked for: that this member may work on both sides of this pair. It counts from `granted_at` on."""

    __tablename__ = "conflict_exception"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "first_unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "second_unit_id"], ["unit.organization_id", "unit.id"]),
        Index(
            "conflict_exception_open_key",
            "organization_id",
            "member_id",
            "first_unit_id",
            "second_unit_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    member_id: Mapped[UUID]
    first_unit_id: Mapped[UUID]
    second_unit_id: Mapped[UUID]
    reason: Mapped[str]
    requested_by: Mapped[str]
    """The name of the one who asked."""
    granted_at: Mapped[datetime | None]
    """When the second of two people agreed."""
    withdrawn_at: Mapped[datetime | None]


class ConflictExceptionGrantRow(Base):
    """One person's yes to one exception."""

    __tablename__ = "conflict_exception_grant"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "exception_id", "member_id"),
        ForeignKeyConstraint(
            ["organization_id", "exception_id"], ["conflict_exception.organization_id", "conflict_exception.id"]
        ),
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        {"info": walled(Wall.HEADQUARTERS)},
    )

    organization_id: Mapped[UUID]
    exception_id: Mapped[UUID]
    member_id: Mapped[UUID]
    """Who agreed."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
