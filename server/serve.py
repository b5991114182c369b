"""`python -m server.serve`: the API process, as it runs in production and everywhere else.

It listens on an address, or with --fd on a socket that its parent has bound and hands down.
"""

from __future__ import annotations

import argparse
import gc
import resource
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

from server.app import create_app
from server.config import Settings
from server.kit import log
from server.models import metadata
from server.startup import guard
from server.web.connections import GuardedConfig

_OTHER_FILES = 256
"""What the process keeps open beside its connections: the pools of the database and of the platforms, logs, libraries."""
_logger = log.get(__name__)


def main(given: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; return 2 if the address cannot be used. SystemExit says what refuses a start."""
    arguments = _arguments(given)
    config = guard.begin(metadata)
    try:
        listening = _inherited(arguments.fd) if arguments.fd is not None else _bound(arguments.host, arguments.port)
    except OSError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    _make_room(config)

    def build() -> ASGIApp:
        made = create_app(config)
        # What was made until now stays: a search through all of it for garbage would hold everybody up for a third of a second.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        return made

    with listening:
        uvicorn.Server(GuardedConfig(build, config.web, config.sockets, is_factory=True)).run(sockets=[listening])
    return 0


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m server.serve", description="The API: GraphQL, webhooks, sign-in.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="the port to listen on (8000)")
    parser.add_argument("--fd", type=int, help="a bound socket that was handed down, instead of an address")
    return parser.parse_args(given)


def _bound(host: str, port: int) -> socket.socket:
    """Listen on an address; raise OSError that names it."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # With its protocol named: only then asyncio turns off Nagle's algorithm.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as problem:
        listening.close()
        raise OSError(problem.errno, f"cannot listen on {host}, port {port}: {problem.strerror}") from None
    return listening


def _inherited(fd: int) -> socket.socket:
    """Take over a socket of the parent; raise OSError if the number is none that listens."""
    try:
        listening = socket.socket(fileno=fd)
        is_listening = bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        is_listening = False
    if not is_listening:
        raise OSError(f"--fd {fd} is not a socket that listens")
    listening.set_inheritable(False)
    return listening


def _make_room(config: Settings) -> None:
    """Let the process open as many files as it keeps connections, or keep fewer where the system allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.sockets.max_connections + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        kept = max(10, allowed - _OTHER_FILES)
        _logger.warning("fewer connections than set", kept=kept, set=config.sockets.max_connections, open_files=hard)
        config.sockets = config.sockets.model_copy(update={"max_connections": kept})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
