"""Few connections, many tenants: no context outlives its transaction, without and with a pooler (reliability.md G26)."""

from __future__ import annotations

import copy
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psycopg
import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.app import create_app
from server.config import DatabaseSettings, Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.live import Hint, Listener
from server.kit.locks import WorkerLock
from server.tenants.uow import begin, begin_read, system_scope
from switchboard.postgres import APP, SYSTEM, Server
from tests.api import serving
from tests.tenancy.pooler import SERVER_CONNECTIONS, Pooled, pooling
from tests.tenancy.storm import (
    EMPTY,
    Crowd,
    EndsWithItsClient,
    Fate,
    Heard,
    Plan,
    Resident,
    Witness,
    a_crowd,
    left_on_all,
    rage,
)

ORGANIZATIONS = 20
SHARES = {
    Fate.SEEN: 700,
    Fate.CHANGED: 200,
    Fate.FOREIGN: 300,
    Fate.REFUSED: 200,
    Fate.TIMED_OUT: 30,
    Fate.HUNG_UP: 570,
}
TIMEOUT_MS = 300
CLIENT_CONNECTIONS = 12
"""How many connections the API keeps to a pooler that has four to the server: neighbours swap them all the time."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Settings of a database of its own, reached directly or through a pooler."""

    settings: Settings
    server: Server
    name: str

    def opened(self) -> Database:
        """Open its engines."""
        return Database(self.settings.database, KeyRing.parse(self.settings.security.keys.get_secret_value()))


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm left behind."""

    crowd: Crowd
    heard: list[Heard]
    calm: list[Heard]
    witness: Witness
    cancelled: int
    left: list[tuple[int, tuple[object, ...], int]]


@pytest.fixture(scope="module", params=["directly", "through PgBouncer"])
async def wiring(request: pytest.FixtureRequest, postgres: Server, settings: Settings) -> AsyncIterator[Wiring]:
    """The same database behind nothing and behind a pooler of transactions."""
    name = f"pool_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    async with AsyncExitStack() as stack:
        pooled = await stack.enter_async_context(pooling(postgres)) if request.param != "directly" else None
        made = copy.copy(settings)
        made.database = addresses(postgres, name, pooled)
        # Everybody at once is the point here: nobody is sent away, and every connection serves everybody.
        crowded = {
            "reserved_connections": 0,
            "tenant_share": 1.0,
            "line": 5_000,
            "most_waiting": 50_000,
            "patience_s": 300.0,
        }
        made.admission = settings.admission.model_copy(update=crowded)
        yield Wiring(made, postgres, name)
        gc.collect()  # psycopg closes what was cancelled while it connected only when its remains are collected
    postgres.drop_database(name)


def addresses(server: Server, name: str, pooled: Pooled | None) -> DatabaseSettings:
    """Return four connections to the server, or four behind a pooler that more clients share."""
    given: dict[str, object] = {
        "DATABASE_URL": server.app_url(name),
        "SYSTEM_DATABASE_URL": server.system_url(name),
        "DATABASE_POOL_SIZE": SERVER_CONNECTIONS,
        "DATABASE_POOL_TIMEOUT_S": 30,
        "DATABASE_STATEMENT_TIMEOUT_MS": TIMEOUT_MS,
    }
    if pooled is not None:
        given |= {
            "DATABASE_POOLER": "transaction",
            "DATABASE_POOL_SIZE": CLIENT_CONNECTIONS,
            "DATABASE_URL": pooled.url(name, APP),
            "SYSTEM_DATABASE_URL": pooled.url(name, SYSTEM),
            "DATABASE_DIRECT_URL": server.app_url(name),
            "SYSTEM_DATABASE_DIRECT_URL": server.system_url(name),
        }
    return DatabaseSettings.model_validate(given)


@pytest.fixture(scope="module")
async def database(wiring: Wiring) -> AsyncIterator[Database]:
    """Engines on the wiring, of this test process."""
    opened = wiring.opened()
    yield opened
    await opened.aclose()


@pytest.fixture(scope="module")
async def crowd(wiring: Wiring, database: Database) -> Crowd:
    """Twenty organizations."""
    return await a_crowd(database, wiring.settings, ORGANIZATIONS)


@asynccontextmanager
async def held(wiring: Wiring, crowd: Crowd) -> AsyncIterator[None]:
    """Hold one contact of each organization, as a migration or a person at a console would."""
    ids = [one.held_contact_id for one in crowd.residents]
    async with await psycopg.AsyncConnection.connect(wiring.server.dsn(wiring.name)) as connection:
        found = await connection.execute("SELECT id FROM contact WHERE id = ANY(%s) FOR UPDATE", (ids,))
        assert len(await found.fetchall()) == ORGANIZATIONS
        yield
        await connection.rollback()


@pytest.fixture(scope="module")
async def storm(wiring: Wiring, crowd: Crowd) -> Storm:
    """Two thousand requests, and some in calm weather after them, of which each connection got its part."""
    chance = random.Random(26)
    plan = Plan(crowd, chance)
    witness = Witness()
    app = EndsWithItsClient(create_app(wiring.settings))
    async with serving(app) as url:
        with witness.watching():
            async with held(wiring, crowd):
                heard = await rage(url, plan.storm(SHARES), chance)
            calm = await rage(url, plan.storm({Fate.SEEN: 5 * ORGANIZATIONS}), chance)
        [engine] = witness.engines
        left = await left_on_all(AsyncEngine(engine), SERVER_CONNECTIONS)
    return Storm(crowd, heard, calm, witness, app.cancelled, [(one.pid, one.context, one.visible_rows) for one in left])


def _foreign_sightings(storm: Storm, heard: list[Heard]) -> list[tuple[Fate, str]]:
    return [(one.ask.fate, one.text) for one in heard if storm.crowd.owners_in(one.text) - {one.ask.asker.mark}]


def _of(storm: Storm, *fates: Fate) -> list[Heard]:
    return [one for one in storm.heard if one.ask.fate in fates]


async def test_no_answer_of_two_thousand_shows_anything_of_another_organization(storm: Storm) -> None:
    answered = Counter(one.ask.fate for one in storm.heard)

    assert answered == {fate: count for fate, count in SHARES.items() if fate is not Fate.HUNG_UP}
    assert _foreign_sightings(storm, [*storm.heard, *storm.calm]) == []


async def test_every_successful_answer_shows_the_own_organization(storm: Storm) -> None:
    successes = [*_of(storm, Fate.SEEN, Fate.CHANGED), *storm.calm]

    assert [one.body for one in successes if "errors" in one.body or '"userErrors":[{' in one.text] == []
    assert [one.text for one in successes if one.ask.asker.mark not in one.text] == []
    assert {one.ask.asker.mark for one in successes} == {one.mark for one in storm.crowd.residents}


async def test_what_is_foreign_or_wrong_is_refused_and_what_is_held_times_out(storm: Storm) -> None:
    for one in _of(storm, Fate.FOREIGN):
        assert one.body.get("data") in (
            {"node": None},
            {"contacts": {"nodes": []}},
            *({field: _not_found(one, field)} for field in ("contactRename", "labelCreate")),
        ), one.body
    for one in _of(storm, Fate.REFUSED):
        assert one.status in (400, 401) or '"userErrors":[{' in one.text, one.body
    for one in _of(storm, Fate.TIMED_OUT):
        assert one.body["data"] == {"contactRename": None}, one.body
        assert one.body["errors"][0]["extensions"]["code"] == "TIMEOUT"


def _not_found(one: Heard, field: str) -> dict[str, object]:
    payload = (one.body.get("data") or {}).get(field) or {"userErrors": []}
    [thing] = {"contactRename": ["contact"], "labelCreate": ["label"]}[field]
    assert all(error["code"] == "NOT_FOUND" for error in payload["userErrors"])
    return {thing: None, "userErrors": payload["userErrors"]}


async def test_clients_that_hang_up_end_what_runs_for_them_in_the_middle(storm: Storm) -> None:
    assert storm.cancelled >= SHARES[Fate.HUNG_UP] // 2


async def test_connections_serve_many_organizations_and_none_finds_the_context_of_another(storm: Storm) -> None:
    served = storm.witness.organizations()

    assert sum(storm.witness.found.values()) > 2 * (SHARES[Fate.SEEN] + SHARES[Fate.CHANGED])
    assert storm.witness.inherited() == {EMPTY}
    assert max(len(one) for one in served.values()) == ORGANIZATIONS


async def test_after_the_storm_every_connection_is_empty_and_shows_no_row(storm: Storm) -> None:
    served = storm.witness.organizations()

    assert len({pid for pid, _, _ in storm.left}) == SERVER_CONNECTIONS
    assert [(context, rows) for _, context, rows in storm.left] == [(EMPTY, 0)] * SERVER_CONNECTIONS
    assert min(len(served[pid]) for pid, _, _ in storm.left) > 1


async def test_a_context_that_outlived_its_transaction_would_be_seen(
    wiring: Wiring, crowd: Crowd, database: Database
) -> None:
    resident: Resident = crowd.residents[0]
    async with database.app_engine.connect() as connection:
        statement = "SELECT set_config('app.organization', :one, false), set_config('app.all_units', 'on', false)"
        await connection.execute(text(statement), {"one": str(resident.organization.id)})
        await connection.commit()

    left = await left_on_all(
        database.app_engine, SERVER_CONNECTIONS, lambda connection: connection.execute(text("RESET ALL"))
    )

    assert {one.context for one in left} == {EMPTY, (str(resident.organization.id), "on", "", "", "off")}
    assert {one.visible_rows > 0 for one in left} == {True, False}


async def test_every_transaction_has_its_timeouts(wiring: Wiring, crowd: Crowd, database: Database) -> None:
    shown = text(
        "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
        " current_setting('idle_in_transaction_session_timeout')"
    )
    async with begin_read(database, crowd.residents[0].organization.scope) as uow:
        scoped = (await uow.session.execute(shown)).one()
    async with system_scope(database) as session:
        system = (await session.execute(shown)).one()

    assert tuple(scoped) == tuple(system) == (f"{TIMEOUT_MS}ms", "10s", "30s")


async def test_hints_and_locks_of_workers_go_past_the_pooler(wiring: Wiring, crowd: Crowd, database: Database) -> None:
    scope = crowd.residents[0].organization.scope
    listener = Listener(wiring.settings.database.app_dsn)
    lock = WorkerLock(database.system_dsn)
    worker_id = await lock.acquire()

    async with listener.watching(Hint("inbox", scope.organization_id)) as heard:
        listener.start()
        await heard.wait()  # set once when the listener connected
        heard.clear()
        async with begin(database, scope) as uow:
            uow.announce("inbox")
        await heard.wait()
    await lock.ensure(worker_id)
    async with await psycopg.AsyncConnection.connect(wiring.server.dsn(wiring.name)) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND application_name = %s",
            (f"switchboard-worker-{worker_id}",),
        )
        assert await found.fetchone() == (1,)
    await lock.release()
    await listener.aclose()


def test_a_pooler_without_addresses_past_it_is_refused_at_the_start(postgres: Server) -> None:
    given = {
        "DATABASE_URL": postgres.app_url("x"),
        "SYSTEM_DATABASE_URL": postgres.system_url("x"),
        "DATABASE_POOLER": "transaction",
    }

    for missing in ("DATABASE_DIRECT_URL", "SYSTEM_DATABASE_DIRECT_URL"):
        with pytest.raises(ValidationError, match=missing) as refused:
            DatabaseSettings.model_validate(given | {missing: None})
        assert "input_value" not in str(refused.value), "what was given holds passwords"
