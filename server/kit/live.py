"""Live hints: "something of this kind changed here", told after commit by PostgreSQL's NOTIFY.

A hint carries no content. Whoever hears it reads again through the caller's own scope; a lost hint costs nothing, because
a subscription also reads after its cursor whenever the listener reconnects and from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit import log

LIVE_CHANNEL = "switchboard_live"
_RECONNECT_S = 0.5
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Hint:
    """Where to look again. `topic` is a short word such as "inbox", with an id behind a colon where one thing is meant."""

    topic: str
    organization_id: UUID


async def announce(session: AsyncSession, hints: set[Hint]) -> None:
    """Queue the hints inside the transaction; PostgreSQL delivers them after its commit, or never on a rollback."""
    for hint in hints:
        await session.execute(func.pg_notify(LIVE_CHANNEL, f"{hint.topic}:{hint.organization_id}").select())


class Listener:
    """Hears the hints of all processes on one connection and wakes the subscriptions of this process."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: dict[Hint, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the running event loop."""
        self._task = asyncio.create_task(self._listen(), name="live-listener")

    async def aclose(self) -> None:
        """Stop listening and wake everybody who waits."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._wake_all()

    @asynccontextmanager
    async def watching(self, *hints: Hint) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever one of the hints is heard; the watcher clears it before it reads."""
        wake = asyncio.Event()
        for hint in hints:
            self._waiting.setdefault(hint, set()).add(wake)
        try:
            yield wake
        finally:
            for hint in hints:
                watchers = self._waiting[hint]
                watchers.discard(wake)
                if not watchers:
                    del self._waiting[hint]

    def _wake_all(self) -> None:
        for watchers in self._waiting.values():
            for wake in watchers:
                wake.set()

    def _heard(self, payload: str) -> None:
        topic, _, organization = payload.rpartition(":")  # a topic may name an object: "operation:<id>"
        try:
            hint = Hint(topic, UUID(organization))
        except ValueError:
            return
        for wake in self._waiting.get(hint, ()):
            wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="switchboard-live"
                ) as connection:
                    await connection.execute(f"LISTEN {LIVE_CHANNEL}")
                    self._wake_all()  # what was said while nobody listened is read from the tables
                    async for notice in connection.notifies():
                        self._heard(notice.payload)
            except psycopg.Error as error:
                _logger.warning("live listener lost its connection", error=str(error))
            await asyncio.sleep(_RECONNECT_S)
