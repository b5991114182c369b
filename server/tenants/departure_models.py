"""The table of what is leaving."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import PrimaryKeyConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, Wall, walled
from server.tenants.rules import DepartureKind


class DepartureRow(Base):
    """One unit that the organization parts with, or one contact that is being erased.

    Nobody but workers sees rows of such a unit, nothing is sent for it, and only what belongs to such a unit or contact
    can be deleted from append-only tables. The row goes with the last row of what it names.
    """

    __tablename__ = "departure"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "subject_id"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    organization_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    kind: Mapped[DepartureKind]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
