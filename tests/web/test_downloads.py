"""What downloads and their tokens may take of the process: turns, connections and places, whoever asks and however slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from typing import Any

import httpx
import psycopg
import pytest

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency

Start = Callable[..., AbstractAsyncContextManager[Api]]
VIEWER = "{viewer{name}}"


@pytest.fixture
def start(settings: Settings) -> Start:
    """Serve with some settings changed: start(admission={...}, database={...})."""

    @asynccontextmanager
    async def begin(**changes: dict[str, Any]) -> AsyncIterator[Api]:
        configured = copy(settings)
        for concern, values in changes.items():
            setattr(configured, concern, getattr(settings, concern).model_copy(update=values))
        async with serving(create_app(configured)) as url, httpx.AsyncClient(timeout=60, trust_env=False) as http:
            yield Api(url, http)

    return begin


async def an_owner(database: Database, settings: Settings) -> tuple[AnOrganization, APerson]:
    """An agency, and who may everything in it."""
    agency = await an_agency(database)
    return agency, await a_person(database, settings, agency, agency.root_id, Role.OWNER)


def bearing(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def tokens_locked(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Keep every reader of tokens waiting; give the connection that does, which sees who waits."""
    assert settings.database.owner is not None
    dsn = settings.database.owner.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("LOCK TABLE access_token IN ACCESS EXCLUSIVE MODE")
        yield connection


async def most_waiting(connection: psycopg.AsyncConnection[Any]) -> int:
    """Return how many sessions waited for the lock at most, within a second from the first one."""
    most, left = 0, 20
    while left:
        found = await connection.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'access_token'::regclass"
        )
        row = await found.fetchone()
        most = max(most, 0 if row is None else int(row[0]))
        left -= bool(most)
        await asyncio.sleep(0.05)
    return most


@pytest.mark.parametrize("path", ["/files/x", "/attachments/x"])
async def test_tokens_that_nobody_knows_are_verified_one_at_a_time_for_a_network(
    start: Start, settings: Settings, database: Database, path: str
) -> None:
    _, owner = await an_owner(database, settings)
    unknown = [f"{owner.token[:-4]}{number:04d}" for number in range(40)]

    async with start() as api, tokens_locked(settings) as connection:
        asked = [asyncio.create_task(api.http.get(api.url + path, headers=bearing(one))) for one in unknown]
        held = await most_waiting(connection)
        await connection.rollback()
        answers = await asyncio.gather(*asked)

    assert held == 1
    assert {one.status_code for one in answers} == {401}


async def test_a_token_that_is_known_takes_a_turn_of_its_organization_for_files_too(
    start: Start, settings: Settings, database: Database
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(admission={"tenant_share": 0.25}) as api:
        await api.ask(VIEWER, token=owner.token)
        async with tokens_locked(settings) as connection:
            asked = [
                asyncio.create_task(api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))) for _ in range(30)
            ]
            held = await most_waiting(connection)
            await connection.rollback()
            answers = await asyncio.gather(*asked)

    assert held == 2
    assert {one.status_code for one in answers} == {404}


async def test_a_token_first_seen_with_a_file_is_known_to_graphql(
    start: Start, settings: Settings, database: Database
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(admission={"tenant_share": 0.25}) as api:
        await api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))
        async with tokens_locked(settings) as connection:
            asked = [asyncio.create_task(api.ask(VIEWER, token=owner.token)) for _ in range(10)]
            held = await most_waiting(connection)
            await connection.rollback()
            answers = await asyncio.gather(*asked)

    assert held == 2
    assert all(one.data["viewer"] for one in answers)


async def test_who_waits_too_long_for_a_token_is_told_so_and_no_fault_is_logged(
    start: Start, settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(database={"statement_timeout_ms": 300}) as api, tokens_locked(settings):
        answer = await api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert "Traceback" not in capsys.readouterr().out
