"""`python -m bench.responder PORT LATENCY_S`: the smallest platform; it takes every message after the same time."""

from __future__ import annotations

import asyncio
import itertools
import sys

from bench.harness import HOST

_numbers = itertools.count()


class _Responder(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other, as HTTP/1.1 clients send them."""

    latency_s = 0.05

    def __init__(self) -> None:
        self._seen = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, mark, body = self._seen.partition(b"\r\n\r\n")
        if mark and len(body) >= _length(head):
            self._seen = b""
            asyncio.get_running_loop().call_later(self.latency_s, self._answer)

    def _answer(self) -> None:
        number = next(_numbers)
        body = b'{"recipient_id":"1","message_id":"m_%d"}' % number
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Responder, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    _Responder.latency_s = float(sys.argv[2])
    asyncio.run(_serve(int(sys.argv[1])))
