"""Token buckets: exact when many take at once, refilled by the database's clock, kept by nobody's memory."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.kit import ratelimit
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.ratelimit import Bucket

PEPPER = "pepper-of-the-test-suite-0123456789"
SLOW = Bucket("test.slow", capacity=10, per_s=0.001)


async def take(database: Database, bucket: Bucket, key: str, cost: float = 1) -> float:
    """Take in a transaction of its own."""
    async with database.unscoped_system() as session:
        return await ratelimit.take(session, PEPPER, bucket, key, cost=cost)


async def let_pass(database: Database, seconds: float) -> None:
    """Make every bucket so much older."""
    async with database.unscoped_system() as session:
        await session.execute(
            text("UPDATE rate_bucket SET filled_at = filled_at - make_interval(secs => :s)"), {"s": seconds}
        )


async def test_of_sixty_takers_at_once_exactly_the_capacity_is_served(database: Database) -> None:
    key = new_id().hex

    waits = await asyncio.gather(*(take(database, SLOW, key) for _ in range(60)))

    assert sum(wait == 0 for wait in waits) == SLOW.capacity
    assert all(990 < wait <= 1000 for wait in waits if wait > 0)


async def test_what_comes_back_is_what_time_has_passed_and_never_more_than_the_capacity(database: Database) -> None:
    key = new_id().hex
    for _ in range(10):
        assert await take(database, SLOW, key) == 0

    await let_pass(database, 3_000)
    after_a_while = [await take(database, SLOW, key) == 0 for _ in range(5)]
    await let_pass(database, 1_000_000)
    after_ages = [await take(database, SLOW, key) == 0 for _ in range(12)]

    assert after_a_while == [True] * 3 + [False] * 2
    assert after_ages == [True] * 10 + [False] * 2


async def test_a_refusal_costs_nothing_and_tells_when_there_will_be_enough(database: Database) -> None:
    key, bucket = new_id().hex, Bucket("test.brisk", capacity=10, per_s=0.1)

    assert await take(database, bucket, key, cost=8) == 0
    waits = [await take(database, bucket, key, cost=5) for _ in range(3)]

    assert all(29 < wait <= 30 for wait in waits)
    assert await take(database, bucket, key, cost=2) == 0


async def test_more_than_the_capacity_is_never_granted(database: Database) -> None:
    key = new_id().hex

    first, second = await take(database, SLOW, key, cost=11), await take(database, SLOW, key, cost=11)

    assert first > 0
    assert second > 0
    assert await take(database, SLOW, key, cost=10) == 0


async def test_buckets_and_keys_are_apart_and_the_key_is_not_stored(database: Database) -> None:
    key = f"ada-{new_id().hex}@example.test"
    other = Bucket("test.other", capacity=1, per_s=0.001)

    taken = [await take(database, other, key), await take(database, other, f"{key}x"), await take(database, SLOW, key)]
    async with database.unscoped_system() as session:
        rows = (await session.execute(text("SELECT rate_bucket::text FROM rate_bucket"))).scalars().all()

    assert taken == [0, 0, 0]
    assert await take(database, other, key) > 0
    assert rows
    assert not any(key in row or key.encode().hex() in row for row in rows)


async def test_what_was_taken_is_counted_though_what_it_was_taken_for_failed(database: Database) -> None:
    key, bucket = new_id().hex, Bucket("test.one", capacity=1, per_s=0.001)

    async def attempt() -> None:
        await take(database, bucket, key)
        raise LookupError

    with pytest.raises(LookupError):
        await attempt()

    assert await take(database, bucket, key) > 0


async def test_a_sweep_forgets_full_buckets_and_no_others(database: Database) -> None:
    full, low = new_id().hex, new_id().hex
    quick = Bucket("test.quick", capacity=1, per_s=1)
    await take(database, quick, full)
    await take(database, SLOW, low, cost=10)

    await let_pass(database, 100)
    async with database.unscoped_system() as session:
        await ratelimit.sweep(session)
    async with database.unscoped_system() as session:
        left = (await session.execute(text("SELECT capacity, per_s FROM rate_bucket"))).all()

    assert (quick.capacity, quick.per_s) not in {tuple(row) for row in left}
    assert await take(database, SLOW, low) > 0


def test_a_bucket_holds_something_and_is_refilled() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Bucket("test.none", capacity=0, per_s=1)
    with pytest.raises(ValueError, match="refilled"):
        Bucket("test.dry", capacity=1, per_s=0)
