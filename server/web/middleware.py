"""Pure ASGI layers around every HTTP route. WebSockets and lifespan pass through all but the first untouched.

`stack` gives them in their order: who the client is, an id for everything, headers on everything, failures
answered, then the limits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.config import WebSettings
from server.kit import log
from server.kit.clock import monotonic_s
from server.kit.errors import TookTooLong, Unavailable
from server.kit.ids import encode, new_id
from server.kit.turns import LineIsFull
from server.web.answers import GRAPHQL_PATH, Refused, error_answer, request_id, too_large
from server.web.proxies import TrustedProxies

DEFAULT_BODY_BYTES = 100_000
_PAUSE_S = 0.5
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_logger = log.get(__name__)


def stack(web: WebSettings) -> list[Middleware]:
    """Return the layers, outermost first."""
    limits = {"/webhooks/": web.max_webhook_bytes, GRAPHQL_PATH: web.max_graphql_bytes, "/files": web.max_file_bytes}
    return [
        Middleware(TrustedProxies, trusted=web.trusted_networks),
        Middleware(RequestId),
        # Front ends of others run on their own origins. They carry bearer tokens; cookies are never taken from there.
        Middleware(
            CORSMiddleware,
            allow_origins=web.origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "authorization",
                "content-type",
                "idempotency-key",
                "x-client-name",
                "x-client-version",
                "x-request-id",
            ],
            expose_headers=["retry-after", "x-request-id"],
        ),
        Middleware(SecurityHeaders, is_https=web.public_url.startswith("https://")),
        Middleware(Failures),
        Middleware(ReceiveDeadline, timeout_s=web.receive_timeout_s),
        Middleware(BodyLimit, limits=limits),
    ]


class RequestId:
    """Give each request an id: the caller's if it is short and plain, else a new one; it is logged and answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        found = given if _GIVEN_ID.fullmatch(given) else encode("req", new_id())
        scope.setdefault("state", {})["request_id"] = found

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = found
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=found):
            await self._app(scope, receive, answer)


class SecurityHeaders:
    """Add the headers that keep a browser from guessing, framing, caching and telling; a route's own ones stay."""

    def __init__(self, app: ASGIApp, *, is_https: bool = False) -> None:
        self._app = app
        self._headers = _HEADERS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # The page of the GraphQL explorer runs scripts; it is served in development only.
                if scope["path"] != GRAPHQL_PATH:
                    headers.setdefault("content-security-policy", _NO_CONTENT_POLICY)
            await send(message)

        await self._app(scope, receive, answer)


class Failures:
    """Answer what the layers and routes inside raise. What nobody expected is logged with its id and masked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def answer(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            _logger.info("client went away", path=scope["path"])
        except Exception as error:
            refused = _refusal_of(scope, error)
            if has_begun:
                raise  # half an answer is out; the server must break the connection so that it is not taken for whole
            await error_answer(scope, refused)(scope, receive, send)


def _refusal_of(scope: Scope, error: Exception) -> Refused:
    match error:
        case Refused():
            return error
        case LineIsFull():
            return Refused(429, "too_many_requests", str(error), {"retry-after": str(error.retry_after_s)})
        case TookTooLong():
            _logger.warning("took too long", path=scope["path"])
            return Refused(504, "timeout", str(error))
        case Unavailable():
            _logger.warning("unavailable", path=scope["path"])
            retry = {"retry-after": str(error.retry_after_s)}
            return Refused(503, "unavailable", "The service is busy or starting. Nothing was changed; retry.", retry)
        case _:
            _logger.error("unexpected failure", path=scope["path"], method=scope["method"], exc_info=error)
            message = f"Something went wrong on our side. Tell support this id: {request_id(scope)}"
            return Refused(500, "internal_error", message)


class ReceiveDeadline:
    """Refuse with 408 a body that has not fully arrived `timeout_s` seconds after the route began to read it."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline: float | None = None
        is_complete = False

        async def within_time() -> Message:
            nonlocal deadline, is_complete
            if is_complete:
                return await receive()
            if deadline is None:
                deadline = monotonic_s() + self._timeout_s
            try:
                message = await asyncio.wait_for(receive(), max(0.0, deadline - monotonic_s()))
            except TimeoutError:
                raise Refused(
                    408, "request_timeout", "The body did not arrive in time.", {"connection": "close"}
                ) from None
            is_complete = not message.get("more_body", False)
            return message

        await self._app(scope, within_time, send)


class BodyLimit:
    """Refuse with 413 a body beyond the limit of its path, by its announced or by its counted length."""

    def __init__(
        self, app: ASGIApp, *, limits: Mapping[str, int] | None = None, default: int = DEFAULT_BODY_BYTES
    ) -> None:
        self._app = app
        self._limits = sorted((limits or {}).items(), key=lambda limit: len(limit[0]), reverse=True)
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((size for prefix, size in self._limits if scope["path"].startswith(prefix)), self._default)
        announced = Headers(scope=scope).get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()) or int(announced[:19]) > limit:
            await _drain(receive, limit)
            raise too_large(limit)
        counted = 0

        async def counting() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > limit:
                if message.get("more_body", False):
                    await _drain(receive, limit)
                raise too_large(limit)
            return message

        await self._app(scope, counting, send)


async def _drain(receive: Receive, limit: int) -> None:
    """Read on, up to twice the limit and until nothing comes for a moment, and forget it: a client that is still sending
    would see a broken connection, not the answer."""
    read = 0
    with suppress(TimeoutError, Refused):
        while read <= 2 * limit:
            message = await asyncio.wait_for(receive(), _PAUSE_S)
            read += len(message.get("body", b""))
            if not message.get("more_body", False):
                return
