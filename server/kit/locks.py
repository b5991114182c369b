"""Worker locks: one advisory lock per worker process says that it lives, longer than any clock could.

A paused process keeps its session and so its lock; a killed one loses it at once. A claim may be taken over only when the
lock of the worker it names is free (reliability.md finding 2).
"""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.clock import monotonic_s
from server.kit.ids import new_id

_PING_TTL_S = 0.05
BELL_KEY = 5_206_118_271_001
"""The advisory lock of the bell that leads."""


class WorkerLockLost(Exception):
    """The connection that holds the worker's lock is gone; nothing more may be sent under its name."""


def lock_key(worker_id: UUID) -> int:
    """Return the advisory lock's key of one worker: 63 bits of a digest, so it fits PostgreSQL's signed bigint."""
    return int.from_bytes(hashlib.blake2b(worker_id.bytes, digest_size=8, person=b"sb-worker").digest()) >> 1


async def is_abandoned(session: AsyncSession, worker_id: UUID) -> bool:
    """Say whether the worker is gone: its lock could be taken (and is given back when the transaction ends)."""
    taken = await session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock_key(worker_id)})
    return bool(taken.scalar_one())


NAMED = "switchboard-worker-"
"""How the session of a worker's lock is named, followed by the worker's id."""
_LIVING = text("""
SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, :named)
""")


async def living(session: AsyncSession) -> frozenset[str]:
    """Return how the sessions of the workers' locks are named now. A hint that one of them ended; `is_abandoned` is the proof."""
    return frozenset((await session.scalars(_LIVING, {"named": NAMED})).all())


class WorkerLock:
    """Holds the lock of one worker id on a connection of its own, which must not go through a transaction pooler."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._guard = asyncio.Lock()
        self._alive_at = 0.0
        self.worker_id = new_id()

    async def acquire(self) -> UUID:
        """Take a fresh worker id and its lock; also after a lost connection, because the old id may be taken over."""
        await self.release()
        worker_id = new_id()
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=5, application_name=f"{NAMED}{worker_id}"
        )
        await connection.execute("SELECT pg_advisory_lock(%s)", (lock_key(worker_id),))
        self._connection, self.worker_id, self._alive_at = connection, worker_id, monotonic_s()
        return worker_id

    async def ensure(self, worker_id: UUID) -> None:
        """Check that the lock of this worker id is held; raise WorkerLockLost.

        A lock that was lost and taken anew has another id: claims under the old one may already be someone else's.
        Callers within 50 ms of each other share one check.
        """
        if worker_id != self.worker_id:
            raise WorkerLockLost
        if monotonic_s() - self._alive_at < _PING_TTL_S:
            return
        async with self._guard:
            connection = self._connection
            if connection is None or worker_id != self.worker_id:
                raise WorkerLockLost
            if monotonic_s() - self._alive_at < _PING_TTL_S:
                return
            started = monotonic_s()
            try:
                await asyncio.wait_for(connection.execute("SELECT 1"), timeout=5)
            except (psycopg.Error, TimeoutError) as error:
                if self._connection is connection:
                    self._connection = None
                # One that hangs would keep the lock, and so the claims, of a worker that no longer works.
                await connection.close()
                raise WorkerLockLost from error
            self._alive_at = started

    async def release(self) -> None:
        """Give the lock back by closing its connection."""
        connection, self._connection, self._alive_at = self._connection, None, 0.0
        if connection is not None:
            await connection.close()
