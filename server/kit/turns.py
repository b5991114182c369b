"""Turns: how many things a process does at once, and in which order those who wait are let in.

Each party (a tenant, a network) has at most its share, waits in a line of its own with a bounded length, and the lines are
served in rotation: one party's hundred do not stand before another's one. Who finds its line full is told so at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil

from server.kit.errors import Busy


class LineIsFull(Busy):
    """One party has more open at once than it may; others are let in."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many of your requests are open at once. Nothing was changed; retry in a moment.")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Room:
    """How many may be inside (`size`), of them of one party (`share`), and wait for one party (`line`) and in all (`most`).

    `patience_s` is how long somebody waits before being told that it is busy. `kept` places are for parties that have nobody
    inside: two that fill their shares with slow work do not shut out a third.
    """

    size: int
    share: int
    line: int
    most: int
    patience_s: float
    kept: int = 0


@dataclass(slots=True)
class _Party:
    inside: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """The turns of one kind of work in one process. Belongs to one event loop."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._inside = 0
        self._waiting = 0
        self._parties: OrderedDict[Hashable, _Party] = OrderedDict()

    @asynccontextmanager
    async def turn(self, who: Hashable) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises LineIsFull or Busy without waiting when there is no place to wait."""
        await self.enter(who)
        try:
            yield
        finally:
            self.leave(who)

    async def enter(self, who: Hashable) -> None:
        """Take a turn; `leave` gives it back. Raises as `turn` does, and Busy when the patience is over."""
        party = self._parties.setdefault(who, _Party())
        if self._has_place_for(party) and not party.waiting:
            self._let_in(party)
            return
        if len(party.waiting) >= self._room.line:
            raise LineIsFull(max(1, ceil(self._room.patience_s / 4)))
        if self._waiting >= self._room.most:
            self._forget(who)
            raise Busy
        await self._wait(who, party)

    def leave(self, who: Hashable) -> None:
        """Give a turn back; the next line in rotation is served."""
        party = self._parties[who]
        party.inside -= 1
        self._inside -= 1
        self._parties.move_to_end(who)  # who was just served comes last
        self._forget(who)
        self._serve()

    async def _wait(self, who: Hashable, party: _Party) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        party.waiting.append(place)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._room.patience_s):
                await place
        except TimeoutError as error:
            self._give_up(who, party, place)
            raise Busy from error
        except asyncio.CancelledError:
            self._give_up(who, party, place)
            raise

    def _give_up(self, who: Hashable, party: _Party, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self.leave(who)  # let in and cut off in the same moment
        elif place in party.waiting:
            party.waiting.remove(place)
            self._waiting -= 1
            self._forget(who)

    def _serve(self) -> None:
        while self._inside < self._room.size:
            found = next((one for one in self._parties.values() if one.waiting and self._has_place_for(one)), None)
            if found is None:
                return
            place = found.waiting.popleft()
            self._waiting -= 1
            if place.cancelled():
                continue
            self._let_in(found)
            place.set_result(None)

    def _has_place_for(self, party: _Party) -> bool:
        if party.inside == 0:
            return self._inside < self._room.size
        return self._inside < self._room.size - self._room.kept and party.inside < self._room.share

    def _let_in(self, party: _Party) -> None:
        party.inside += 1
        self._inside += 1

    def _forget(self, who: Hashable) -> None:
        party = self._parties.get(who)
        if party is not None and party.inside == 0 and not party.waiting:
            del self._parties[who]
