"""Connections that say nothing, little or too much to the real process end in time, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from time import monotonic

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.config import Settings, SocketSettings, WebSettings
from server.web import connections
from tests.web.conftest import serving
from tests.web.served import Line, Process, a_line, dripping, serving_process

MANY = 150
SHORT = {
    "SWITCHBOARD_HEADER_TIMEOUT_S": "2",
    "SWITCHBOARD_IDLE_TIMEOUT_S": "2",
    "SWITCHBOARD_INIT_TIMEOUT_S": "2",
    "SWITCHBOARD_CLOSE_TIMEOUT_S": "1",
    "SWITCHBOARD_WRITE_TIMEOUT_S": "2",
    "SWITCHBOARD_RECEIVE_TIMEOUT_S": "2",
}
WITHIN_S = 15.0
"""The bound that users are promised (G33); the settings of these tests are far below it, so only a missing deadline misses it."""

GET = b"GET /health/live HTTP/1.1\r\nhost: x\r\n"
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: graphql-transport-ws\r\n"
)
POST = b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\n"

Kind = Callable[[Line], Awaitable[None]]


@pytest.fixture(scope="module")
async def process(settings: Settings) -> AsyncIterator[Process]:
    """The API with short deadlines."""
    async with serving_process(**SHORT) as found:
        yield found


async def says_nothing(_line: Line) -> None:
    return


async def drips_headers(line: Line) -> None:
    await dripping(line, GET + b"x: y\r\n" * 1_000)


async def drips_empty_lines(line: Line) -> None:
    await dripping(line, b"\r\n" * 1_000)


async def stalls_in_its_headers(line: Line) -> None:
    line.writer.write(GET)


async def sends_endless_headers(line: Line) -> None:
    line.writer.write(GET)
    for _ in range(100):
        line.writer.write(b"x: " + b"y" * 500_000 + b"\r\n")
        await line.writer.drain()


async def sends_one_endless_header(line: Line) -> None:
    line.writer.write(GET + b"x: ")
    for _ in range(100):
        line.writer.write(b"y" * 500_000)
        await line.writer.drain()


async def stays_after_an_answer(line: Line) -> None:
    line.writer.write(GET + b"\r\n")


async def drips_a_second_request(line: Line) -> None:
    line.writer.write(GET + b"\r\n")
    await line.reader.readuntil(b"ok")
    await dripping(line, GET + b"x: y\r\n" * 1_000)


async def stalls_in_its_handshake(line: Line) -> None:
    line.writer.write(UPGRADE)


async def opens_a_websocket_and_sends_no_init(line: Line) -> None:
    line.writer.write(UPGRADE + b"\r\n")


async def pings_in_place_of_an_init(line: Line) -> None:
    line.writer.write(UPGRADE + b"\r\n")
    await line.reader.readuntil(b"\r\n\r\n")
    await dripping(line, b"\x89\x80\x00\x00\x00\x00" * 1_000)


async def asks_for_another_protocol_and_drips(line: Line) -> None:
    line.writer.write(GET + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n")
    await dripping(line, b"x" * 1_000)


async def drips_a_body(line: Line) -> None:
    line.writer.write(POST + b"content-length: 1000\r\n\r\n")
    await dripping(line, b"x" * 1_000)


async def drips_the_rest_of_a_refused_body(line: Line) -> None:
    line.writer.write(b"POST /health/live HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n")
    await dripping(line, b"x" * 1_000)


async def sends_endless_trailers(line: Line) -> None:
    line.writer.write(POST + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx: ")
    for _ in range(100):
        line.writer.write(b"y" * 500_000)
        await line.writer.drain()


KINDS: list[Kind] = [
    says_nothing,
    drips_headers,
    drips_empty_lines,
    stalls_in_its_headers,
    sends_endless_headers,
    sends_one_endless_header,
    stays_after_an_answer,
    drips_a_second_request,
    stalls_in_its_handshake,
    opens_a_websocket_and_sends_no_init,
    pings_in_place_of_an_init,
    asks_for_another_protocol_and_drips,
    drips_a_body,
    drips_the_rest_of_a_refused_body,
    sends_endless_trailers,
]


async def closed_s(line: Line, kind: Kind) -> float:
    """Behave like this; return after how many seconds the server ended the connection."""
    behaving = asyncio.create_task(_until_refused(line, kind))
    try:
        await line.until_closed(WITHIN_S)
        return monotonic() - line.began
    finally:
        behaving.cancel()
        await asyncio.gather(behaving, return_exceptions=True)


async def _until_refused(line: Line, kind: Kind) -> None:
    try:
        await kind(line)
    except (ConnectionError, asyncio.IncompleteReadError):
        return


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_whoever_takes_a_connection_for_nothing_is_cut_and_holds_nobody_up(kind: Kind, process: Process) -> None:
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(a_line(process)) for _ in range(MANY)]
        holding = asyncio.gather(*(closed_s(line, kind) for line in lines))

        async with httpx.AsyncClient(trust_env=False, timeout=WITHIN_S) as http:
            statuses = [(await http.get(f"{process.url}/health/live")).status_code for _ in range(20)]
        lasted = await holding

    assert statuses == [200] * 20
    assert len(lasted) == MANY
    assert max(lasted) < WITHIN_S


async def test_the_process_itself_lets_go_of_all_connections_and_of_what_they_sent(process: Process) -> None:
    held = process.resident_bytes()
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(a_line(process)) for _ in range(30)]

        await asyncio.gather(*(closed_s(line, sends_one_endless_header) for line in lines))

        # While the others still hold their ends: 30 of them sent up to 50 MB each.
        async with asyncio.timeout(WITHIN_S):
            while process.connections() > 0:
                await asyncio.sleep(0.05)
    assert process.resident_bytes() - held < 150_000_000


@pytest.mark.parametrize(
    ("_case", "sent", "status", "code"),
    [
        ("one long header", GET + b"x: " + b"y" * 33_000 + b"\r\n\r\n", 431, "headers_too_large"),
        ("many small ones", GET + b"x: y\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
        (
            "all together",
            GET + b"x: " + b"y" * 16_400 + b"\r\ny: " + b"y" * 16_400 + b"\r\n\r\n",
            431,
            "headers_too_large",
        ),
        ("a long target", b"GET /" + b"y" * 8_192 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414, "uri_too_long"),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "bad_request"),
        ("half a head", GET, 408, "request_timeout"),
        ("a WebSocket with a body", UPGRADE + b"content-length: 5\r\n\r\nhello", 400, "bad_request"),
        ("a WebSocket with a long header", UPGRADE + b"x: " + b"y" * 9_000 + b"\r\n\r\n", 400, "bad_request"),
        ("a WebSocket to no ASCII", UPGRADE.replace(b"graphql ", b"\xff ") + b"\r\n", 400, "bad_request"),
        ("a bad chunk", POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
    ],
)
async def test_what_is_refused_says_why_in_the_form_of_all_errors(
    _case: str, sent: bytes, status: int, code: str, process: Process
) -> None:
    async with a_line(process) as line:
        line.writer.write(sent)
        said = await line.until_closed(WITHIN_S)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == code
    assert json.loads(body)["error"]["requestId"].encode() in head


@pytest.mark.parametrize(
    ("_case", "sent"),
    [
        ("a long header", GET + b"x: " + b"y" * 32_000 + b"\r\nconnection: close\r\n\r\n"),
        ("many headers", GET + b"x: y\r\n" * 98 + b"connection: close\r\n\r\n"),
        ("a long target", b"GET /health/live?" + b"y" * 8_100 + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    ],
)
async def test_what_stays_within_the_bounds_is_answered(_case: str, sent: bytes, process: Process) -> None:
    async with a_line(process) as line:
        line.writer.write(sent)
        said = await line.until_closed(WITHIN_S)

    assert said.startswith(b"HTTP/1.1 200 ")


async def test_requests_behind_one_another_are_bounded_and_the_first_ones_answered(process: Process) -> None:
    async with a_line(process) as line:
        line.writer.write((GET + b"\r\n") * 1_000)
        said = await line.until_closed(WITHIN_S)

    assert said.count(b"HTTP/1.1 200 ") == connections.MOST_WAITING + 1
    assert said.count(b"HTTP/1.1 429 ") == 1


async def test_a_websocket_message_beyond_the_limit_is_refused(process: Process) -> None:
    address = process.url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"x": "y" * 1_100_000}}))
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), WITHIN_S)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_one_connection_too_many_is_told_to_come_again() -> None:
    app = Starlette(routes=[Route("/health/live", lambda _request: PlainTextResponse("ok"))])
    sockets = SocketSettings(SWITCHBOARD_MAX_CONNECTIONS=10, SWITCHBOARD_HEADER_TIMEOUT_S=0.5)
    async with serving(app, sockets=sockets) as url, AsyncExitStack() as stack:
        small = Process(int(url.rpartition(":")[2]), os.getpid())
        lines = [await stack.enter_async_context(a_line(small)) for _ in range(30)]

        said = await asyncio.gather(*(line.until_closed(WITHIN_S) for line in lines))
        async with a_line(small) as later:
            later.writer.write(GET + b"connection: close\r\n\r\n")
            afterwards = await later.until_closed(WITHIN_S)

    refused = [one for one in said if one.startswith(b"HTTP/1.1 503 ") and b"retry-after: 5" in one]
    assert len(refused) == 20
    assert afterwards.startswith(b"HTTP/1.1 200 ")


def test_production_cuts_within_fifteen_seconds() -> None:
    sockets = SocketSettings.model_construct()

    assert sockets.header_timeout_s + sockets.close_timeout_s <= 15
    assert sockets.init_timeout_s + sockets.close_timeout_s <= 15
    assert max(sockets.idle_timeout_s, sockets.write_timeout_s) <= 15
    assert WebSettings.model_construct().receive_timeout_s <= 15


@pytest.mark.parametrize(
    ("guarded", "base"),
    [
        (connections.GuardedHttp, HttpToolsProtocol),
        (connections.GuardedWebSocket, WebSocketsSansIOProtocol),
    ],
)
def test_what_the_guards_override_is_still_there_to_override(guarded: type, base: type) -> None:
    """A uvicorn that renames what we build upon must not switch a guard off in silence."""
    own = {name for one in guarded.__mro__ if one.__module__ == connections.__name__ for name in vars(one)}
    public = {name for name in own if not name.startswith("_") and callable(getattr(guarded, name))}

    assert public
    assert {name for name in public if not callable(getattr(base, name, None))} == set()
