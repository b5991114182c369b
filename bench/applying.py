"""Stored events applied to the inbox by a worker, against one CTE statement per event in the same run (performance.md 3).

Both store a message of a known person, move the conversation on and mark the event, each event or mailbox in transactions of
its own. What only ours does: consent's window, changes that wait, live hints, job rows, dead letters, the order of a mailbox.
"""

from __future__ import annotations

import asyncio
import itertools
from time import perf_counter

import orjson
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from bench import data, ingest
from bench.floors import POOL
from bench.harness import BenchFailed, Place, Stage, in_turn, opened, read_settings
from bench.results import Ratio, Result
from server.channels import service as channels
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.locks import WorkerLock
from server.platforms import registry
from workers.actors.registry import ACTORS
from workers.bind import answer
from workers.run import Runtime

ROUNDS = 3
EVENTS = 400
PEOPLE = 400
AT_ONCE = 32
"""Jobs that one worker process carries out at the same time: 4 threads with 8 jobs a ring (workers/queues.py)."""
_WORKER, _CTE = "worker", "one CTE per event"
_CONTEXT = "SELECT set_config('app.organization', %s, true), set_config('app.all_units', 'on', true)"
_ONE = """
WITH who AS (
  SELECT i.contact_id, p.unit_id FROM contact_identity i
  JOIN page p ON p.organization_id = i.organization_id AND p.id = i.page_id
  WHERE i.organization_id = %(o)s AND i.page_id = %(page)s AND i.external_id = %(person)s
), place AS (
  INSERT INTO conversation AS c (organization_id, id, unit_id, page_id, contact_id, last_message_id, last_message_at,
    last_inbound_at, unread_count, next_seq)
  SELECT %(o)s, %(conversation)s, unit_id, %(page)s, contact_id, %(message)s, %(at)s, %(at)s, 1, 2 FROM who
  ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE SET next_seq = c.next_seq + 1, revision = c.revision + 1,
    unread_count = c.unread_count + 1, last_message_id = excluded.last_message_id,
    last_message_at = excluded.last_message_at, change_xid = excluded.change_xid
  RETURNING c.id, c.next_seq - 1 AS seq, c.unit_id
), said AS (
  INSERT INTO message (organization_id, id, unit_id, page_id, conversation_id, seq, direction, state, text,
    platform_message_id, occurred_at)
  SELECT %(o)s, %(message)s, unit_id, %(page)s, id, seq, 'INBOUND', 'RECEIVED', %(text)s, %(mid)s, %(at)s FROM place
  RETURNING id
)
UPDATE platform_event SET state = 'HANDLED', handled_at = clock_timestamp() FROM said
WHERE platform_event.organization_id = %(o)s AND platform_event.id = %(event)s
"""


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when an event was not applied."""
    place = stage.database("bench_apply")
    with place.superuser() as connection:
        data.fill_spine(connection)
    settings = read_settings(place.environment())
    numbers = itertools.count()
    async with opened(settings) as database:
        lock = WorkerLock(database.system_dsn)
        await lock.acquire()
        runtime = Runtime(database, registry.build(settings), settings, lock)
        pool = AsyncConnectionPool(place.app_dsn, min_size=POOL, max_size=POOL, open=False)
        async with pool:
            await _by_worker(place, runtime, numbers)  # everybody is known from here on
            figures = await in_turn(
                {
                    _WORKER: lambda: _by_worker(place, runtime, numbers),
                    _CTE: lambda: _by_cte(place, runtime, pool, numbers),
                },
                ROUNDS,
                60,
            )
        await runtime.registry.aclose()
        await lock.release()
    result = Result("apply: stored events applied to the inbox per second (1 worker)", ("contestant", "events/s"))
    result.rows = [(name, f"{figure:.0f}") for name, figure in figures.items()]
    result.ratios.append(Ratio("apply.worker_vs_cte", figures[_WORKER] / figures[_CTE], least=0.6))
    return result


async def _stored(place: Place, runtime: Runtime, numbers: itertools.count[int]) -> None:
    with place.superuser() as connection:
        connection.execute("TRUNCATE platform_event, job")
    connector = runtime.registry.of(runtime.registry.channels()[0])
    entries = [ingest.entry(next(numbers), PEOPLE) for _ in range(EVENTS)]
    await channels.record_events(runtime.database, connector, orjson.dumps({"object": "page", "entry": entries}))


async def _by_worker(place: Place, runtime: Runtime, numbers: itertools.count[int]) -> float:
    await _stored(place, runtime, numbers)
    due = await _due(runtime.database)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(organization_id: object, job_id: object) -> None:
        async with turns:
            await answer(runtime, organization_id, job_id, ACTORS)

    started = perf_counter()
    await asyncio.gather(*(one(*each) for each in due))
    seconds = perf_counter() - started
    return _checked(place) / seconds


async def _due(database: Database) -> list[tuple[object, object]]:
    async with database.unscoped_system() as session:
        rows = await session.execute(text("SELECT organization_id, id FROM job WHERE kind = 'channels.drain_page'"))
        return [(row[0], row[1]) for row in rows]


async def _by_cte(place: Place, runtime: Runtime, pool: AsyncConnectionPool, numbers: itertools.count[int]) -> float:
    await _stored(place, runtime, numbers)
    with place.superuser() as connection:
        rows = connection.execute(
            "SELECT organization_id, id, page_id, mailbox, external_id, occurred_at, payload FROM platform_event"
        ).fetchall()

    async def one(row: tuple[object, ...]) -> None:
        told = dict(zip(("o", "event", "page", "person", "mid", "at"), row[:6], strict=True))
        told |= {"message": new_id(), "conversation": new_id(), "text": row[6]["message"]["text"]}
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(_CONTEXT, (str(row[0]),))
            await connection.execute(_ONE, told)

    started = perf_counter()
    await asyncio.gather(*(one(row) for row in rows))
    seconds = perf_counter() - started
    return _checked(place) / seconds


def _checked(place: Place) -> int:
    with place.superuser() as connection:
        counts = connection.execute(
            "SELECT count(*) FILTER (WHERE e.state = 'HANDLED' AND m.id IS NOT NULL) FROM platform_event e"
            " LEFT JOIN message m ON m.organization_id = e.organization_id AND m.page_id = e.page_id"
            "  AND m.platform_message_id = e.external_id"
        ).fetchone()
    if counts is None or counts[0] != EVENTS:
        raise BenchFailed(f"of {EVENTS} events {counts} were applied")
    return EVENTS
