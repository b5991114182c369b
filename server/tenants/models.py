"""Tables of the spine: organizations, the unit tree with its closure, people and what they may do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled
from server.tenants.rules import OrganizationKind, Role, UnitKind


class OrganizationRow(Base):
    """One customer of ours, the tenant. `organization_id` is its own id, so that every table has the same wall."""

    __tablename__ = "organization"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id"),
        {"info": walled(Wall.ORGANIZATION, system="SELECT")},
    )

    organization_id: Mapped[UUID]
    kind: Mapped[OrganizationKind]
    name: Mapped[str]
    time_zone: Mapped[str] = mapped_column(default="UTC", server_default="UTC")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UnitRow(TenantRow, Base):
    """One node of an organization's tree."""

    __tablename__ = "unit"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id"], ["organization.organization_id"]),
        ForeignKeyConstraint(["organization_id", "parent_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "external_code"),
        Index("unit_parent_idx", "organization_id", "parent_id", "name", "id"),
        {"info": walled(Wall.LINEAGE)},
    )

    parent_id: Mapped[UUID | None]
    kind: Mapped[UnitKind]
    name: Mapped[str]
    external_code: Mapped[str | None]
    """The organization's own number for the unit, unique within it."""
    attributes: Mapped[dict[str, object]] = mapped_column(default=dict, server_default="{}")
    archived_at: Mapped[datetime | None]


class UnitClosureRow(Base):
    """One row says: `descendant_id` is `ancestor_id` or lies under it, `depth` levels down."""

    __tablename__ = "unit_closure"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "ancestor_id", "descendant_id"),
        ForeignKeyConstraint(["organization_id", "ancestor_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "descendant_id"], ["unit.organization_id", "unit.id"]),
        Index("unit_closure_upward_idx", "organization_id", "descendant_id", "depth"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    organization_id: Mapped[UUID]
    ancestor_id: Mapped[UUID]
    descendant_id: Mapped[UUID]
    depth: Mapped[int]


class MemberRow(TenantRow, Base):
    """One person in one organization. `user_id` is the same for one person everywhere; nobody else's is visible."""

    __tablename__ = "member"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id"], ["organization.organization_id"]),
        UniqueConstraint("organization_id", "user_id"),
        UniqueConstraint("organization_id", "email"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    user_id: Mapped[UUID]
    name: Mapped[str]
    email: Mapped[str]
    deactivated_at: Mapped[datetime | None]


class MembershipRow(TenantRow, Base):
    """One role of one member on a unit and everything under it."""

    __tablename__ = "membership"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "member_id", "unit_id", "role"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    member_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    role: Mapped[Role]


class IdempotencyRow(Base):
    """One intention of one actor that was carried out: its fingerprint and its result."""

    __tablename__ = "idempotency"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "actor_id", "key"),
        Index("idempotency_age_idx", "organization_id", "created_at"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    organization_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    result: Mapped[dict[str, object] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
