"""What a running process needs now, as named parts. Asked on connections of its own, so that a full pool is no outage."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import psycopg

from migrations import ground
from server.config import Settings
from server.kit.clock import monotonic_s
from server.kit.locks import BELL_KEY, NAMED
from server.startup import places

_TIMEOUT_S = 2.0
_FRESH_S = 2.0
_PLACES_FRESH_S = 15.0
_SLOTS = 16

NEEDED = ("database", "rights", "revision", "write")
"""Without these the API answers nothing; the other parts are told only."""

_APPLIED = "SELECT version_num FROM alembic_version"

# Nobody's rows are asked for, by a wall with all that it calls; then the catalogue, for each table behind a wall.
_WALL = "SELECT count(*) FROM organization"
_RIGHTS = """
SELECT EXISTS (SELECT FROM pg_policy WHERE polname = 'tenant')
  AND NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'tenant' AND NOT has_any_column_privilege(polrelid, 'SELECT'))
"""

_WRITE = """
INSERT INTO write_probe (slot, written_at) VALUES (%s, clock_timestamp())
ON CONFLICT (slot) DO UPDATE SET written_at = excluded.written_at
"""

# A small write finds room on a full disk for long, in pages and log that are there already. A sort that does not fit into
# its memory needs new room in the database's own tablespace, and leaves nothing behind.
_ROOM = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 30000) n ORDER BY -n OFFSET 1) spilled"

_LEADS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = %(high)s::bigint::oid AND objid = %(low)s::bigint::oid)
"""

_WORKERS = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, %s))
"""

_Connection = psycopg.AsyncConnection[tuple[object, ...]]


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    """It does not answer, or takes nothing."""
    BEHIND = "behind"
    """Migrations are missing."""
    NEWER = "newer"
    """The database has migrations that this code does not know, as during a deployment."""
    MISSING = "missing"
    """No process of this kind is connected."""
    UNSET = "unset"
    """Nothing is configured."""


Parts = Mapping[str, State]


def is_ready(parts: Parts) -> bool:
    """Say whether the API can do its work."""
    return all(parts[name] in {State.OK, State.NEWER} for name in NEEDED)


@dataclass(slots=True)
class _Kept:
    parts: Parts
    until: float


class Readiness:
    """Asks at most every 2 s (broker and mail host every 15 s), however often it is asked; callers share one look."""

    def __init__(self, config: Settings, app_dsn: str, system_dsn: str) -> None:
        self._config = config
        self._app_dsn = app_dsn
        self._system_dsn = system_dsn
        self._guard = asyncio.Lock()
        self._kept: dict[str, _Kept] = {}

    async def parts(self) -> Parts:
        """Return every part and its state, within about 2 s."""
        async with self._guard:
            of_database, of_places = await asyncio.gather(
                self._fresh("database", _FRESH_S, self._of_database),
                self._fresh("places", _PLACES_FRESH_S, self._of_places),
            )
        return {**of_database, **of_places}

    async def _fresh(self, name: str, ttl_s: float, look: Callable[[], Awaitable[Parts]]) -> Parts:
        kept = self._kept.get(name)
        if kept is None or kept.until < monotonic_s():
            kept = self._kept[name] = _Kept(await look(), monotonic_s() + ttl_s)
        return kept.parts

    async def _of_database(self) -> Parts:
        parts = dict.fromkeys((*NEEDED, "bell", "workers"), State.UNAVAILABLE)
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                await _open(self._app_dsn) as app,
                await _open(self._system_dsn) as system,
            ):
                await app.execute("SELECT 1")
                parts["database"] = State.OK
                parts["rights"] = await _rights(app)
                parts |= {"revision": await _revision(system), "bell": await _bell(system)}
                parts["workers"] = await _workers(system)
                parts["write"] = await _write(system)
        except (psycopg.Error, OSError, TimeoutError):
            return parts
        return parts

    async def _of_places(self) -> Parts:
        wanted = {"broker": places.broker_place(self._config), "mail": places.mail_place(self._config)}
        found = await asyncio.gather(*(_place(place) for place in wanted.values()))
        parts = dict(zip(wanted, found, strict=True))
        if self._config.broker.url is None:
            parts["broker"] = State.OK  # the ledger's own server, which is told above
        return parts


async def _place(place: tuple[str, int] | None) -> State:
    if place is None:
        return State.UNSET
    return State.OK if await places.answers(place) else State.UNAVAILABLE


async def _open(dsn: str) -> _Connection:
    return await psycopg.AsyncConnection.connect(
        dsn,
        autocommit=True,
        connect_timeout=2,
        application_name="switchboard-health",
        options="-c statement_timeout=1500 -c lock_timeout=1000 -c work_mem=64kB -c temp_tablespaces=''",
    )


async def _rights(app: _Connection) -> State:
    try:
        await app.execute(_WALL)
        row = await (await app.execute(_RIGHTS)).fetchone()
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction):
        return State.UNAVAILABLE
    return State.OK if row is not None and row[0] else State.UNAVAILABLE


async def _revision(system: _Connection) -> State:
    try:
        rows = await (await system.execute(_APPLIED)).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return State.BEHIND
    applied = {str(row[0]) for row in rows}
    if applied == ground.newest_revisions():
        return State.OK
    return State.BEHIND if applied <= ground.known_revisions() else State.NEWER


async def _write(system: _Connection) -> State:
    try:
        await system.execute(_WRITE, (os.getpid() % _SLOTS,))
        await system.execute(_ROOM)
    except psycopg.Error:
        return State.UNAVAILABLE
    return State.OK


async def _bell(system: _Connection) -> State:
    return await _exists(system, _LEADS, {"high": BELL_KEY >> 32, "low": BELL_KEY & 0xFFFFFFFF})


async def _workers(system: _Connection) -> State:
    return await _exists(system, _WORKERS, (NAMED,))


async def _exists(system: _Connection, query: str, values: Mapping[str, object] | tuple[object, ...]) -> State:
    row = await (await system.execute(query.encode(), values)).fetchone()
    return State.OK if row is not None and row[0] else State.MISSING
