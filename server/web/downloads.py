"""Downloads: what is kept goes out in pieces, and nothing of the database is held while a client reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as ConnectionScope

from server.kit import log
from server.kit.errors import TookTooLong, Unavailable
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork, begin_read
from server.web.dependencies import WebDependencies

_ATTEMPTS = 3
_PAUSE_S = 1.0
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Something of `size` bytes that `scope` may read, as its route has checked. `read` gives the piece with a number, from
    0; no bytes if it is gone."""

    scope: Scope
    size: int
    read: Callable[[UnitOfWork, int], Awaitable[bytes]]


class Place:
    """The place of a download among those that its organization has open, from before anything is read to its end."""

    def __init__(self, deps: WebDependencies, organization_id: UUID) -> None:
        self.deps = deps
        self._organization_id = organization_id
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Place:
        """Wait for the place. Raises Busy."""
        await self._held.enter_async_context(self.deps.admission.download(self._organization_id))
        return self

    async def __aexit__(self, *_raised: object) -> None:
        """Leave the place, unless an answer has taken it over."""
        await self._held.aclose()

    def taken_over(self) -> AsyncExitStack:
        """Hand the place on to who leaves it later."""
        return self._held.pop_all()


class Download(StreamingResponse):
    """An answer with what is kept, in a place that it leaves when it ends. If what is kept vanishes midway the body ends
    short, and the connection with it."""

    def __init__(self, place: Place, kept: Kept, headers: Mapping[str, str], media_type: str) -> None:
        self._deps = place.deps
        self._place = place.taken_over()
        self._kept = kept
        super().__init__(self._pieces(), 200, {**headers, "content-length": str(kept.size)}, media_type)

    async def __call__(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        """Answer, and leave the place."""
        async with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send it all, or break off: without the last message the server ends the connection."""
        left = self._kept.size
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self.body_iterator:
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except (Unavailable, TookTooLong) as error:
            _logger.warning("download ended short", bytes_left=left, reason=str(error))
            return
        if left:
            _logger.warning("download ended short", bytes_left=left, reason="it is not kept any more")
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncIterator[bytes]:
        number, left = 0, self._kept.size
        while left and (piece := await self._piece(number)):
            yield piece
            number, left = number + 1, left - len(piece)

    async def _piece(self, number: int) -> bytes:
        """Read a piece in a transaction of its own. What is busy for a moment must not break off what is half out."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._read(number)
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
        return await self._read(number)

    async def _read(self, number: int) -> bytes:
        deps, scope = self._deps, self._kept.scope
        async with deps.admission.piece(scope.organization_id), begin_read(deps.database, scope) as uow:
            return await self._kept.read(uow, number)
