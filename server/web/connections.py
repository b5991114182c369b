"""Connections that a stranger cannot keep for nothing: uvicorn's protocols with deadlines and bounds.

uvicorn waits for ever for the head of a request, keeps as much of it as comes, and writes for ever to who does not read.
The layers of `middleware` begin where a head is complete; what happens before and after them is bounded here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from server.config import LONGEST_TARGET, MOST_HEADERS, SocketSettings, WebSettings
from server.kit.ids import encode, new_id

MOST_WAITING: Final = 20
"""Requests that one connection may send before the first of them is answered."""
_MOST_IGNORED: Final = 1_000_000
"""Bytes that are read and forgotten behind a refusal: who still sends would see a broken connection, not the answer."""
_LEAST_TAKEN: Final = 16_384
"""Bytes of an answer that the other end must take within the write timeout."""
_FORGETFUL: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, socket(7): on, for no seconds."""


class GuardedConfig(uvicorn.Config):
    """How this product is served; `app` is an application, or with `is_factory` what builds one inside the loop."""

    def __init__(
        self,
        app: ASGIApp | Callable[[], ASGIApp],
        web: WebSettings,
        sockets: SocketSettings,
        *,
        is_factory: bool = False,
    ) -> None:
        self.sockets = sockets
        super().__init__(
            app,
            factory=is_factory,
            http=GuardedHttp,
            ws=GuardedWebSocket,
            ws_max_size=web.max_graphql_bytes,
            ws_ping_interval=sockets.ping_s,
            ws_ping_timeout=sockets.ping_s,
            timeout_keep_alive=sockets.idle_timeout_s,
            timeout_graceful_shutdown=sockets.grace_s,
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            # Whom to believe about addresses is a setting of ours; uvicorn would believe everybody on this machine.
            proxy_headers=False,
            headers=[("x-ready-nonce", sockets.ready_nonce)] if sockets.ready_nonce else [],
        )


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: HTTPStatus
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> bytes:
        told = {"code": self.code, "message": self.message, "requestId": encode("req", new_id())}
        body = orjson.dumps({"error": told})
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-request-id": told["requestId"],
            "connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body


_TARGET_TOO_LONG = _Refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", f"The address has more than {LONGEST_TARGET} bytes."
)
_TOO_MANY_HEADERS = _Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    f"The request has more than {MOST_HEADERS} headers.",
)
_TOO_MANY_WAITING = _Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_requests",
    f"More than {MOST_WAITING} requests of this connection wait for the first one.",
)
_NOT_HTTP = _Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "This is not an HTTP/1.1 request.")
_NO_HANDSHAKE = _Refusal(
    HTTPStatus.BAD_REQUEST,
    "bad_request",
    f"This opens no WebSocket. Send no body and no header above {LONGEST_TARGET} bytes.",
)
_HEAD_TOO_SLOW = _Refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The headers did not arrive in time.")
_FULL = _Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable",
    "This server has as many connections as it can keep. Nothing was changed; retry.",
    {"retry-after": "5"},
)


def _headers_too_large(limit: int) -> _Refusal:
    message = f"The headers have more than {limit} bytes."
    return _Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", message)


class _Stop(Exception):
    """Ends the parser in the middle of what it reads; the refusal stands in the protocol already."""


class _Drained(asyncio.Protocol):
    """A protocol that breaks the connection when the other end stops taking what is written."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _write_timeout_s: float
    _watch: asyncio.TimerHandle | None = None
    _unsent = 0
    _has_moved = False

    def pause_writing(self) -> None:
        """Begin to watch: more is written than the other end takes."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Note that the other end takes something."""
        self._has_moved = True
        super().resume_writing()

    def _watch_writing(self) -> None:
        """Look again after the timeout whether what is unsent now has become less."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._watch is None:
            self._unsent, self._has_moved = unsent, False
            self._watch = self.loop.call_later(self._write_timeout_s, self._look_again)

    def _look_again(self) -> None:
        self._watch = None
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or self._has_moved or unsent <= self._unsent - _LEAST_TAKEN:
            self._watch_writing()
        else:
            self._break()

    def _break(self) -> None:
        """End the connection at once; what the kernel still keeps for it goes too."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGETFUL)
        self.transport.abort()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class GuardedHttp(_Drained, HttpToolsProtocol):
    """HTTP/1.1 whose heads are bounded in time, bytes and number, and whose rests of bodies do not keep a connection.

    `_unframed` counts bytes since the parser last completed a head, a piece of a body or a message: one bound for heads,
    trailers and the lines between chunks. `_clock` runs while a head is awaited, from the connection or its first byte on.
    """

    def __init__(
        self,
        config: GuardedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._sockets = config.sockets
        self._write_timeout_s = config.sockets.write_timeout_s
        self._clock: asyncio.TimerHandle | None = None
        self._in_head = True
        self._unframed = 0
        self._head_bytes = 0
        self._unanswered = 0
        self._refusal = _NOT_HTTP
        self._last_answer: _Refusal | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the clock of the first head run, or refuse a connection that is one too many."""
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > self._sockets.max_connections:
            self.transport.write(_FULL.written())
            self.transport.close()
        else:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its clocks."""
        self._stop_clock()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse what is too much before it is a head."""
        self._unframed += len(data)
        if self._last_answer is not None:
            if self._unframed > _MOST_IGNORED:
                self.transport.close()
            return
        super().data_received(data)
        if self._last_answer is None and self._unframed > self._sockets.max_header_bytes:
            self._refuse(_headers_too_large(self._sockets.max_header_bytes))
        elif self._in_head and self._unframed and self._clock is None:
            self._start_clock()

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._unframed += 1
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Bound the request's target."""
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            self._stop_parsing(_TARGET_TOO_LONG)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the headers. What follows a body is counted and dropped: no proxy has checked it."""
        self._count(len(name) + len(value))
        if not self._in_head:
            return
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS:
            self._stop_parsing(_TOO_MANY_HEADERS)

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on the layers around the routes count."""
        self._stop_clock()
        self._in_head, self._unframed = False, 0
        before = self.cycle
        super().on_headers_complete()
        self._unanswered += self.cycle is not before
        if len(self.pipeline) > MOST_WAITING:
            self._stop_parsing(_TOO_MANY_WAITING)

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of a body."""
        self._unframed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Await the next head."""
        self._in_head, self._unframed = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let a clock run where the rest of a body that nobody reads is still coming, and see the answer taken."""
        self._unanswered -= 1
        super().on_response_complete()
        if self._last_answer is not None and not self._unanswered:
            self._end(self._last_answer)
        if not self._in_head and self._clock is None:
            self._start_clock()
        self._watch_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser did not take."""
        self._refuse(self._refusal)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._sockets.max_header_bytes:
            self._stop_parsing(_headers_too_large(self._sockets.max_header_bytes))

    def _stop_parsing(self, refusal: _Refusal) -> None:
        self._refusal = refusal
        raise _Stop

    def _refuse(self, refusal: _Refusal) -> None:
        """Refuse what came last. What came whole before it is answered first."""
        is_behind = self._unanswered > (0 if self._in_head else 1)
        if is_behind:
            if not self._in_head:
                self.pipeline.popleft()
                self._unanswered -= 1
            self._last_answer = refusal
        elif self._unanswered and self.cycle.response_started:
            self._break()  # half an answer must not be followed by another one
        else:
            if self._unanswered:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._end(refusal)

    def _end(self, refusal: _Refusal) -> None:
        """Write the last answer, and leave the other end a moment to read it."""
        if self.transport.is_closing():
            return
        self._last_answer, self._unframed = refusal, 0
        self.transport.write(refusal.written())
        self.transport.write_eof()
        self.flow.resume_reading()
        self._stop_clock()
        self._clock = self.loop.call_later(self._sockets.close_timeout_s, self.transport.close)
        self._watch_writing()

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(self._sockets.header_timeout_s, self._be_late)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _be_late(self) -> None:
        self._clock = None
        if self.transport.is_closing():
            return
        if self._unanswered:
            self._start_clock()  # what waits behind this request may not have been read because of it
        elif self._in_head and self._unframed:
            self._refuse(_HEAD_TOO_SLOW)
        else:
            self.transport.close()


class GuardedWebSocket(_Drained, WebSocketsSansIOProtocol):
    """A WebSocket that waits neither for ever for the answer to a close nor for somebody who does not read."""

    def __init__(
        self,
        config: GuardedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._write_timeout_s = config.sockets.write_timeout_s
        self.close_timeout = config.sockets.close_timeout_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its watch."""
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; refuse a handshake that is none, of which uvicorn would say and do nothing."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(_NO_HANDSHAKE.written())
            self.transport.close()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """See the last words taken."""
        super().on_task_complete(task)
        self._watch_writing()

    def keepalive_timeout(self) -> None:
        """End a peer that does not answer pings, also if it does not read either."""
        super().keepalive_timeout()
        self._watch_writing()
