"""The wrong answers of the fault plan, on the level of bytes and connections, for any platform."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from standin.faults import Rule
from standin.jsonish import text_or_none, whole_or_none

JSON_TYPE = "application/json; charset=UTF-8"
HUGE_BYTES = 100_000_000
CHUNK = b" " * 65_536
Refuse = Callable[[Rule], Response]


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


async def wrong_answer(rule: Rule, true_answer: Response | None, refuse: Refuse, ids: Sequence[str]) -> Response:
    """The answer that the rule asks for. `true_answer` is there when the call was carried out.

    `refuse` makes an error in the platform's own shape; `ids` are the names that `no_id_200` leaves out, at any depth.
    """
    if rule.action not in ("hang", "slow_body") and rule.delay_ms > 0:
        await asyncio.sleep(rule.delay_ms / 1000)
    if rule.action == "late_after_accept" and true_answer is not None:
        return true_answer
    body = bytes(true_answer.body) if true_answer is not None else b"{}"
    if rule.action == "error":
        answer = refuse(rule)
        retry_after = text_or_none(rule.details, "retry_after")
        if retry_after is not None:
            answer.headers["Retry-After"] = retry_after
        return answer
    if rule.action == "no_id_200":
        return Response(orjson.dumps(_without(orjson.loads(body or b"{}"), frozenset(ids))), 200, media_type=JSON_TYPE)
    return ANSWERS[rule.action](rule, body)


def _without(value: object, names: frozenset[str]) -> object:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(item, names) for item in value]
    return value


def _empty(_rule: Rule, _body: bytes) -> Response:
    return Response(b"{}", 200, media_type=JSON_TYPE)


def _dropped(_rule: Rule, _body: bytes) -> Response:
    return Dropped(status_code=502)


def _hanging(rule: Rule, _body: bytes) -> Response:
    return Hanging(rule.delay_ms)


def _garbage(rule: Rule, _body: bytes) -> Response:
    text = text_or_none(rule.details, "body") or "<html><body>It works!</body></html>"
    return Response(text, 200, media_type=JSON_TYPE)


def _truncated(_rule: Rule, body: bytes) -> Response:
    return Response(body[: max(1, len(body) // 2)], 200, media_type=JSON_TYPE)


def _redirect(rule: Rule, _body: bytes) -> Response:
    target = text_or_none(rule.details, "body") or "http://127.0.0.1:1/"
    return Response(status_code=302, headers={"Location": target})


def _huge(rule: Rule, _body: bytes) -> Response:
    size = max(2, whole_or_none(rule.details, "size") or HUGE_BYTES)

    async def chunks() -> AsyncIterator[bytes]:
        left = size - 2
        yield b"{"
        while left > 0:
            yield CHUNK[: min(left, len(CHUNK))]
            left -= len(CHUNK)
        yield b"}"

    return StreamingResponse(chunks(), 200, {"Content-Length": str(size)}, JSON_TYPE)


def _slow(rule: Rule, body: bytes) -> Response:
    pause_ms = rule.delay_ms or 1_000.0

    async def drops() -> AsyncIterator[bytes]:
        for index in range(len(body)):
            await asyncio.sleep(pause_ms / 1000)
            yield body[index : index + 1]

    return StreamingResponse(drops(), 200, {"Content-Length": str(len(body))}, JSON_TYPE)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


ANSWERS: dict[str, Callable[[Rule, bytes], Response]] = {
    "late_after_accept": _empty,
    "drop_after_accept": _dropped,
    "drop_before_accept": _dropped,
    "garbage_200": _garbage,
    "truncated_json": _truncated,
    "hang": _hanging,
    "huge_body": _huge,
    "redirect": _redirect,
    "slow_body": _slow,
}
