"""Sets a worker process up before its first message and down after its last, on the event loop that its actors share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import dramatiq
import psycopg
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware

from server.config import Settings
from server.kit import log
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.locks import WorkerLock, WorkerLockLost
from server.platforms import registry
from workers.run import Runtime

_logger = log.get(__name__)
_RETRY_S = 1.0
_POOL_TIMEOUT_S = 60.0


class NotSetUp(RuntimeError):
    """An actor ran outside of a worker that was set up."""


class SetUp(Middleware):
    """Opens the database, the connectors and the worker's lock; takes a new lock when the old one is lost.

    Must come after Dramatiq's AsyncIO middleware, which starts the event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runtime: Runtime | None = None
        self._keeper: asyncio.Task[None] | None = None

    def runtime(self) -> Runtime:
        """Return what the process shares."""
        if self._runtime is None:
            raise NotSetUp
        return self._runtime

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Open everything; waits for a database that is not there yet."""
        _on_loop(self._open)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Close everything once the last actor has ended; Dramatiq stops the event loop after this hook."""
        _on_loop(self.aclose)

    async def _open(self) -> None:
        settings = self._settings
        # Nobody waits at the other end: a ring that finds every connection in use waits for one instead of giving up.
        patient = settings.database.model_copy(update={"pool_timeout_s": _POOL_TIMEOUT_S})
        database = Database(patient, KeyRing.parse(settings.security.keys.get_secret_value()))
        lock = WorkerLock(database.system_dsn)
        await _take(lock)
        self._runtime = Runtime(database, registry.build(settings), settings, lock)
        self._keeper = asyncio.create_task(_keep(lock), name="worker-lock")

    async def aclose(self) -> None:
        """Close everything; the lock last, so that nobody takes over what still runs."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        runtime = self.runtime()
        await runtime.registry.aclose()
        await runtime.database.aclose()
        await runtime.lock.release()


async def _take(lock: WorkerLock) -> None:
    while True:
        try:
            await lock.acquire()
        except psycopg.Error as error:
            _logger.warning("no worker lock: the database is away", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)
        else:
            return


async def _keep(lock: WorkerLock) -> None:
    while True:
        await asyncio.sleep(_RETRY_S)
        with contextlib.suppress(psycopg.Error):
            try:
                await lock.ensure(lock.worker_id)
            except WorkerLockLost:
                _logger.warning("worker lock lost; taking a new identity")
                await _take(lock)


def _on_loop(work: Callable[[], object]) -> None:
    thread = get_event_loop_thread()
    if thread is None:
        raise NotSetUp
    thread.run_coroutine(work())  # type: ignore[arg-type]
