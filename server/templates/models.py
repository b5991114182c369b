"""Tables of reply templates: versions, releases to units, placements by reference, and local overrides."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class TemplatePurpose(StrEnum):
    """What a template may be used for."""

    REPLY = "REPLY"
    MARKETING = "MARKETING"


class ReleaseState(StrEnum):
    """Where a release stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    ROLLED_BACK = "ROLLED_BACK"


class ReplyTemplateRow(TenantRow, Base):
    """One shared text of a unit; its words are in its versions."""

    __tablename__ = "reply_template"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "unit_id", "name"),
        {"info": walled(Wall.LINEAGE)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str]
    purpose: Mapped[TemplatePurpose]
    latest_version: Mapped[int] = mapped_column(default=0, server_default="0")
    archived_at: Mapped[datetime | None]


class TemplateVersionRow(TenantRow, Base):
    """One wording of a template. Never changed after it was published."""

    __tablename__ = "template_version"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "template_id"], ["reply_template.organization_id", "reply_template.id"]
        ),
        UniqueConstraint("organization_id", "template_id", "number"),
        {"info": walled(Wall.LINEAGE)},
    )

    unit_id: Mapped[UUID]
    template_id: Mapped[UUID]
    number: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    variables: Mapped[list[str]]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    author_id: Mapped[UUID]
    published_at: Mapped[datetime | None]


class TemplateReleaseRow(TenantRow, Base):
    """One push: this version for all locations under this unit. `cursor` is the last unit that was placed."""

    __tablename__ = "template_release"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "template_id"], ["reply_template.organization_id", "reply_template.id"]
        ),
        ForeignKeyConstraint(
            ["organization_id", "version_id"], ["template_version.organization_id", "template_version.id"]
        ),
        {"info": walled(Wall.LINEAGE)},
    )

    unit_id: Mapped[UUID]
    template_id: Mapped[UUID]
    version_id: Mapped[UUID]
    state: Mapped[ReleaseState]
    total: Mapped[int]
    placed: Mapped[int] = mapped_column(default=0, server_default="0")
    kept_overrides: Mapped[int] = mapped_column(default=0, server_default="0")
    cursor: Mapped[UUID | None]
    author_id: Mapped[UUID]
    finished_at: Mapped[datetime | None]


class TemplatePlacementRow(Base):
    """At this unit, this release's version of the template is in force, unless the unit overrides it."""

    __tablename__ = "template_placement"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "unit_id", "template_id", "release_id"),
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(
            ["organization_id", "release_id"], ["template_release.organization_id", "template_release.id"]
        ),
        ForeignKeyConstraint(
            ["organization_id", "version_id"], ["template_version.organization_id", "template_version.id"]
        ),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    template_id: Mapped[UUID]
    release_id: Mapped[UUID]
    version_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TemplateOverrideRow(TenantRow, Base):
    """A unit's own wording of a template that was released to it; a later release does not touch it."""

    __tablename__ = "template_override"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(
            ["organization_id", "template_id"], ["reply_template.organization_id", "reply_template.id"]
        ),
        UniqueConstraint("organization_id", "unit_id", "template_id"),
        Index("template_override_template_idx", "organization_id", "template_id", "unit_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    template_id: Mapped[UUID]
    base_version_id: Mapped[UUID]
    body: Mapped[str] = mapped_column(Text)
    variables: Mapped[list[str]]
    author_id: Mapped[UUID]
