"""Tables of privacy: clients that leave, the steps of it, and what was taken back at the platforms."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled
from server.platforms.port import Channel
from server.privacy.rules import OffboardingState, Policy, Revocation, StepName, StepState, Target


class OffboardingRow(TenantRow, Base):
    """One client that leaves. Stands at the unit above it, because the unit itself goes."""

    __tablename__ = "offboarding"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("offboarding_newest_idx", "organization_id", "unit_id", "id"),
        Index("offboarding_left_idx", "organization_id", "left_unit_id", unique=True),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    left_unit_id: Mapped[UUID]
    """The unit that leaves with everything under it; without a row at the end."""
    left_unit_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    page_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    """The pages that left, so that late traces of them are found when the pages have no rows any more."""
    policy: Mapped[Policy]
    retained_until: Mapped[datetime | None]
    state: Mapped[OffboardingState]
    operation_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    reason: Mapped[str | None]
    """What the one who asked wrote; goes into the certificate and is then forgotten here."""
    export_file_id: Mapped[UUID | None]
    manifest_file_id: Mapped[UUID | None]
    certificate_file_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class OffboardingStepRow(Base):
    """One step of an off-boarding; `facts` is what the certificate will say of it."""

    __tablename__ = "offboarding_step"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "offboarding_id", "position"),
        ForeignKeyConstraint(["organization_id", "offboarding_id"], ["offboarding.organization_id", "offboarding.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    offboarding_id: Mapped[UUID]
    position: Mapped[int]
    unit_id: Mapped[UUID]
    name: Mapped[StepName]
    state: Mapped[StepState]
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    total: Mapped[int | None]
    facts: Mapped[dict[str, object]] = mapped_column(default=dict, server_default="{}")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class PlatformRevocationRow(Base):
    """One thing to take back at a platform, and what became of it. Deleted once the certificate says it."""

    __tablename__ = "platform_revocation"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "offboarding_id", "target", "subject_id"),
        ForeignKeyConstraint(["organization_id", "offboarding_id"], ["offboarding.organization_id", "offboarding.id"]),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    offboarding_id: Mapped[UUID]
    target: Mapped[Target]
    subject_id: Mapped[UUID]
    """The page's or the account's row."""
    unit_id: Mapped[UUID]
    channel: Mapped[Channel]
    external_id: Mapped[str]
    outcome: Mapped[Revocation]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    detail: Mapped[str | None]
    settled_at: Mapped[datetime | None]
