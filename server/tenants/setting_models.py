"""The table of what is set on units."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, Wall, walled
from server.tenants.settings import SettingName


class UnitSettingRow(Base):
    """One setting of one unit. What counts there is the strictest along the line above it: see settings.py."""

    __tablename__ = "unit_setting"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "unit_id", "name"),
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        {"info": walled(Wall.LINEAGE)},
    )

    organization_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    name: Mapped[SettingName]
    value: Mapped[dict[str, object]]
    set_by: Mapped[UUID]
    """The member, app or worker that set it."""
    set_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
