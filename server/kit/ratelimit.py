"""Token buckets in PostgreSQL: exact under concurrency, shared by all processes, and kept over restarts.

One row per key, one statement per attempt, the database's clock. A bucket that is full again says the same as no row, so
rows may be deleted then at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Double, LargeBinary, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.crypto import keyed_hash
from server.kit.db import Base, Wall, walled


class RateBucketRow(Base):
    """The level of one bucket at one moment. The key is a keyed hash: it may stand for an address or a network."""

    __tablename__ = "rate_bucket"
    __table_args__ = ({"info": walled(Wall.SYSTEM, system="SELECT, INSERT, UPDATE, DELETE")},)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    level: Mapped[float] = mapped_column(Double)
    """How much was left when `filled_at` was written."""
    per_s: Mapped[float] = mapped_column(Double)
    capacity: Mapped[float] = mapped_column(Double)
    filled_at: Mapped[datetime]
    is_granted: Mapped[bool]
    """What the last attempt was told: RETURNING shows only what a statement has written."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How much may be taken at once (`capacity`) and how much comes back per second (`per_s`). `name` keeps kinds apart."""

    name: str
    capacity: float
    per_s: float

    def __post_init__(self) -> None:
        if self.capacity <= 0 or self.per_s <= 0:
            raise ValueError("a bucket has a capacity and is refilled")


# On a conflict the row is locked first and then read in its newest version, so concurrent takers wait for each other and
# none is counted twice. The time is the statement's, because the level is worked out more than once; a taker that waited
# for another, or a clock that was set back, finds a later time in the row and refills nothing.
_LEFT = (
    "least(:capacity, rate_bucket.level"
    " + greatest(0, extract(epoch FROM statement_timestamp() - rate_bucket.filled_at)) * :per_s + :back)"
)
_TAKE = text(f"""
INSERT INTO rate_bucket AS rate_bucket (key, level, per_s, capacity, filled_at, is_granted)
VALUES (:key, :capacity - CASE WHEN :cost <= :capacity THEN :cost ELSE 0 END, :per_s, :capacity, statement_timestamp(),
  :cost <= :capacity)
ON CONFLICT (key) DO UPDATE SET
  level = {_LEFT} - CASE WHEN {_LEFT} >= :cost THEN :cost ELSE 0 END,
  is_granted = {_LEFT} >= :cost,
  per_s = :per_s, capacity = :capacity, filled_at = greatest(rate_bucket.filled_at, statement_timestamp())
RETURNING is_granted, level
""")

LEASE_MARK = "/* budget */"
_MOVE = text(f"{LEASE_MARK} {_TAKE.text}")
"""The same for a lease, told apart from what a request does itself: a process takes one for many requests."""

_SWEEP = text("""
DELETE FROM rate_bucket WHERE key IN (
  SELECT key FROM rate_bucket
  WHERE filled_at < clock_timestamp() - make_interval(secs => (capacity - level) / per_s) - interval '1 minute'
  LIMIT :size FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an attempt: whether it was granted, what is left, and else after how many seconds enough will be there."""

    is_granted: bool
    level: float
    wait_s: float


async def take(session: AsyncSession, pepper: str, bucket: Bucket, key: str, *, cost: float = 1) -> float:
    """Take `cost` out of the bucket of `key` as `draw` does; return 0, or after how many seconds enough will be there."""
    return (await draw(session, pepper, bucket, key, cost=cost)).wait_s


async def draw(
    session: AsyncSession,
    pepper: str,
    bucket: Bucket,
    key: str,
    *,
    cost: float,
    back: float = 0,
    is_lease: bool = False,
) -> Taken:
    """Give `back` what was taken earlier and not used, then take `cost` out of the bucket of `key`.

    What was refused costs nothing. The row stays locked until the transaction ends, so end it soon. The session is one of
    the system role. A cost beyond the capacity is never granted.
    """
    values = {
        "key": keyed_hash(pepper, f"rate:{bucket.name}:{key}"),
        "capacity": float(bucket.capacity),
        "per_s": float(bucket.per_s),
        "cost": float(cost),
        "back": float(back),
    }
    row = (await session.execute(_MOVE if is_lease else _TAKE, values)).one()
    return Taken(row.is_granted, row.level, 0.0 if row.is_granted else max(0.0, (cost - row.level) / bucket.per_s))


async def sweep(session: AsyncSession, size: int = 1000) -> None:
    """Delete up to `size` rows of buckets that are full again, which say nothing any more."""
    await session.execute(_SWEEP, {"size": size})
