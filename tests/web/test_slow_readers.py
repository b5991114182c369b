"""Who asks and does not read is cut; who reads slowly is served to the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.config import SocketSettings
from tests.web.conftest import serving

WITHIN_S = 15.0
WRITE_TIMEOUT_S = 0.5
SIZE = 16_000_000
"""More than the kernel keeps for a connection."""

ended: list[str] = []


async def whole(_request: Request) -> Response:
    return Response(b"x" * SIZE)


async def in_pieces(_request: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            for _ in range(SIZE // 50_000):
                yield b"x" * 50_000
        finally:
            ended.append("pieces")

    return StreamingResponse(pieces())


async def chatter(connection: WebSocket) -> None:
    await connection.accept()
    try:
        while True:
            await connection.send_text("x" * 50_000)
    except WebSocketDisconnect:
        ended.append("chatter")


ASKED = {
    "whole": b"GET /whole HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "pieces": b"GET /pieces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    "chatter": (
        b"GET /chatter HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ),
}


@asynccontextmanager
async def asked(what: str) -> AsyncIterator[socket.socket]:
    """Ask for much on a connection whose receiver keeps little; give it unread."""
    routes = [Route("/whole", whole), Route("/pieces", in_pieces), WebSocketRoute("/chatter", chatter)]
    sockets = SocketSettings(SWITCHBOARD_WRITE_TIMEOUT_S=WRITE_TIMEOUT_S)
    async with serving(Starlette(routes=routes), sockets=sockets) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            line.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(line, (host, int(port)))
            await loop.sock_sendall(line, ASKED[what])
            yield line


async def read(line: socket.socket, *, piece: int = 1_000_000, pause_s: float = 0.0) -> int:
    """Read to the end; return how many bytes came before it, or before the connection broke."""
    count = 0
    with contextlib.suppress(ConnectionError):
        while found := await asyncio.get_running_loop().sock_recv(line, piece):
            count += len(found)
            await asyncio.sleep(pause_s)
    return count


def is_broken(line: socket.socket) -> bool:
    """Say whether the server ended the connection, without reading from it."""
    return line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or _state(line) != _ESTABLISHED


_ESTABLISHED = 1


def _state(line: socket.socket) -> int:
    return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


@pytest.mark.parametrize("what", list(ASKED))
async def test_who_does_not_read_is_cut(what: str) -> None:
    ended.clear()
    async with asked(what) as line, asyncio.timeout(WITHIN_S):
        while not is_broken(line):
            await asyncio.sleep(0.02)
        while what != "whole" and what not in ended:
            await asyncio.sleep(0.02)

        # What the kernel had taken already may come; the rest was let go of.
        assert await read(line) < SIZE


@pytest.mark.parametrize("what", ["whole", "pieces"])
async def test_who_reads_slowly_but_steadily_has_it_all(what: str) -> None:
    """The whole takes several times the write timeout."""
    async with asked(what) as line, asyncio.timeout(4 * WITHIN_S):
        assert await read(line, piece=100_000, pause_s=0.015) > SIZE
