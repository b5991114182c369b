"""Fixtures of the X tests: the stand-in of the test process, empty of faults, and a connector that speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.platforms.x.connector import XConnector
from tests.platforms.wire import Script, Wire
from tests.platforms.x.factory import a_connector
from tests.platforms.x.inbox import Inbox
from tests.standin_server import Platform

Wired = Callable[[Script], Awaitable[tuple[XConnector, Wire]]]


@pytest.fixture
async def connector(platform: Platform) -> AsyncIterator[XConnector]:
    """A connector whose X is the stand-in, which is as at its start."""
    await platform.control("faults", method="DELETE")
    await platform.control("clock", {"offset_s": 0})
    made = a_connector(f"{platform.url}/x")
    yield made
    await platform.control("faults", method="DELETE")
    await platform.control("clock", {"offset_s": 0})
    await made.aclose()


@pytest.fixture
async def wired_x() -> AsyncIterator[Wired]:
    """Start a scripted server and a connector that speaks to it; both end with the test."""
    started: list[tuple[XConnector, Wire]] = []

    async def start(script: Script) -> tuple[XConnector, Wire]:
        wire = Wire(script)
        await wire.start()
        started.append((a_connector(wire.url), wire))
        return started[-1]

    yield start
    for connector, wire in started:
        await connector.aclose()
        await wire.stop()


@pytest.fixture
async def inbox(platform: Platform, connector: XConnector) -> AsyncIterator[Inbox]:
    """A callback that is served until everything on its way arrived."""
    made = Inbox(connector)
    await made.wire.start()
    yield made
    await platform.settled()
    await made.wire.stop()
