"""Tables of the spine: organizations, the unit tree with its closure, people and what they may do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, BigInt, TenantRow, Wall, walled
from server.tenants.rules import (
    OperationKind,
    OperationState,
    OrganizationKind,
    Permission,
    Role,
    UnitKind,
)


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


class LocationGroupRow(TenantRow, Base):
    """One set of units that cuts across the tree. It belongs to a unit, and its members lie under that unit."""

    __tablename__ = "location_group"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "unit_id", "name"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str]


class LocationGroupUnitRow(Base):
    """One row says: `location_id` is in the group. It counts as long as it lies under the group's unit."""

    __tablename__ = "location_group_unit"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "group_id", "location_id"),
        ForeignKeyConstraint(
            ["organization_id", "group_id"], ["location_group.organization_id", "location_group.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organization_id", "location_id"], ["unit.organization_id", "unit.id"]),
        Index("location_group_unit_location_idx", "organization_id", "location_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    group_id: Mapped[UUID]
    location_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    """The unit of the group, for the wall: whoever does not reach it knows nothing of the group."""


class UnitImportRow(Base):
    """One line of an import's file that waits to be applied with all others at once."""

    __tablename__ = "unit_import_row"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "operation_id", "line"),
        ForeignKeyConstraint(["organization_id", "operation_id"], ["operation.organization_id", "operation.id"]),
        Index("unit_import_row_code_idx", "organization_id", "operation_id", "external_code"),
        Index("unit_import_row_target_idx", "organization_id", "operation_id", "target_id"),
        Index("unit_import_row_parent_idx", "organization_id", "operation_id", "parent_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    operation_id: Mapped[UUID]
    line: Mapped[int]
    unit_id: Mapped[UUID]
    """The unit of the import, under which all of its rows belong."""
    external_code: Mapped[str]
    name: Mapped[str | None]
    kind: Mapped[UnitKind | None]
    """None: a LOCATION if the unit is new, whatever it is if it is not."""
    parent_code: Mapped[str | None]
    attributes: Mapped[dict[str, object]]
    """What changes; null where an attribute goes."""
    is_sound: Mapped[bool]
    """Whether nothing is wrong with the line by itself. Others may refer to it all the same."""
    is_new: Mapped[bool]
    target_id: Mapped[UUID]
    """The unit that the line is about: one that exists, or the id of one that is made."""
    parent_id: Mapped[UUID | None]


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
        {"info": walled(Wall.PEOPLE, system="SELECT")},
    )

    user_id: Mapped[UUID]
    name: Mapped[str]
    email: Mapped[str]
    deactivated_at: Mapped[datetime | None]


class CustomRoleRow(TenantRow, Base):
    """One bundle of permissions that the organization made for itself. Archived, it gives nothing any more."""

    __tablename__ = "custom_role"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id"], ["organization.organization_id"]),
        UniqueConstraint("organization_id", "name"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    name: Mapped[str]
    permissions: Mapped[list[str]]
    archived_at: Mapped[datetime | None]


class MembershipRow(TenantRow, Base):
    """One role of one member on a unit and everything under it: a built-in one or one of the organization's own."""

    __tablename__ = "membership"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "custom_role_id"], ["custom_role.organization_id", "custom_role.id"]),
        UniqueConstraint("organization_id", "member_id", "unit_id", "role"),
        UniqueConstraint("organization_id", "member_id", "unit_id", "custom_role_id"),
        CheckConstraint("(role IS NULL) <> (custom_role_id IS NULL)", name="one_role"),
        Index("membership_unit_idx", "organization_id", "unit_id", "member_id"),
        {"info": walled(Wall.LINEAGE)},
    )

    member_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    role: Mapped[Role | None]
    custom_role_id: Mapped[UUID | None]


class IdempotencyRow(Base):
    """One intention of one actor that was carried out: its fingerprint and its result."""

    __tablename__ = "idempotency"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "actor_id", "key"),
        Index("idempotency_age_idx", "organization_id", "created_at"),
        {"info": walled(Wall.ACTOR)},
    )

    organization_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    result: Mapped[dict[str, object] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OperationRow(TenantRow, Base):
    """One long piece of work that somebody asked for and may watch: an import, an export, an off-boarding."""

    __tablename__ = "operation"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("operation_newest_idx", "organization_id", "unit_id", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    """Where the work is done: whoever may not see the unit knows nothing of it."""
    kind: Mapped[OperationKind]
    state: Mapped[OperationState]
    is_dry_run: Mapped[bool] = mapped_column(default=False)
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    subject_id: Mapped[UUID]
    """What the work is about: the uploaded file, the unit, the contact."""
    total: Mapped[int | None]
    """How many steps there are; None until they are counted."""
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, object]] = mapped_column(default=dict, server_default="{}")
    """What came of it, as JSON values; for FAILED the reason under "code" and "message"."""
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class OperationProblemRow(Base):
    """One thing that was wrong with one line of an operation's input."""

    __tablename__ = "operation_problem"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "operation_id", "line", "seq"),
        ForeignKeyConstraint(["organization_id", "operation_id"], ["operation.organization_id", "operation.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    operation_id: Mapped[UUID]
    line: Mapped[int]
    seq: Mapped[int]
    unit_id: Mapped[UUID]
    code: Mapped[str]
    message: Mapped[str]
    path: Mapped[list[str]]


class StoredFileRow(TenantRow, Base):
    """One file that came in for an import, or that an export made. Its bytes are in `stored_file_part`."""

    __tablename__ = "stored_file"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("stored_file_expiry_idx", "organization_id", "expires_at"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str]
    media_type: Mapped[str]
    permission: Mapped[Permission]
    """What others than its maker need on the unit to read it."""
    size: Mapped[int] = mapped_column(BigInt, default=0)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The digest of all bytes; None while the file is still being written."""
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime]


class StoredFilePartRow(Base):
    """Up to a mebibyte of one file, in order of `seq` from 0."""

    __tablename__ = "stored_file_part"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "file_id", "seq"),
        ForeignKeyConstraint(
            ["organization_id", "file_id"], ["stored_file.organization_id", "stored_file.id"], ondelete="CASCADE"
        ),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    file_id: Mapped[UUID]
    seq: Mapped[int]
    unit_id: Mapped[UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)
