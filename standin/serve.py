"""Runs the app in uvicorn with the settings that the stand-in needs."""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.applications import Starlette


class QuietServer(uvicorn.Server):
    """Ends on SIGTERM and SIGINT with success; uvicorn itself would raise the signal again at the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals while serving, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def leave(_signal: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class AnnouncedServer(QuietServer):
    """Says on one line of stdout where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say it."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            sys.stdout.write(f"standin ready on http://{host}:{port}\n")
            sys.stdout.flush()


def make_server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    """A server that can run in a thread; set `should_exit` to end it. Open calls get one second."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        backlog=2048,
        ws="none",
    )
    return QuietServer(config)


def bound_port(server: uvicorn.Server) -> int:
    """The port that a started server listens on."""
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Place:
    """Where to serve: on an address, or on the socket `fd` that a parent has bound and hands down.

    `nonce`, if it is not empty, is told in every answer, so that the parent knows whom it asks.
    """

    host: str
    port: int
    fd: int | None = None
    nonce: str = ""


def serve(app: Starlette, place: Place) -> None:
    """Serve until a signal comes; one line on stdout says when and where."""
    config = make_server(app, place.host, place.port).config
    config.headers = [("x-ready-nonce", place.nonce)] if place.nonce else []
    sockets = None if place.fd is None else [socket.socket(fileno=place.fd)]
    server = AnnouncedServer(config)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets))
