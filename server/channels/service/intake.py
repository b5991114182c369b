"""The intake of one API process: webhook bodies that arrive at the same time share one transaction (ADR 20)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import DBAPIError

from server.channels.service.ingest import (
    Ingested,
    Split,
    split_or_keep,
    store_one_by_one,
    store_together,
)
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.platforms.port import Channel, Connector

_LANES = 2
"""Transactions at once: while PostgreSQL commits one batch, the next is prepared. Half of the system role's connections."""
_BATCH_ITEMS = 1_000
"""Items of one transaction, unless a single body has more."""
_WAITING_ITEMS = 50_000
"""Items that may wait; beyond it bodies are refused, and platforms deliver them again."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """One body, and whom to tell when its rows are committed."""

    body: Split
    told: asyncio.Future[Ingested]
    is_alone: bool = False


class Intake:
    """Stores verified bodies. Whoever comes while nothing runs is stored at once; whoever comes meanwhile, together.

    Belongs to one event loop. A caller that goes away takes back nothing that is already on its way.
    """

    def __init__(self, database: Database, *, most_waiting: int = _WAITING_ITEMS) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._waiting: dict[Channel, deque[_Waiting]] = {}
        self._items = 0
        self._running: set[asyncio.Task[list[Ingested]]] = set()
        self._is_woken = False

    async def record(self, connector: Connector, body: bytes) -> Ingested:
        """Store the items of a verified body and return after their commit, as `record_events` does.

        Raises BodyMalformed after the whole body was kept as a stray, and Unavailable with nothing stored: the database is
        away, or too much is waiting for it.
        """
        split = await split_or_keep(self._database, connector, body)
        if not len(split):
            return Ingested(0, 0, 0)
        if self._items and self._items + len(split) > self._most_waiting:
            raise Unavailable
        one = _Waiting(split, asyncio.get_running_loop().create_future())
        self._items += len(split)
        self._waiting.setdefault(split.channel, deque()).append(one)
        self._wake()
        return await one.told

    async def aclose(self) -> None:
        """Wait until everything that was taken in is stored or refused."""
        while self._items or self._running:
            await asyncio.wait(self._running) if self._running else await asyncio.sleep(0)

    def _wake(self) -> None:
        """Look for work after the callbacks that are due now, so that requests read in one turn share a batch."""
        if not self._is_woken and len(self._running) < _LANES:
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._go)

    def _go(self) -> None:
        self._is_woken = False
        while len(self._running) < _LANES and (batch := self._next()):
            task = asyncio.create_task(self._store(batch), name="intake")
            self._running.add(task)
            task.add_done_callback(partial(self._ended, batch))

    def _next(self) -> list[_Waiting]:
        """Take the oldest bodies of one channel; who was cancelled meanwhile is left out. Channels take turns."""
        for channel in list(self._waiting):
            queue = self._waiting.pop(channel)
            batch: list[_Waiting] = []
            size = 0
            while queue and (not batch or (size + len(queue[0].body) <= _BATCH_ITEMS and not queue[0].is_alone)):
                one = queue.popleft()
                self._items -= len(one.body)
                if not one.told.done():
                    batch.append(one)
                    size += len(one.body)
                    if one.is_alone:
                        break
            if queue:
                self._waiting[channel] = queue
            if batch:
                return batch
        return []

    async def _store(self, batch: list[_Waiting]) -> list[Ingested]:
        if batch[0].is_alone:
            return [await store_one_by_one(self._database, batch[0].body)]
        return await store_together(self._database, [one.body for one in batch])

    def _ended(self, batch: list[_Waiting], ended: asyncio.Task[list[Ingested]]) -> None:
        self._running.discard(ended)
        error = Unavailable() if ended.cancelled() else ended.exception()
        if error is None:
            for one, result in zip(batch, ended.result(), strict=True):
                if not one.told.done():
                    one.told.set_result(result)
        elif isinstance(error, DBAPIError) and not batch[0].is_alone:
            self._again_alone(batch)
        else:
            for one in batch:
                if not one.told.done():
                    one.told.set_exception(error)
        self._wake()

    def _again_alone(self, batch: list[_Waiting]) -> None:
        """One strange body must not fail those that came with it: each gets a transaction of its own."""
        queue = self._waiting.setdefault(batch[0].body.channel, deque())
        for one in reversed(batch):
            one.is_alone = True
            self._items += len(one.body)
            queue.appendleft(one)
