"""Binds the broker's queues to the actors: one Dramatiq actor per queue, which hears "these jobs are due"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import dramatiq

from server.kit import log
from server.kit.errors import Unavailable
from server.kit.jobs import Queue
from workers.middleware.outcome import recorded
from workers.run import Actor, Runtime, carry_out, claim

_logger = log.get(__name__)


def actor_name(queue: Queue) -> str:
    """Return the Dramatiq actor's name of a queue."""
    return f"ring_{queue.value}"


def bind(
    broker: dramatiq.Broker, queues: Sequence[Queue], runtime: Callable[[], Runtime], actors: dict[type, Actor]
) -> None:
    """Declare an actor for each queue. `runtime` is asked for at each ring, when the process is set up."""
    for queue in queues:
        _declare(broker, queue, runtime, actors)


def _declare(broker: dramatiq.Broker, queue: Queue, runtime: Callable[[], Runtime], actors: dict[type, Actor]) -> None:
    async def ring(due: list[list[str]]) -> None:
        # Each job settles its own failures. What still escapes one must not end its siblings in the middle of a call.
        ended = await asyncio.gather(*(_named(runtime(), one, actors) for one in due), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                _logger.error("bell not answered", exc_info=error)

    dramatiq.actor(actor_name=actor_name(queue), queue_name=queue.value, broker=broker)(ring)


async def _named(runtime: Runtime, ids: list[str], actors: dict[type, Actor]) -> None:
    organization_id, job_id = ids
    await answer(runtime, UUID(organization_id), UUID(job_id), actors)


async def answer(runtime: Runtime, organization_id: UUID, job_id: UUID, actors: dict[type, Actor]) -> None:
    """Carry out one job, if it is still owed."""
    try:
        run = await claim(runtime, organization_id, job_id)
    except Unavailable:
        _logger.warning("bell not answered: the database is away", job_id=str(job_id))
        return
    if run is not None:
        await recorded(run, lambda: carry_out(run, actors))
