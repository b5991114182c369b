"""Who is let in to work, before anything is asked of the database.

A token that this process verified within the last minutes takes a turn of its organization; any other one is verified in a
small lane of its own, shared out among networks, whichever shell it came to. What is remembered serves admission only:
whether a token is valid, and what it may do, is read anew for every request.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from uuid import UUID

from server.config import AdmissionSettings, DatabaseSettings
from server.kit.clock import monotonic_s
from server.kit.turns import Room, Turns

_REMEMBERED_S = 300.0
_MOST_REMEMBERED = 10_000
_LANE = Room(size=2, share=1, line=64, most=512, patience_s=5.0)
_DELIVERIES = Room(size=2, share=1, line=10_000, most=50_000, patience_s=60.0)
"""Subscriptions wait rather than end: when an organization hears of a change, all of them want to read at once."""
_PIECES = Room(size=2, share=1, line=10_000, most=50_000, patience_s=60.0)
"""Downloads wait as well: half of each is out already."""


class Turn:
    """A place among those at work, for the time of one operation."""

    def __init__(self, turns: Turns, who: Hashable) -> None:
        self._turns = turns
        self._who = who
        self._is_held = False

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Turn]:
        """Wait for the place and hold it. Raises Busy."""
        await self._enter()
        try:
            yield self
        finally:
            self._leave()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let others work for as long as this operation only waits for somebody else. Raises Busy if there is no way back."""
        self._leave()
        yield
        await self._enter()  # whoever was ended while waiting needs no place any more

    async def _enter(self) -> None:
        await self._turns.enter(self._who)
        self._is_held = True

    def _leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._turns.leave(self._who)


class Admission:
    """The lanes of one process."""

    def __init__(
        self, settings: AdmissionSettings, database: DatabaseSettings, now: Callable[[], float] = monotonic_s
    ) -> None:
        size = max(1, database.pool_size - settings.reserved_connections)
        share = max(1, round(size * settings.tenant_share))
        self._now = now
        line, most, kept = settings.line, settings.most_waiting, min(size // 4, size - share)
        self._tenants = Turns(Room(size, share, line, most, settings.patience_s, kept))
        self._downloads = Turns(Room(settings.most_downloads, settings.downloads, line, most, settings.patience_s))
        self._strangers = Turns(_LANE)
        self._anonymous = Turns(_LANE)
        self._deliveries = Turns(_DELIVERIES)
        self._pieces = Turns(_PIECES)
        self._known: OrderedDict[bytes, tuple[UUID, float]] = OrderedDict()

    def tenant_of(self, token: str) -> UUID | None:
        """Return the organization of a token that was verified here within the last minutes."""
        found = self._known.get(_mark(token))
        return None if found is None or found[1] < self._now() - _REMEMBERED_S else found[0]

    def remember(self, token: str, organization_id: UUID) -> None:
        """Note that a token was just verified."""
        mark = _mark(token)
        self._known[mark] = (organization_id, self._now())
        self._known.move_to_end(mark)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, token: str) -> None:
        """Note that a token is not valid any more."""
        self._known.pop(_mark(token), None)

    async def verified(self, token: str, network: str, verify: Callable[[], Awaitable[UUID | None]]) -> bool:
        """Let `verify` find whose a token is, in the lane that it may take, and note it; say whether it is valid. Raises Busy."""
        remembered = self.tenant_of(token)
        lane = self.stranger(network) if remembered is None else self._tenants.turn(remembered)
        async with lane:
            found = await verify()
        if found is None:
            self.forget(token)
        else:
            self.remember(token, found)
        return found is not None

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[Turn]:
        """Work for an organization. Raises Busy, at once when its line is full."""
        async with Turn(self._tenants, organization_id).held() as turn:
            yield turn

    @asynccontextmanager
    async def stranger(self, network: str) -> AsyncIterator[None]:
        """Verify a token that is not known here."""
        async with self._strangers.turn(network):
            yield

    @asynccontextmanager
    async def delivery(self, organization_id: UUID) -> AsyncIterator[None]:
        """Read what a subscription tells next."""
        async with self._deliveries.turn(organization_id):
            yield

    @asynccontextmanager
    async def download(self, organization_id: UUID) -> AsyncIterator[None]:
        """Keep a download open, which takes memory for as long as its client reads; hold no turn beside. Raises Busy."""
        async with self._downloads.turn(organization_id):
            yield

    @asynccontextmanager
    async def piece(self, organization_id: UUID) -> AsyncIterator[None]:
        """Read the next piece of a download."""
        async with self._pieces.turn(organization_id):
            yield

    @asynccontextmanager
    async def anonymous(self, network: str) -> AsyncIterator[Turn]:
        """Work for somebody who has no token, such as who signs in."""
        async with Turn(self._anonymous, network).held() as turn:
            yield turn


def _mark(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=16).digest()
