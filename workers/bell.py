"""The bell: rings the broker for due job rows, and puts back what dead workers held.

It listens for commits and sweeps every few seconds; losing every ring costs only latency. Several bells may run; one at a
time leads, by an advisory lock that ends with its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

import dramatiq
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.config import Settings
from server.kit import log
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.kit.jobs import BELL_CHANNEL, Queue
from server.kit.locks import BELL_KEY, is_abandoned, living
from server.tenants.uow import system_scope
from workers.bind import actor_name
from workers.broker import troubles
from workers.queues import BELL_BATCH

_logger = log.get(__name__)
_AT_ONCE = 400
_RECONNECT_S = 1.0
_SHORTEST_S = 0.02

# Turns: the first due job of every organization comes before the second of any, so that no tenant's ten thousand jobs
# stand before another's one (reliability.md 2.2).
_RING = text("""
WITH ranked AS (
  SELECT organization_id, id, due_at,
    row_number() OVER (PARTITION BY queue, organization_id ORDER BY due_at, id) AS turn
  FROM job
  WHERE state = 'QUEUED' AND due_at <= clock_timestamp()
    AND (rung_at IS NULL OR rung_at < clock_timestamp() - make_interval(secs => :rering))
), due AS (
  SELECT job.organization_id, job.id, ranked.turn, ranked.due_at FROM job JOIN ranked USING (organization_id, id)
  WHERE job.state = 'QUEUED' ORDER BY ranked.turn, ranked.due_at LIMIT :size FOR UPDATE OF job SKIP LOCKED
)
UPDATE job SET rung_at = clock_timestamp() FROM due
WHERE job.organization_id = due.organization_id AND job.id = due.id
RETURNING job.queue, job.organization_id, job.id, due.turn, due.due_at
""")

_NEXT = text("""
SELECT extract(epoch FROM min(next.due_at) - clock_timestamp()) FROM unnest(cast(:queues AS text[])) AS known (queue)
CROSS JOIN LATERAL (
  SELECT due_at FROM job WHERE job.queue = known.queue AND state = 'QUEUED' AND due_at > statement_timestamp()
  ORDER BY due_at LIMIT 1
) next
""")

_CLAIMANTS = text("SELECT DISTINCT claimed_by FROM job WHERE state = 'CLAIMED'")

_PUT_BACK = text("""
UPDATE job SET state = 'QUEUED', claimed_by = NULL, claimed_at = NULL, rung_at = NULL, due_at = clock_timestamp()
WHERE state = 'CLAIMED' AND claimed_by = :worker
""")

# A worker takes more rings from the broker than it has begun, and dies with them. Brokers hand rings out in their order, so
# what it held is among those that have waited the longest; a ring too many finds nothing to claim.
_RING_AGAIN = text("""
WITH waiting AS (
  SELECT organization_id, id, row_number() OVER (PARTITION BY queue ORDER BY rung_at) AS place
  FROM job WHERE state = 'QUEUED' AND rung_at IS NOT NULL AND due_at <= clock_timestamp()
), oldest AS (
  SELECT job.organization_id, job.id FROM job JOIN waiting USING (organization_id, id)
  WHERE waiting.place <= :size AND job.state = 'QUEUED' FOR UPDATE OF job SKIP LOCKED
)
UPDATE job SET rung_at = NULL FROM oldest WHERE job.organization_id = oldest.organization_id AND job.id = oldest.id
""")

# The safety net below the job rows: a page with due sends for which no job is owed gets one.
_FORGOTTEN = text("""
SELECT DISTINCT s.organization_id, s.page_id, s.purpose FROM send_intent s
WHERE s.state = 'QUEUED' AND s.not_before < clock_timestamp() - interval '30 seconds'
  AND NOT EXISTS (SELECT FROM job WHERE job.organization_id = s.organization_id AND job.kind = 'sends.drain_page'
    AND job.dedupe_key = s.page_id::text || ':' || s.purpose)
LIMIT 200
""")


async def due(session: AsyncSession, settings: Settings) -> list[tuple[Queue, UUID, UUID]]:
    """Mark up to 400 due jobs as rung, tenants in turn, and return (queue, organization, job)."""
    rows = await session.execute(_RING, {"rering": settings.sends.rering_s, "size": _AT_ONCE})
    in_turn = sorted(rows, key=lambda row: (row.turn, row.due_at))  # an UPDATE returns its rows in any order
    return [(Queue(row.queue), row.organization_id, row.id) for row in in_turn]


async def put_back(session: AsyncSession) -> int:
    """Queue the jobs that dead workers held again; return how many workers were gone."""
    gone = [row[0] for row in await session.execute(_CLAIMANTS) if await is_abandoned(session, row[0])]
    for worker in gone:
        await session.execute(_PUT_BACK, {"worker": worker})
    return len(gone)


async def ring_again(session: AsyncSession) -> None:
    """Let up to 400 jobs of each queue be rung for anew, those first whose rings nobody has answered for the longest time."""
    await session.execute(_RING_AGAIN, {"size": _AT_ONCE})


async def next_due_s(session: AsyncSession) -> float | None:
    """Return in how many seconds the next job falls due that is not due yet; None if there is none."""
    found = (await session.execute(_NEXT, {"queues": [queue.value for queue in Queue]})).scalar_one()
    return None if found is None else float(found)


async def forgotten(session: AsyncSession) -> Sequence[tuple[UUID, UUID, str]]:
    """Return (organization, page, purpose) of due sends that no job is owed for."""
    return [(row[0], row[1], row[2]) for row in await session.execute(_FORGOTTEN)]


def ring(broker: dramatiq.Broker, rung: Sequence[tuple[Queue, UUID, UUID]]) -> None:
    """Tell the broker, a few jobs a message."""
    for queue in Queue:
        wanted = [[str(organization), str(job)] for which, organization, job in rung if which is queue]
        for start in range(0, len(wanted), BELL_BATCH):
            part = wanted[start : start + BELL_BATCH]
            broker.enqueue(
                dramatiq.Message(
                    queue_name=queue.value, actor_name=actor_name(queue), args=(part,), kwargs={}, options={}
                )
            )


class Bell:
    """Listens, sweeps and rings until it is stopped."""

    def __init__(self, database: Database, broker: dramatiq.Broker, settings: Settings) -> None:
        self._database = database
        self._broker = broker
        self._settings = settings
        self._troubles = troubles(broker)
        self._stopping = asyncio.Event()
        self._living: frozenset[str] = frozenset()
        self._next_s = 0.0

    def stop(self) -> None:
        """End the loop after the current round."""
        self._stopping.set()

    async def run(self) -> None:
        """Lead when nobody else does; survive a database or a broker that goes away and comes back."""
        while not self._stopping.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database.system_dsn,
                    autocommit=True,
                    connect_timeout=5,
                    application_name="switchboard-bell",
                ) as connection:
                    await self._lead(connection)
            except (psycopg.Error, Unavailable) as error:
                _logger.warning("bell lost the database", error=str(error))
                await self._pause(_RECONNECT_S)

    async def _lead(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        while not self._stopping.is_set():
            taken = await connection.execute("SELECT pg_try_advisory_lock(%s)", (BELL_KEY,))
            row = await taken.fetchone()
            if row is not None and row[0]:
                break
            await self._pause(self._settings.sends.sweep_s)
        await connection.execute(f"LISTEN {BELL_CHANNEL}")
        swept_at = 0.0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            if loop.time() - swept_at >= self._settings.sends.sweep_s:
                await self._sweep()
                swept_at = loop.time()
            rung = await self.round()
            if rung < _AT_ONCE:
                with contextlib.suppress(StopAsyncIteration):
                    await anext(connection.notifies(timeout=self._next_s, stop_after=1))

    async def round(self) -> int:
        """Ring once for what is due; return how many jobs were rung for. A broker that is away is tried at the next sweep."""
        sweep_s = self._settings.sends.sweep_s
        async with system_scope(self._database) as session:
            next_s = await next_due_s(session)
            rung = await due(session, self._settings)
        self._next_s = sweep_s if next_s is None else min(max(next_s, _SHORTEST_S), sweep_s)
        if rung:
            try:
                await asyncio.to_thread(ring, self._broker, rung)
            except self._troubles as error:
                _logger.warning("the broker did not hear", error=type(error).__name__, jobs=len(rung))
                await self._pause(_RECONNECT_S)
        return len(rung)

    async def _sweep(self) -> None:
        async with system_scope(self._database) as session:
            gone = await put_back(session)
            before, self._living = self._living, await living(session)
            if before - self._living:
                await ring_again(session)
        if gone:
            _logger.warning("put back the jobs of workers that are gone", workers=gone)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)
