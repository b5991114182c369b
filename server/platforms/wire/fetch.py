"""Fetching what an address that somebody else wrote points at: inbound media and pictures, without reaching our own network.

The name is resolved once, every address is vetted, and the connection goes to the vetted address itself, so that a second
answer of the name server changes nothing (DNS rebinding). Redirects are not followed, proxies of the environment are not
used, and what comes is bounded in size and time (reliability.md G42).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpcore

MAX_URL = 8_000
_PORTS = {"https": 443}
_DEFAULTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
Resolve = Callable[[str, int], Awaitable[list[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """The address is none that we fetch from; the text says why."""


class FetchFailed(Exception):
    """The other side did not give it. `retryable`: it may do so later."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, with the media type that the other side claims ("" if none)."""

    content: bytes = field(repr=False)
    media_type: str


def is_public(text: str) -> bool:
    """Say whether an IP address is one of the public internet, also inside of the forms that wrap an IPv4 address."""
    address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    return address.is_global and not address.is_multicast


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class _VettingBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, and to the places that an operator named."""

    def __init__(self, trusted: frozenset[str], resolver: Resolve) -> None:
        self._trusted = trusted
        self._resolve = resolver
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, vet, and connect to the address itself; raise Refused if any address of the name is not public."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(type(error).__name__) from None
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        if f"{host}:{port}" not in self._trusted and not all(map(is_public, addresses)):
            raise Refused("the name leads to an address that is not public")
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Refused("sockets of this machine are not fetched from")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Fetcher:
    """The one way to fetch from an address that a platform or a person gave us. Belongs to one event loop.

    `trusted` names "host:port" places that need not be public, for stand-ins on the same machine; plain http to any port
    is allowed there alone.
    """

    def __init__(
        self, trusted: Iterable[str] = (), *, ports: Mapping[str, int] = _PORTS, resolver: Resolve = resolve
    ) -> None:
        self._trusted = frozenset(trusted)
        self._ports = dict(ports)
        self._resolver = resolver
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def fetch(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int, deadline_s: float
    ) -> Fetched:
        """GET the content, whole or not at all; raise Refused or FetchFailed. Headers go to that address alone."""
        target = self._vetted(url)
        try:
            async with asyncio.timeout(deadline_s):
                return await self._get(target, dict(headers or {}), max_bytes)
        except TimeoutError:
            raise FetchFailed("no whole answer within the deadline", retryable=True) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise FetchFailed(type(error).__name__, retryable=True) from None
        except (httpcore.UnsupportedProtocol, ValueError) as error:
            raise Refused(type(error).__name__) from None

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    def _vetted(self, url: str) -> str:
        """Return the address as it is asked for; raise Refused for what no platform would write."""
        if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or any(one in url for one in ' \\"<>'):
            raise Refused("the address is too long or has odd characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise Refused("the address cannot be read") from None
        default = _DEFAULTS.get(parts.scheme)
        if default is None or not host or "@" in parts.netloc or "%" in host:
            raise Refused("the address is not plain http or https")
        if f"{host}:{port or default}" in self._trusted:
            return url
        if self._ports.get(parts.scheme) != (port or default):
            raise Refused("the address is not encrypted, or names an unusual port")
        return url

    async def _get(self, url: str, headers: dict[str, str], max_bytes: int) -> Fetched:
        sent: list[tuple[bytes | str, bytes | str]] = [("accept", "*/*"), ("accept-encoding", "identity")]
        sent += headers.items()
        async with self._connections().stream("GET", url.partition("#")[0], headers=sent) as response:
            if response.status != 200:
                is_passing = response.status in {408, 429} or response.status >= 500
                raise FetchFailed(f"HTTP {response.status}", retryable=is_passing)
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            content = bytearray()
            async for chunk in response.aiter_stream():
                content += chunk
                if len(content) > max_bytes:
                    raise FetchFailed(f"it is larger than {max_bytes} bytes", retryable=False)
        return Fetched(bytes(content), told.get("content-type", "").partition(";")[0].strip().lower())

    def _connections(self) -> httpcore.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(),
                max_connections=20,
                network_backend=_VettingBackend(self._trusted, self._resolver),
            )
        return self._pool
