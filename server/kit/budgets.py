"""Budgets: buckets in SQL of which each process leases slices and spends them in memory.

The bucket itself is exact and shared (ratelimit.py). A slice is taken out of it before it is spent, so all processes together
never pass the bound, whatever dies; what a dead process had in hand counts as spent. A slice starts small and doubles with
use, up to 5 % of the bucket, so a process that dies soon has little in hand. It may be spent for some seconds only, counted
from before the statement that took it: the process never believes in it longer than the database does.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncSession

from server.kit import ratelimit
from server.kit.clock import monotonic_s
from server.kit.db import Database
from server.kit.ratelimit import Bucket

LARGEST_SLICE = 0.05
"""Of a bucket's capacity; a price that is larger is taken as it is."""
SLICE_S = 15.0
_LOOK_AGAIN_S = 1.0
"""For how long a refusal is repeated from memory at most."""
_MOST_SLICES = 10_000
_TRIES = 5


class Exhausted(Exception):
    """A budget has not enough left; after `retry_after_s` seconds it will, if nobody else spends meanwhile."""

    def __init__(self, bucket: Bucket, retry_after_s: float) -> None:
        super().__init__(f"the budget {bucket.name} is used up for {retry_after_s:.1f} s")
        self.name = bucket.name
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Draw:
    """A price, and the bucket that pays it. `key` tells whose bucket it is."""

    bucket: Bucket
    key: str
    price: float

    def less(self, used: float) -> Draw:
        """Return what is left of the price when this much was used; below zero if the price was too low."""
        return replace(self, price=self.price - used)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands, as far as this process knows: its size, what is left, and what comes back each second."""

    maximum: float
    available: float
    restore_per_s: float


@dataclass(slots=True)
class _Slice:
    """What this process has in hand of one bucket, and what it knows of the rest."""

    in_hand: float = 0.0
    leased: float = 0.0
    ends_at: float = 0.0
    next_size: float = 0.0
    level: float | None = None
    seen_at: float = 0.0
    refused_price: float = 0.0
    refused_until: float = 0.0
    wait_s: float = 0.0
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def spendable(self, now: float) -> float:
        return self.in_hand if now < self.ends_at else 0.0

    def note(self, level: float, now: float) -> None:
        self.level, self.seen_at = level, now


class Budgets:
    """The slices of one process. Belongs to one event loop."""

    def __init__(self, database: Database, pepper: str, now: Callable[[], float] = monotonic_s) -> None:
        self._database = database
        self._pepper = pepper
        self._now = now
        self._slices: OrderedDict[tuple[str, str], _Slice] = OrderedDict()
        self._buckets: dict[str, Bucket] = {}

    async def spend(self, draws: Sequence[Draw]) -> Standing:
        """Spend from all of the budgets or from none; return how the tightest stands. Most often nothing is asked of SQL.

        Raises Exhausted, and Unavailable while the database is away.
        """
        for _ in range(_TRIES):
            for draw in draws:
                await self._provide(draw)
            now = self._now()
            # Others may have spent it between two of the leases; what was leased stays in hand.
            if all(self._slice(draw).spendable(now) >= draw.price for draw in draws):
                for draw in draws:
                    self._slice(draw).in_hand -= draw.price
                return self._tightest(draws)
        return await self.spend_exactly(draws)

    async def spend_exactly(self, draws: Sequence[Draw]) -> Standing:
        """Spend in one transaction of the database's own, past the slices; as `spend` otherwise."""
        before = self._now()
        levels: list[tuple[Draw, float]] = []
        async with self._database.unscoped_system() as session:
            for draw in sorted(draws, key=lambda one: (one.bucket.name, one.key)):
                taken = await ratelimit.draw(
                    session, self._pepper, draw.bucket, draw.key, cost=draw.price, is_lease=True
                )
                if not taken.is_granted:
                    raise Exhausted(draw.bucket, taken.wait_s)  # rolls back what the other budgets gave
                levels.append((draw, taken.level))
        for draw, level in levels:
            self._slice(draw).note(level, before)
        return self._tightest(draws)

    def give_back(self, draws: Sequence[Draw]) -> None:
        """Put what was not used back into the slices that it came from; never more than was leased.

        What is below zero is owed: the next spending pays it first.
        """
        for draw in draws:
            found = self._slices.get((draw.bucket.name, draw.key))
            if found is not None:
                found.in_hand = min(found.leased, found.in_hand + draw.price)

    async def aclose(self) -> None:
        """Give the buckets back what is in hand."""
        slices, self._slices = self._slices, OrderedDict()
        left = sorted((key, one.in_hand) for key, one in slices.items() if one.in_hand)
        if left:
            async with self._database.unscoped_system() as session:
                for (name, key), amount in left:
                    await ratelimit.draw(
                        session, self._pepper, self._buckets[name], key, cost=0, back=amount, is_lease=True
                    )

    async def _provide(self, draw: Draw) -> None:
        """See that enough is in hand for one draw; raise Exhausted when the bucket has too little."""
        mine = self._slice(draw)
        if mine.spendable(self._now()) >= draw.price:
            return
        async with mine.taking:  # whoever comes meanwhile shares the slice that the first one takes
            now = self._now()
            if mine.spendable(now) >= draw.price:
                return
            if now < mine.refused_until and draw.price >= mine.refused_price:
                raise Exhausted(draw.bucket, mine.wait_s)
            async with self._database.unscoped_system() as session:
                taken = await self._lease(session, mine, draw, now)
            mine.note(taken.level, now)
            if not taken.is_granted:
                mine.refused_price, mine.wait_s = draw.price, (draw.price - taken.level) / draw.bucket.per_s
                mine.refused_until = now + min(mine.wait_s, _LOOK_AGAIN_S)
                raise Exhausted(draw.bucket, mine.wait_s)

    async def _lease(self, session: AsyncSession, mine: _Slice, draw: Draw, now: float) -> ratelimit.Taken:
        """Take a slice: a good one if the bucket has it, else just the price. What is left of the last one goes back first."""
        most = draw.bucket.capacity * LARGEST_SLICE
        size = max(draw.price, min(mine.next_size or draw.price * 2, most))
        back, mine.in_hand, mine.leased = mine.in_hand, 0.0, 0.0
        taken = await ratelimit.draw(session, self._pepper, draw.bucket, draw.key, cost=size, back=back, is_lease=True)
        if not taken.is_granted and size > draw.price and taken.level >= draw.price:
            size = draw.price
            taken = await ratelimit.draw(session, self._pepper, draw.bucket, draw.key, cost=size, is_lease=True)
        if taken.is_granted:
            mine.in_hand = mine.leased = size
            mine.ends_at = now + SLICE_S
            mine.next_size = min(size * 2, most)
        return taken

    def _slice(self, draw: Draw) -> _Slice:
        key = draw.bucket.name, draw.key
        found = self._slices.get(key)
        if found is None:
            found = self._slices[key] = _Slice()
            self._buckets[draw.bucket.name] = draw.bucket
            while len(self._slices) > _MOST_SLICES:
                self._slices.popitem(last=False)  # what it had in hand counts as spent
        self._slices.move_to_end(key)
        return found

    def _tightest(self, draws: Sequence[Draw]) -> Standing:
        return min((self._standing(draw) for draw in draws), key=lambda one: one.available)

    def _standing(self, draw: Draw) -> Standing:
        mine, bucket, now = self._slice(draw), draw.bucket, self._now()
        level = bucket.capacity if mine.level is None else mine.level + (now - mine.seen_at) * bucket.per_s
        return Standing(bucket.capacity, min(bucket.capacity, level + mine.spendable(now)), bucket.per_s)
