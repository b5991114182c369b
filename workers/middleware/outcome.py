"""What happens to a job whose run ended with an exception. The only place in the workers that catches everything."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta

from server.kit import jobs, log
from server.kit.errors import Unavailable
from server.kit.locks import WorkerLockLost
from workers.run import RetryLater, Run

_logger = log.get(__name__)
_OUTAGE_PAUSE_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


async def recorded(run: Run, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body`; give the job back, count the failure, or bury the job. Never raises for an ordinary failure."""
    name = run.claimed.kind
    try:
        if run.claimed.attempts > run.claimed.max_attempts:
            # Workers died on it again and again: kill -9 raises nothing, so the claim counts the tries.
            await _settle(run, lambda: _fail(run, "the worker ended during every attempt"))
            return
        await body()
    except RetryLater as later:
        delay = later.delay
        await _settle(run, lambda: _release(run, delay))
    except (Unavailable, WorkerLockLost):
        _logger.warning("job interrupted by an outage", kind=name, job_id=str(run.claimed.id))
        await _settle(run, lambda: _release(run, timedelta(seconds=1)))
    except jobs.ClaimLost:
        _logger.warning("job was taken over", kind=name, job_id=str(run.claimed.id))
    except Exception as error:
        _logger.exception("job failed", kind=name, job_id=str(run.claimed.id), attempt=run.claimed.attempts)
        summary = "".join(traceback.format_exception_only(error)).strip()
        await _settle(run, lambda: _fail(run, str(log.strike(summary))[:500]))


async def _release(run: Run, delay: timedelta) -> None:
    async with run.begin() as uow:
        await jobs.release(uow.session, run.claimed, run.worker_id, delay)


async def _fail(run: Run, error: str) -> None:
    async with run.begin() as uow:
        await jobs.fail(uow.session, run.claimed, run.worker_id, error)


async def _settle(run: Run, write: Callable[[], Awaitable[None]]) -> None:
    """Write what became of the job; while the database is away, wait. The sweep takes over when this worker ends."""
    for pause_s in _OUTAGE_PAUSE_S:
        try:
            await write()
        except Unavailable:
            await asyncio.sleep(pause_s)
        else:
            return
    _logger.error("job could not be given back", kind=run.claimed.kind, job_id=str(run.claimed.id))
