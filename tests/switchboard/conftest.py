"""Clusters and child processes of the launcher's own tests: real servers in temporary directories, always removed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from switchboard.postgres import Server, ensure_running
from switchboard.supervisor import Service

Launch = Callable[..., Server]


@pytest.fixture(autouse=True)
def no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the addresses that other tests of this process put into the environment: the launcher reads them."""
    for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL", "OWNER_DATABASE_URL", "BROKER_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a running cluster that the tests of one file share and do not stop."""
    server = ensure_running(tmp_path_factory.mktemp("shared"), durable=False)
    yield server
    server.destroy()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Give `ensure_running` for a directory of this test; whatever was started is destroyed afterwards."""
    started: list[Server] = []

    def start(name: str = "postgres") -> Server:
        server = ensure_running(tmp_path / name, durable=False)
        started.append(server)
        return server

    yield start
    for server in started:
        server.destroy()


def a_service(name: str, program: str, *arguments: str, ready_url: str | None = None) -> Service:
    """Return a child process that runs this Python text."""
    return Service(name, (sys.executable, "-c", program, *arguments), {"PYTHONUNBUFFERED": "1"}, ready_url)


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = 10.0) -> None:
    """Return as soon as a condition holds; fail when it does not within the given time."""
    async with asyncio.timeout(within_s):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)
