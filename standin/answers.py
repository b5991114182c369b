"""The wrong answers of the fault plan, on the level of bytes and connections."""

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from standin.errors import GraphError
from standin.faults import Rule
from standin.graph import JSON_TYPE, Call, respond
from standin.jsonish import number_or_none, text_or_none, whole_or_none

HUGE_BYTES = 100_000_000
CHUNK = b" " * 65_536
IDS = ("message_id", "recipient_id", "id", "marketing_message_tracking_id", "attachment_id", "access_token")


class Dropped(Response):
    """Ends the connection without a byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the transport and wait until the server has noticed."""
        # uvicorn offers no official way to abort; its receive is a method of the request cycle, which holds the transport.
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            await super().__call__(scope, receive, send)
            return
        transport.abort()
        await _until_gone(receive)


class Hanging(Dropped):
    """Says nothing until the client leaves or the time is over."""

    def __init__(self, delay_ms: float) -> None:
        super().__init__(status_code=504)
        self._seconds = delay_ms / 1000 if delay_ms > 0 else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then drop."""
        try:
            await asyncio.wait_for(_until_gone(receive), self._seconds)
        except TimeoutError:
            await super().__call__(scope, receive, send)


async def faulty(call: Call, rule: Rule, true_answer: Response | None) -> Response:
    """The answer that the rule asks for. `true_answer` is there when the call was carried out."""
    if rule.action not in ("hang", "slow_body") and rule.delay_ms > 0:
        await asyncio.sleep(rule.delay_ms / 1000)
    if rule.action == "late_after_accept" and true_answer is not None:
        return true_answer
    body = bytes(true_answer.body) if true_answer is not None else b"{}"
    return ANSWERS[rule.action](call, rule, body)


def _empty(call: Call, _rule: Rule, _body: bytes) -> Response:
    return respond(call, {})


def _dropped(_call: Call, _rule: Rule, _body: bytes) -> Response:
    return Dropped(status_code=502)


def _hanging(_call: Call, rule: Rule, _body: bytes) -> Response:
    return Hanging(rule.delay_ms)


def _garbage(_call: Call, rule: Rule, _body: bytes) -> Response:
    text = text_or_none(rule.details, "body") or "<html><body>It works!</body></html>"
    return Response(text, 200, media_type=JSON_TYPE)


def _truncated(_call: Call, _rule: Rule, body: bytes) -> Response:
    return Response(body[: max(1, len(body) // 2)], 200, media_type=JSON_TYPE)


def _redirect(_call: Call, rule: Rule, _body: bytes) -> Response:
    target = text_or_none(rule.details, "body") or "http://127.0.0.1:1/"
    return Response(status_code=302, headers={"Location": target})


def _error(call: Call, rule: Rule, _body: bytes) -> Response:
    details = rule.details
    status = whole_or_none(details, "status") or 400
    regain = number_or_none(details, "regain_minutes")
    body = details.get("body")
    if isinstance(body, str):
        answer = Response(body, status, media_type="text/html")
    else:
        error = GraphError(
            whole_or_none(details, "code") or 1,
            text_or_none(details, "message") or "An unknown error occurred.",
            whole_or_none(details, "subcode"),
            status=status,
            is_transient=details.get("is_transient") is True,
        )
        answer = respond(call, error.body() if body is None else body, status, None if regain is None else int(regain))
    retry_after = text_or_none(details, "retry_after")
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def _without_ids(call: Call, _rule: Rule, body: bytes) -> Response:
    value = orjson.loads(body) if body.startswith(b"{") else None
    kept = {key: item for key, item in value.items() if key not in IDS} if isinstance(value, dict) else {}
    return respond(call, kept)


def _huge(_call: Call, rule: Rule, _body: bytes) -> Response:
    size = max(2, whole_or_none(rule.details, "size") or HUGE_BYTES)

    async def chunks() -> AsyncIterator[bytes]:
        left = size - 2
        yield b"{"
        while left > 0:
            yield CHUNK[: min(left, len(CHUNK))]
            left -= len(CHUNK)
        yield b"}"

    return StreamingResponse(chunks(), 200, {"Content-Length": str(size)}, JSON_TYPE)


def _slow(_call: Call, rule: Rule, body: bytes) -> Response:
    pause_ms = rule.delay_ms or 1_000.0

    async def drops() -> AsyncIterator[bytes]:
        for index in range(len(body)):
            await asyncio.sleep(pause_ms / 1000)
            yield body[index : index + 1]

    return StreamingResponse(drops(), 200, {"Content-Length": str(len(body))}, JSON_TYPE)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


ANSWERS: dict[str, Callable[[Call, Rule, bytes], Response]] = {
    "late_after_accept": _empty,
    "drop_after_accept": _dropped,
    "drop_before_accept": _dropped,
    "error": _error,
    "garbage_200": _garbage,
    "truncated_json": _truncated,
    "no_id_200": _without_ids,
    "hang": _hanging,
    "huge_body": _huge,
    "redirect": _redirect,
    "slow_body": _slow,
}
