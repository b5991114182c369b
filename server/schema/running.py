"""One operation on its way: it ends with its result, or as a whole with the first reason to end it.

Cancelling is how it ends: the event loop stops the resolvers, and the driver tells PostgreSQL to stop the statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from server.schema.context import ApiContext
from server.schema.errors import DeadlinePassed
from server.schema.metering import Bounds, Meter, metered

T = TypeVar("T")


class Run:
    """Runs one operation within its bounds; `context.end` ends it from inside."""

    def __init__(self, context: ApiContext, bounds: Bounds) -> None:
        self._bounds = bounds
        self._reason: BaseException | None = None
        self._task: asyncio.Task[object] | None = None
        context.end = self._end
        context.meter = self._meter = Meter(bounds, self._end)

    async def to_the_end(self, work: Coroutine[object, object, T]) -> T:
        """Return what the work returns. Raises the reason for which it was ended; its statements are cancelled then."""
        with metered(self._meter):
            task = self._task = asyncio.create_task(work)
        seconds = self._bounds.seconds
        alarm = asyncio.get_running_loop().call_later(seconds, self._end, DeadlinePassed(seconds))
        try:
            result = await task
        except asyncio.CancelledError:
            if self._reason is None:
                raise  # the request itself was cancelled
            raise self._reason from None
        finally:
            alarm.cancel()
        if self._reason is not None:
            raise self._reason
        return result

    def _end(self, reason: BaseException) -> None:
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()
