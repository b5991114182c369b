"""Tables of metering: what the platforms charged."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, BigInt, TenantRow, Wall, walled


class Origin(StrEnum):
    """What caused a cost or a send."""

    REPLY = "REPLY"
    CAMPAIGN = "CAMPAIGN"


class CostRow(TenantRow, Base):
    """One priced event: how much the platform's total for an origin grew between two readings. Never changed."""

    __tablename__ = "cost"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "source_reference"),
        Index("cost_origin_idx", "organization_id", "origin", "origin_id"),
        {"info": walled(Wall.UNIT) | {"append_only": True, "erasable": ("unit_id",)}},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    origin: Mapped[Origin]
    origin_id: Mapped[UUID]
    amount_micros: Mapped[int] = mapped_column(BigInt)
    currency: Mapped[str]
    delivered: Mapped[int]
    """How many more messages the platform counts as delivered since the reading before."""
    occurred_at: Mapped[datetime]
    source_reference: Mapped[str]
    """Names the reading, so that a repeated import adds nothing."""


class CarriedCostRow(TenantRow, Base):
    """What a unit that left had cost in one month, kept for the books of the unit above it. Names no page and no person."""

    __tablename__ = "carried_cost"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("carried_cost_unit_idx", "organization_id", "unit_id", "month"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    """The unit above the one that left."""
    left_unit_id: Mapped[UUID]
    """Which unit left; it has no row any more."""
    month: Mapped[date]
    origin: Mapped[Origin]
    amount_micros: Mapped[int] = mapped_column(BigInt)
    currency: Mapped[str]
    delivered: Mapped[int] = mapped_column(BigInt)
