"""Whom to believe about addresses: a proxy that the settings name, and nobody else."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.config import Network

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([^:]+):[0-9]{1,5}")
_SCHEMES = {"http": {"http": "http", "https": "https"}, "websocket": {"http": "ws", "https": "wss"}}


class TrustedProxies:
    """Put the client's own address and scheme in place of a trusted proxy's, as that proxy tells them.

    `X-Forwarded-For` is read from its right end, where the nearest proxy wrote, over all trusted addresses to the first
    that is not trusted; what stands left of it anybody may have written. An entry that is no address ends the walk at the
    proxy that told it. `Forwarded`, `X-Real-IP` and the like are never read.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in _SCHEMES and self._trusts(peer := _address(_host_of(scope))):
            headers = Headers(scope=scope)
            scope["client"] = (str(self._client(peer, headers.getlist("x-forwarded-for"))), 0)
            told = headers.getlist("x-forwarded-proto")[-1:]
            scope["scheme"] = _SCHEMES[scope["type"]].get("".join(told).strip().lower(), scope["scheme"])
        await self._app(scope, receive, send)

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _client(self, peer: _Address | None, lines: Sequence[str]) -> _Address | None:
        nearest = peer
        for entry in _from_the_right(lines):
            address = _address(entry)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest


def _host_of(scope: Scope) -> str:
    client = cast("tuple[str, int] | None", scope.get("client"))
    return "" if client is None else client[0]


def _from_the_right(lines: Sequence[str]) -> Iterator[str]:
    for line in reversed(lines):
        for entry in reversed(line.split(",")):
            yield entry.strip()


def _address(entry: str) -> _Address | None:
    """Return the address of `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7` or `[2001:db8::7]:4711`; None for all else."""
    split = _WITH_PORT.fullmatch(entry)
    host = entry if split is None else split[1] or split[2]
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families tells an IPv4 peer as ::ffff:192.0.2.7; the setting names it as it is.
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
