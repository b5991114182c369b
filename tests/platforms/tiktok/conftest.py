"""Fixtures of the TikTok tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.platforms.tiktok.connector import TikTokConnector
from tests.platforms.tiktok.factory import a_connector
from tests.platforms.wire import Script, Wire
from tests.standin_server import Platform

Plan = Callable[..., Awaitable[None]]


@pytest.fixture
async def connector(standin_url: str) -> AsyncIterator[TikTokConnector]:
    """A connector that speaks to the stand-in."""
    made = a_connector(standin_url)
    yield made
    await made.aclose()


@pytest.fixture
async def plan(platform: Platform) -> AsyncIterator[Plan]:
    """Let calls go wrong; keywords are one rule of the fault plan."""

    async def put(**rule: object) -> None:
        await platform.control("faults", {"seed": 1, "rules": [rule]}, method="PUT")

    yield put
    await platform.control("faults", method="DELETE")


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Script], Awaitable[tuple[TikTokConnector, Wire]]]]:
    """Start a scripted server and a connector that speaks to it; both end with the test."""
    started: list[tuple[TikTokConnector, Wire]] = []

    async def start(script: Script) -> tuple[TikTokConnector, Wire]:
        wire = Wire(script)
        await wire.start()
        started.append((a_connector(wire.url), wire))
        return started[-1]

    yield start
    for connector, wire in started:
        await connector.aclose()
        await wire.stop()
