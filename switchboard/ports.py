"""Ports of this machine: the preferred one or the next that is free, bound at once and kept."""

from __future__ import annotations

import errno
import socket

_LAST = 65_535


class NoFreePort(RuntimeError):
    """Every port from the preferred one on is taken."""


def listen_from(preferred: int, host: str = "127.0.0.1") -> socket.socket:
    """Listen on the first port from `preferred` on that nobody has; who finds it free by asking may find it taken later.

    The socket listens from here on: two sockets may be bound to one port until one of them does. Connections wait in it
    until a child accepts them. No other program can listen on the port while the socket is open, whatever its options.
    """
    for port in range(preferred, _LAST + 1):
        found = _listening(host, port)
        if found is not None:
            return found
    raise NoFreePort(f"no free port from {preferred} on")


def port_of(listening: socket.socket) -> int:
    """Return the port of a bound socket."""
    port: int = listening.getsockname()[1]
    return port


def _listening(host: str, port: int) -> socket.socket | None:
    # With its protocol named: only then asyncio turns off Nagle's algorithm in whoever accepts from it.
    found = socket.socket(proto=socket.IPPROTO_TCP)
    try:
        # As servers do: a port that is only waiting for old connections to fade counts as free.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(socket.SOMAXCONN)
    except OSError as problem:
        found.close()
        if problem.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise
    return found
