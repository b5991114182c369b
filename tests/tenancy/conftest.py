"""A database and a service of their own, so that marked and broken rows are nobody else's."""

from __future__ import annotations

import copy
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from server.app import create_app
from server.config import DatabaseSettings, Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import new_id
from switchboard.postgres import OWNER, Server
from tests.api import Api, serving
from tests.tenancy.rows import TENANT_TABLES
from tests.tenancy.scenes import Scene, two_organizations

HERE = Path(__file__).parent
Unwalled = tuple[Api, Database, Settings]


BROKEN = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object (GraphQLCoreConverter|Executor)[.]:pytest.PytestUnraisableExceptionWarning"
)
"""A mark breaks what is no free text, such as a list of ids, for its owner too: its field fails, and the library then drops
the calls beside it without having begun them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the walks over marked rows fail for what they show, and not for what the marks broke."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(BROKEN)


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Collect here what the walks of a file dropped: found later, it would be the fault of a test that has no such mark."""
    yield
    gc.collect()


@pytest.fixture(scope="package")
async def walk_settings(postgres: Server, settings: Settings) -> AsyncIterator[Settings]:
    """Settings with an empty database."""
    name = f"walk_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    made = copy.copy(settings)
    made.database = database_settings(postgres, name)
    # The walk asks for everything at once, thousands of times; what may be asked for is tested elsewhere.
    made.operations = settings.operations.model_copy(update={"max_price": 10**9, "max_anonymous_price": 10**9})
    made.budgets = settings.budgets.model_copy(update=dict.fromkeys(("organization", "token", "network"), 1e9))
    made.admission = settings.admission.model_copy(update={"line": 5_000, "most_waiting": 50_000, "patience_s": 300.0})
    yield made
    postgres.drop_database(name)


@pytest.fixture(scope="package")
async def walk_database(walk_settings: Settings) -> AsyncIterator[Database]:
    """The engines of that database."""
    opened = Database(walk_settings.database, KeyRing.parse(walk_settings.security.keys.get_secret_value()))
    yield opened
    await opened.aclose()


@pytest.fixture(scope="package")
async def walk_api(walk_settings: Settings, walk_database: Database) -> AsyncIterator[Api]:
    """The API on that database."""
    async with (
        serving(create_app(walk_settings)) as url,
        httpx.AsyncClient(timeout=60, trust_env=False) as http,
    ):
        yield Api(url, http)


@pytest.fixture(scope="package")
async def organizations(walk_api: Api, walk_database: Database, walk_settings: Settings) -> Scene:
    """An owner of one agency before another agency in which every text is marked."""
    return await two_organizations(walk_api, walk_database, walk_settings)


@pytest.fixture
async def unwalled(postgres: Server, walk_settings: Settings) -> AsyncIterator[Unwalled]:
    """A service on a database whose row-level security is off."""
    name = f"unwalled_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    with psycopg.connect(postgres.dsn(name, OWNER), autocommit=True) as owner:
        for table in TENANT_TABLES:
            owner.execute(f"ALTER TABLE {table.name} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
    made = copy.copy(walk_settings)
    made.database = database_settings(postgres, name)
    database = Database(made.database, KeyRing.parse(made.security.keys.get_secret_value()))
    async with serving(create_app(made)) as url, httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Api(url, http), database, made
    await database.aclose()
    postgres.drop_database(name)


def database_settings(postgres: Server, name: str) -> DatabaseSettings:
    """Return the addresses of one database."""
    return DatabaseSettings.model_validate(
        {
            "DATABASE_URL": postgres.app_url(name),
            "SYSTEM_DATABASE_URL": postgres.system_url(name),
            "OWNER_DATABASE_URL": postgres.owner_url(name),
        }
    )
