"""A worker's runtime whose Messenger is a scripted server on the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.locks import WorkerLock
from server.platforms.port import Channel
from server.platforms.registry import Registry
from tests.platforms.factory import a_connector
from tests.platforms.wire import Script, Wire
from workers.run import Runtime


@pytest.fixture
async def worker(database: Database, settings: Settings) -> AsyncIterator[Callable[[Script], Awaitable[Runtime]]]:
    """Start a scripted platform and return the runtime of a worker that speaks to it; all ends with the test."""
    started: list[tuple[Registry, Wire]] = []
    lock = WorkerLock(database.system_dsn)
    await lock.acquire()

    async def start(script: Script) -> Runtime:
        wire = Wire(script)
        await wire.start()
        registry = Registry({Channel.MESSENGER: a_connector(wire.url)})
        started.append((registry, wire))
        return Runtime(database, registry, settings, lock)

    yield start
    for registry, wire in started:
        await registry.aclose()
        await wire.stop()
    await lock.release()
