"""Time: decisions use the database's clock, leases and deadlines a monotonic one that no operator can set back."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def database_now(session: AsyncSession) -> datetime:
    """Return the database's wall clock, in UTC."""
    value: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return value.astimezone(UTC)


def monotonic_s() -> float:
    """Return seconds of a clock that only moves forward, for leases and deadlines of this process."""
    return time.monotonic()
