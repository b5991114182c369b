"""Fixtures of the platform tests: published bodies, the scripted server, the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from server.platforms.messenger.connector import MessengerConnector
from tests import standin_server
from tests.platforms.factory import a_connector
from tests.platforms.standin_process import Standin
from tests.platforms.wire import Script, Wire
from tests.standin_server import Platform


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is complete but for our apps at the platforms."""
    for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL", "SWITCHBOARD_KEYS"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SWITCHBOARD_PEPPER", "p" * 32)
    for name in ("MESSENGER_APP_ID", "MESSENGER_APP_SECRET", *standin_server.APPS_ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def published() -> Callable[[str], bytes]:
    """Read a webhook body that others published."""
    folder = Path(__file__).parent / "published"
    return lambda name: (folder / f"{name}.json").read_bytes()


@pytest.fixture
async def wired() -> AsyncIterator[Callable[[Script], Awaitable[tuple[MessengerConnector, Wire]]]]:
    """Start a scripted server and a connector that speaks to it; both end with the test."""
    started: list[tuple[MessengerConnector, Wire]] = []

    async def start(script: Script) -> tuple[MessengerConnector, Wire]:
        wire = Wire(script)
        await wire.start()
        started.append((a_connector(wire.url), wire))
        return started[-1]

    yield start
    for connector, wire in started:
        await connector.aclose()
        await wire.stop()


@pytest.fixture(scope="module")
async def standin() -> AsyncIterator[Standin]:
    """Run the stand-in for the tests of one module."""
    running = Standin()
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest.fixture(scope="module")
def standin_url() -> Iterator[str]:
    """A stand-in of each file's own: webhooks that nobody takes any more would keep another file's from ever being quiet."""
    process, url = standin_server.start()
    yield url
    standin_server.stop(process)


@pytest.fixture(scope="module")
async def platform(standin_url: str) -> AsyncIterator[Platform]:
    """The other side of the wire."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield Platform(standin_url, http)
