"""Ports of this machine: the preferred one, or the next that is free."""

from __future__ import annotations

import socket

_LAST = 65_535


class NoFreePort(RuntimeError):
    """Every port from the preferred one on is taken."""


def free_port(preferred: int, host: str = "127.0.0.1", avoid: frozenset[int] = frozenset()) -> int:
    """Return the first port from `preferred` on that can be listened on and is not in `avoid`."""
    for port in range(preferred, _LAST + 1):
        if port not in avoid and _is_free(host, port):
            return port
    raise NoFreePort(f"no free port from {preferred} on")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port that is only waiting for old connections to fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
