"""Systems on databases of their own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from switchboard.postgres import Server, ensure_running
from tests.conftest import migrate
from tests.faults.plant import free_port
from tests.outage.system import System, environment_of, opened

NAME = "outage"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client that waits longer than any outage takes to be noticed."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A PostgreSQL server that only this test uses, so that it may be stopped."""
    with tempfile.TemporaryDirectory(prefix="sb-out-") as folder:
        server = ensure_running(Path(folder) / "postgres", durable=False)
        server.create_database(NAME)
        migrate(server.owner_url(NAME))
        yield server
        server.destroy()


@pytest.fixture
async def system(
    own_postgres: Server, settings: Settings, http: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[System]:
    """A running system on the server that may be stopped; its broker is the same PostgreSQL."""
    made = System(environment_of(own_postgres, NAME, None), tmp_path, http)
    try:
        await made.up()
        yield made
    finally:
        made.down()


@pytest.fixture
async def deaf_system(
    postgres: Server, settings: Settings, http: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[tuple[System, int]]:
    """A running system whose broker nobody has started yet, and the port on which it would be."""
    name, port = f"deaf_{new_id().hex}", free_port()
    postgres.create_database(name, template="sb_template")
    made = System(environment_of(postgres, name, f"redis://127.0.0.1:{port}/0"), tmp_path, http)
    try:
        await made.up()
        yield made, port
    finally:
        made.down()
        postgres.drop_database(name)


@pytest.fixture
async def own_database(system: System, settings: Settings) -> AsyncIterator[Database]:
    """The system's database, seen from the test process."""
    database = opened(system.environment, settings.security.keys.get_secret_value())
    yield database
    await database.aclose()


@pytest.fixture
async def deaf_database(deaf_system: tuple[System, int], settings: Settings) -> AsyncIterator[Database]:
    """The database of the system without a broker, seen from the test process."""
    database = opened(deaf_system[0].environment, settings.security.keys.get_secret_value())
    yield database
    await database.aclose()
