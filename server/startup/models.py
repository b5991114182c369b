"""Tables that tell a process what it stands on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, Wall, walled


class StartCanaryRow(Base):
    """What only the right secret opens: `key:<name>` is sealed with that key, `pepper` is a hash keyed by the pepper."""

    __tablename__ = "start_canary"
    __table_args__ = ({"info": walled(Wall.SYSTEM, system="SELECT, INSERT, DELETE")},)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WriteProbeRow(Base):
    """When a process last proved that a write is kept; a few slots, so that processes do not wait for each other."""

    __tablename__ = "write_probe"
    __table_args__ = ({"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE")},)

    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    written_at: Mapped[datetime]
