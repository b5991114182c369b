"""What every test may ask for: a real PostgreSQL with the migrations applied, and the settings of one test process.

Tests are kept apart by tenancy: each makes organizations of its own, so nothing has to be emptied between them.
"""

from __future__ import annotations

import base64
import fcntl
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.config import Config

from server import config
from server.app import create_app
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.locks import WorkerLock
from server.platforms import registry
from switchboard.postgres import Server, ensure_running
from tests import standin_server
from tests.api import Api, serving
from tests.standin_server import Platform
from tests.workshop import Workshop
from workers.actors.registry import ACTORS
from workers.run import Runtime

ROOT = Path(__file__).parent.parent
RUN_DIR = "SWITCHBOARD_TEST_RUN"


def pytest_configure(config: pytest.Config) -> None:
    """Give all worker processes of one run the same PostgreSQL server."""
    # What a process of the tests begins is checked, and warned about only.
    os.environ.setdefault("SWITCHBOARD_ENV", "test")
    if not hasattr(config, "workerinput") and RUN_DIR not in os.environ:
        os.environ[RUN_DIR] = tempfile.mkdtemp(prefix="sb-test-")
        config.stash[_OWNS_RUN] = True


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server that this run started."""
    if config.stash.get(_OWNS_RUN, False):
        run = Path(os.environ.pop(RUN_DIR))
        if (run / "postgres").exists():
            ensure_running(run / "postgres", durable=False).destroy()
        shutil.rmtree(run, ignore_errors=True)


_OWNS_RUN: pytest.StashKey[bool] = pytest.StashKey()


SLOW = ("tests/tenancy/", "tests/audit/", "tests/privacy/", "tests/flows/", "tests/switchboard/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose few tests take long, so that no worker process is left alone with them at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


def pytest_collection_finish() -> None:
    """Leave what the collection made out of every later search for garbage: it stays, and is large."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def migrate(url: str) -> None:
    """Apply every migration to the database at `url` (the owner's address)."""
    alembic = Config(str(ROOT / "alembic.ini"))
    alembic.attributes["url"] = url
    command.upgrade(alembic, "head")


@pytest.fixture(scope="session")
def postgres() -> Server:
    """The run's PostgreSQL server, with the migrated template database `sb_template`."""
    run = Path(os.environ[RUN_DIR])
    server = ensure_running(run / "postgres", durable=False)
    with (run / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "template.done").exists():
            server.create_database("sb_template")
            migrate(server.owner_url("sb_template"))
            (run / "template.done").touch()
    return server


@pytest.fixture(scope="session")
def shared_standin() -> Iterator[str]:
    """The address of this test process's stand-in platform, which the settings name."""
    process, url = standin_server.start()
    yield url
    standin_server.stop(process)


@pytest.fixture(scope="session")
def standin_url(shared_standin: str) -> str:
    """The address of the stand-in platform that a test speaks to."""
    return shared_standin


@pytest.fixture(scope="session")
async def platform(standin_url: str) -> AsyncIterator[Platform]:
    """The other side of the wire."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield Platform(standin_url, http)


@pytest.fixture(scope="session")
def settings(postgres: Server, worker_id: str, shared_standin: str) -> Iterator[config.Settings]:
    """The settings of this test process, on a database of its own."""
    name = f"sb_{worker_id}"
    postgres.create_database(name, template="sb_template")
    environment = {
        "DATABASE_URL": postgres.app_url(name),
        "SYSTEM_DATABASE_URL": postgres.system_url(name),
        "OWNER_DATABASE_URL": postgres.owner_url(name),
        "SWITCHBOARD_ENV": "test",
        "SWITCHBOARD_TRUSTED_PROXIES": "127.0.0.1",
        "SWITCHBOARD_KEYS": "test:" + base64.b64encode(b"k" * 32).decode(),
        "SWITCHBOARD_PEPPER": "pepper-of-the-test-suite-0123456789",
        "MESSENGER_APP_ID": standin_server.APP_ID,
        "MESSENGER_APP_SECRET": standin_server.SECRET,
        "MESSENGER_VERIFY_TOKEN": standin_server.VERIFY_TOKEN,
        "MESSENGER_GRAPH_URL": shared_standin,
        "MESSENGER_DIALOG_URL": shared_standin,
        **standin_server.APPS_ENVIRONMENT,
        **standin_server.addresses_of(shared_standin),
        # Deadlines count seconds of the wall; a busy machine has slow ones. Tests of deadlines and budgets set their own.
        "OPERATION_DEADLINE_S": "90",
        **dict.fromkeys(("BUDGET_ORGANIZATION", "BUDGET_TOKEN", "BUDGET_NETWORK"), "1e9"),
        "SEND_GRACE_S": "1",
        "SEND_DEADLINE_S": "1",
        "SEND_LEASE_S": "4",
    }
    before = {key: os.environ.get(key) for key in environment}
    os.environ.update(environment)
    config.settings.cache_clear()
    yield config.settings()
    for key, value in before.items():
        os.environ.pop(key) if value is None else os.environ.update({key: value})
    config.settings.cache_clear()


@pytest.fixture(scope="session")
async def database(settings: config.Settings) -> AsyncIterator[Database]:
    """The engines of this test process."""
    opened = Database(settings.database, KeyRing.parse(settings.security.keys.get_secret_value()))
    yield opened
    await opened.aclose()


@pytest.fixture(scope="session")
async def api(settings: config.Settings) -> AsyncIterator[Api]:
    """The whole API on a loopback port of this test process."""
    async with serving(create_app(settings)) as url, httpx.AsyncClient(timeout=30) as http:
        yield Api(url, http)


@pytest.fixture(scope="session")
async def workshop(settings: config.Settings, database: Database) -> AsyncIterator[Workshop]:
    """A worker in the test process."""
    lock = WorkerLock(database.system_dsn)
    await lock.acquire()
    connectors = registry.build(settings)
    yield Workshop(Runtime(database, connectors, settings, lock), ACTORS)
    await connectors.aclose()
    await lock.release()
