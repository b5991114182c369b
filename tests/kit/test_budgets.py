"""Budgets: leases spent in memory, exact in sum whatever dies, and no word to SQL while a slice lasts."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.budgets import LARGEST_SLICE, SLICE_S, Budgets, Draw, Exhausted
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.ratelimit import Bucket
from tests.kit.spenders import PRICE
from tests.schema.asking import statements

SLOW = 1e-6
"""Points a second: nothing that counts comes back while a test runs."""


@dataclass(slots=True)
class AClock:
    """A clock that moves when it is told."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def pepper(settings: Settings) -> str:
    return settings.security.pepper.get_secret_value()


@pytest.fixture
async def clock() -> AClock:
    return AClock()


@pytest.fixture
async def budgets(database: Database, pepper: str, clock: AClock) -> Budgets:
    return Budgets(database, pepper, clock)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(f"b{new_id().hex}", capacity=1000, per_s=SLOW)


async def level(database: Database, pepper: str, bucket: Bucket, key: str = "k") -> float:
    """Return what the bucket says is left."""
    async with database.unscoped_system() as session:
        found = await session.execute(
            text("SELECT level FROM rate_bucket WHERE key = :key"),
            {"key": keyed_hash(pepper, f"rate:{bucket.name}:{key}")},
        )
        return float(found.scalar_one())


async def test_most_spending_says_nothing_to_sql(budgets: Budgets, bucket: Bucket) -> None:
    with statements(of_budgets=True) as seen:
        for _ in range(100):
            await budgets.spend([Draw(bucket, "k", 1)])

    assert 0 < len(seen) <= 8


async def test_no_slice_is_larger_than_a_twentieth_but_for_a_price_that_is(
    database: Database, pepper: str, budgets: Budgets, bucket: Bucket
) -> None:
    await budgets.spend([Draw(bucket, "dear", 300)])
    for _ in range(200):
        await budgets.spend([Draw(bucket, "k", 1)])

    assert await level(database, pepper, bucket, "dear") == pytest.approx(700)
    assert 1000 - 200 - await level(database, pepper, bucket) <= LARGEST_SLICE * 1000


async def test_all_of_a_budget_is_spent_and_nothing_beyond_it(budgets: Budgets, bucket: Bucket) -> None:
    for _ in range(333):
        await budgets.spend([Draw(bucket, "k", 3)])
    with pytest.raises(Exhausted) as refused:
        await budgets.spend([Draw(bucket, "k", 3)])

    assert (refused.value.name, refused.value.retry_after_s) == (bucket.name, pytest.approx(2 / SLOW, rel=0.01))


async def test_two_budgets_pay_both_or_neither(
    database: Database, pepper: str, budgets: Budgets, bucket: Bucket
) -> None:
    small = Bucket(f"s{new_id().hex}", capacity=10, per_s=SLOW)
    draws = [Draw(bucket, "k", 4), Draw(small, "k", 4)]
    for _ in range(2):
        await budgets.spend(draws)

    with pytest.raises(Exhausted) as refused:
        await budgets.spend(draws)
    await budgets.aclose()

    assert refused.value.name == small.name
    assert await level(database, pepper, bucket) == pytest.approx(1000 - 8)


async def test_a_slice_is_not_spent_after_its_end(
    database: Database, pepper: str, budgets: Budgets, bucket: Bucket, clock: AClock
) -> None:
    await budgets.spend([Draw(bucket, "k", 10)])
    in_hand_before = 1000 - 10 - await level(database, pepper, bucket)
    clock.seconds += SLICE_S

    with statements(of_budgets=True) as seen:
        await budgets.spend([Draw(bucket, "k", 1)])

    assert in_hand_before > 0
    assert seen, "the old slice was over"
    await budgets.aclose()
    assert await level(database, pepper, bucket) == pytest.approx(1000 - 11)


async def test_what_is_in_hand_goes_back_at_the_end_and_never_beyond_the_size(
    database: Database, pepper: str, budgets: Budgets, bucket: Bucket
) -> None:
    await budgets.spend([Draw(bucket, "k", 10)])
    budgets.give_back([Draw(bucket, "k", 10_000)])

    await budgets.aclose()

    assert await level(database, pepper, bucket) == pytest.approx(1000)


async def test_what_was_used_beyond_the_price_is_paid_by_what_comes_next(
    database: Database, pepper: str, budgets: Budgets, bucket: Bucket
) -> None:
    draw = Draw(bucket, "k", 10)
    await budgets.spend([draw])
    budgets.give_back([draw.less(700)])

    with pytest.raises(Exhausted):
        await budgets.spend([Draw(bucket, "k", 400)])
    await budgets.spend([Draw(bucket, "k", 100)])
    await budgets.aclose()

    assert await level(database, pepper, bucket) == pytest.approx(1000 - 800)


async def test_what_was_not_used_can_be_spent_again(budgets: Budgets, bucket: Bucket) -> None:
    for _ in range(50):
        draw = Draw(bucket, "k", 400)
        await budgets.spend([draw])
        budgets.give_back([draw.less(1)])

    await budgets.spend([Draw(bucket, "k", 400)])
    await budgets.spend([Draw(bucket, "k", 400)])
    with pytest.raises(Exhausted):
        await budgets.spend([Draw(bucket, "k", 400)])


async def test_many_at_once_share_one_lease(budgets: Budgets, bucket: Bucket) -> None:
    await budgets.spend([Draw(bucket, "k", 20)])
    with statements(of_budgets=True) as seen:
        await asyncio.gather(*(budgets.spend([Draw(bucket, "k", 1)]) for _ in range(40)))

    assert 0 < len(seen) <= 2


async def test_a_flood_of_refused_spending_asks_sql_once_a_moment(
    budgets: Budgets, bucket: Bucket, clock: AClock
) -> None:
    await budgets.spend_exactly([Draw(bucket, "k", 1000)])
    with statements(of_budgets=True) as seen:
        for _ in range(100):
            with pytest.raises(Exhausted):
                await budgets.spend([Draw(bucket, "k", 5)])
    clock.seconds += 2
    with statements(of_budgets=True) as later, pytest.raises(Exhausted):
        await budgets.spend([Draw(bucket, "k", 5)])

    assert (len(seen), len(later)) == (1, 1)


async def test_exact_spending_is_counted_at_once_beside_the_leases_of_others(
    database: Database, pepper: str, bucket: Bucket
) -> None:
    some = [Budgets(database, pepper) for _ in range(3)]
    granted = 0

    async def spend(mine: Budgets, number: int) -> None:
        nonlocal granted
        for _ in range(100):
            try:
                await (mine.spend_exactly if number % 2 else mine.spend)([Draw(bucket, "k", 5)])
            except Exhausted:
                return
            granted += 5

    await asyncio.gather(*(spend(one, number) for number, one in enumerate(some) for _ in range(2)))
    for one in some:
        await one.aclose()

    assert granted <= 1000
    assert await level(database, pepper, bucket) == pytest.approx(1000 - granted, abs=0.01)


async def test_waiting_as_long_as_told_is_enough(budgets: Budgets, clock: AClock) -> None:
    bucket = Bucket(f"b{new_id().hex}", capacity=100, per_s=200)
    await budgets.spend_exactly([Draw(bucket, "k", 100)])
    with pytest.raises(Exhausted) as refused:
        await budgets.spend([Draw(bucket, "k", 40)])

    await asyncio.sleep(refused.value.retry_after_s)
    clock.seconds += refused.value.retry_after_s

    await budgets.spend([Draw(bucket, "k", 40)])


async def test_the_standing_tells_the_tightest_budget(budgets: Budgets, bucket: Bucket) -> None:
    tight = Bucket(f"t{new_id().hex}", capacity=100, per_s=SLOW)

    standing = await budgets.spend([Draw(bucket, "k", 10), Draw(tight, "k", 10)])

    assert (standing.maximum, standing.available) == (100, pytest.approx(90))


@pytest.mark.parametrize(
    ("seconds", "capacity", "per_s"),
    [(6, 2000, 4000), pytest.param(60, 20_000, 5000, marks=pytest.mark.faults)],
)
async def test_four_processes_in_a_crash_loop_stay_within_the_bound_and_get_half_of_it(
    database: Database, pepper: str, tmp_path: Path, seconds: int, capacity: int, per_s: int
) -> None:
    key = new_id().hex
    environment = {**os.environ, "BUCKET_CAPACITY": str(capacity), "BUCKET_PER_S": str(per_s)}
    began = await now(database)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.spenders", str(seconds), str(tmp_path), key, env=environment
    )
    assert await process.wait() == 0

    elapsed = await now(database) - began
    granted = sum(len(one.read_bytes()) for one in tmp_path.iterdir()) * PRICE
    lives = len(list(tmp_path.iterdir()))
    assert lives > 10, "nobody was killed"
    assert granted <= capacity + per_s * elapsed
    assert granted >= (capacity + per_s * seconds) / 2, f"{granted} in {lives} lives"


async def now(database: Database) -> float:
    """Return the database's clock, in seconds."""
    async with database.unscoped_system() as session:
        return float((await session.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one())
