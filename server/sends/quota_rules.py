"""Pure arithmetic of quotas: sliding windows in slices, shares of an app, and what the platform told.

A platform counts a call when it arrives: somewhere between the taking of its token and its end. So a token counts from when it
is taken until a whole window after its call has ended, rounded up to a slice. No window of the platform can then hold more
calls than the limit: those that arrive in it were all open, or had ended within one window, when the last token was taken.
A token whose end nobody told (its process died) counts as if its call had lasted as long as one possibly can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from server.platforms.capabilities.capability import Quota
from server.platforms.port import Act, QuotaScope

RESERVED_FOR_REPLIES = 0.2
"""The last part of an app's allowance, which campaigns leave to replies."""
_SLICES = 20
_SHORTEST_SLICE_S = 0.1
_STILL_WAITS_S = 2.0
_REMEMBERED_S = 60.0
_NOT_MY_TURN_S = 0.5


def slice_s(window_s: float) -> float:
    """Return the length of one slice of a window."""
    return max(window_s / _SLICES, _SHORTEST_SLICE_S)


@dataclass(slots=True)
class Window:
    """The tokens of one allowance within one sliding window. Times are seconds since 1970 by the database's clock.

    `open` are tokens by the slice in which they were taken, `done` by the slice in which their calls had ended. `hold_s` is
    how long after its token a call may still be on its way.
    """

    limit: int
    window_s: float
    hold_s: float
    open: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)

    def at(self, now: float) -> int:
        """Return the slice of a moment."""
        return math.floor(now / slice_s(self.window_s))

    def prune(self, now: float) -> None:
        """Forget slices that count no more."""
        self.open = dict(self._counted(self.open, now, self._open_span))
        self.done = dict(self._counted(self.done, now, self._done_span))

    def used(self, now: float) -> int:
        """Return how many tokens count now; those of slices ahead (a clock that was set back) count as well."""
        counted = (
            *self._counted(self.open, now, self._open_span),
            *self._counted(self.done, now, self._done_span),
        )
        return sum(count for _, count in counted)

    def end(self, taken_at: int, now: float, count: int, unused: int) -> None:
        """Note that calls whose tokens were taken in a slice have ended; `unused` of them were never made."""
        self.open[taken_at] = max(0, self.open.get(taken_at, 0) - count)
        number = self.at(now)
        self.done[number] = self.done.get(number, 0) + count - unused

    def wait_s(self, now: float, limit: int) -> float:
        """Return in how many seconds one token within `limit` may be free; a whole window if there is never one.

        Open calls are expected to end at once: asking too early costs little, and asking late lets allowance go to waste.
        """
        left_over = self.used(now) - limit + 1
        if left_over <= 0:
            return 0.0
        freed = sorted(self._counted(self.done, now, self._done_span))
        if self.open:
            freed.append((self.at(now), sum(count for _, count in self._counted(self.open, now, self._open_span))))
        for number, count in freed:
            left_over -= count
            if left_over <= 0:
                return (number + self._done_span + 1) * slice_s(self.window_s) - now
        return self.window_s

    @property
    def _open_span(self) -> int:
        return math.ceil((self.window_s + self.hold_s) / slice_s(self.window_s))

    @property
    def _done_span(self) -> int:
        return math.ceil(self.window_s / slice_s(self.window_s))

    def _counted(self, slices: Mapping[int, int], now: float, span: int) -> list[tuple[int, int]]:
        oldest = self.at(now) - span
        return [(number, count) for number, count in slices.items() if number >= oldest and count > 0]


@dataclass(slots=True)
class Word:
    """What the platform told about an allowance, and who waits for it."""

    remaining: int | None = None
    resets_at: float | None = None
    blocked_until: float | None = None
    waiting: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Organization and urgency -> (believed to wait until, tokens that it got while others waited)."""
    is_changed: bool = False

    def left(self, now: float) -> int | None:
        """Return how many calls the platform still allows; None if it told nothing that holds now."""
        if self.blocked_until is not None and self.blocked_until > now:
            return 0
        if self.remaining is not None and self.resets_at is not None and self.resets_at > now:
            return max(0, self.remaining)
        return None

    def wait_s(self, now: float) -> float:
        """Return how long the platform's word holds calls back."""
        blocked = (self.blocked_until or now) - now
        spent = (self.resets_at or now) - now if self.remaining is not None and self.remaining <= 0 else 0.0
        return max(0.0, blocked, spent)


Name = tuple[str, Act]
"""Whose allowance of which act: a page's or our app's."""


@dataclass(slots=True)
class Book:
    """All that is known of one allowance."""

    is_app: bool
    windows: list[Window]
    word: Word


@dataclass(frozen=True, slots=True)
class Grant:
    """Which calls of a row of calls may go, in their order, and for each other one how long it has to wait."""

    waits_s: tuple[float | None, ...]
    taken: Mapping[Name, int]

    @property
    def refused(self) -> int:
        """Return how many calls have to wait."""
        return sum(wait is not None for wait in self.waits_s)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and for what: replies are urgent and may use the part of an app's allowance that campaigns may not."""

    organization_id: UUID
    is_urgent: bool

    @property
    def name(self) -> str:
        """Return under which name it waits: the replies and the campaigns of an organization wait apart."""
        return f"{self.organization_id}:{'replies' if self.is_urgent else 'campaigns'}"

    def yields_to(self, other: str) -> bool:
        """Say whether another one that waits counts: campaigns yield to everybody else's, replies only to replies."""
        is_own = other.startswith(str(self.organization_id))
        return not is_own and (not self.is_urgent or other.endswith(":replies"))


def grant(books: Mapping[Name, Book], calls: Sequence[frozenset[Name]], asker: Asker, now: float) -> Grant:
    """Take tokens for as many of the calls as there is room for, in their order, and write them into the books.

    While other organizations wait for an app's allowance, nobody gets further ahead of them than by an equal share of what is
    left.
    """
    room = {name: _room(book, asker, now) for name, book in books.items()}
    taken = dict.fromkeys(books, 0)
    waits: list[float | None] = []
    lacking: set[Name] = set()
    for names in calls:
        short = [name for name in names if name in books and taken[name] >= room[name]]
        if short:
            lacking.update(short)
            waits.append(max(_wait_s(books[name], asker, now, taken[name]) for name in short))
            continue
        waits.append(None)
        for name in names & books.keys():
            taken[name] += 1
    for name, book in books.items():
        _write(book, taken[name], now)
        if book.is_app:
            waits_s = max((wait for wait in waits if wait is not None), default=0.0)
            _queue(book.word, asker, now, taken[name], waits_s if name in lacking else None)
    return Grant(tuple(waits), {name: count for name, count in taken.items() if count})


def _limit(book: Book, window: Window, asker: Asker) -> int:
    if not book.is_app or asker.is_urgent:
        return window.limit
    return window.limit - math.ceil(window.limit * RESERVED_FOR_REPLIES)


def _room(book: Book, asker: Asker, now: float) -> int:
    rooms = [_limit(book, window, asker) - window.used(now) for window in book.windows]
    told = book.word.left(now)
    if told is not None:
        rooms.append(told)
    left = max(0, min(rooms)) if rooms else 1_000_000_000
    if not book.is_app or left == 0:
        return left
    others = _waiting_others(book.word, asker, now)
    if not others:
        return left
    floor, share = min(others.values()), math.ceil(left / (len(others) + 1))
    return floor + share - _served(book.word, asker, floor, share)


def _served(word: Word, asker: Asker, floor: int, share: int) -> int:
    """Return how many tokens the asker is taken to have had: nobody saves turns up, and nobody is in debt for long."""
    own = int(word.waiting.get(asker.name, (0.0, 0.0))[1])
    return max(floor, min(own, floor + share))


def _waiting_others(word: Word, asker: Asker, now: float) -> dict[str, int]:
    return {one: int(times[1]) for one, times in word.waiting.items() if asker.yields_to(one) and times[0] > now}


def _wait_s(book: Book, asker: Asker, now: float, taken: int) -> float:
    """Return when it is worth asking again: room that others have first is asked for in a second."""
    waits = [window.wait_s(now, _limit(book, window, asker) - taken) for window in book.windows]
    longest = max((*waits, book.word.wait_s(now)), default=0.0)
    return longest if longest > 0 else _NOT_MY_TURN_S


def _write(book: Book, taken: int, now: float) -> None:
    for window in book.windows:
        window.prune(now)
        if taken:
            number = window.at(now)
            window.open[number] = window.open.get(number, 0) + taken
    if taken and book.word.remaining is not None:
        book.word.remaining -= taken
        book.word.is_changed = True


def _queue(word: Word, asker: Asker, now: float, taken: int, wait_s: float | None) -> None:
    """Note who waits and what was got meanwhile. Nothing is noted while nobody waits, so that a lone asker costs nothing."""
    mine, before = asker.name, word.waiting
    others = _waiting_others(word, asker, now)
    served = taken + max(int(before.get(mine, (0.0, 0.0))[1]), min(others.values(), default=0))
    word.waiting = {one: times for one, times in before.items() if one != mine and times[0] > now - _REMEMBERED_S}
    if wait_s is not None:
        word.waiting[mine] = (now + wait_s + _STILL_WAITS_S, float(served))
    elif others:
        word.waiting[mine] = (now, float(served))
    word.is_changed = word.is_changed or word.waiting != before


def windows_of(quotas: Sequence[Quota], scope: QuotaScope, act: Act) -> list[tuple[int, timedelta]]:
    """Return (limit, window) of the quotas of one act for a page or for the app."""
    return [(quota.limit, quota.window) for quota in quotas if quota.scope is scope and quota.act is act]
