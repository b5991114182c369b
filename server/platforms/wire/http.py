"""One HTTP client for all platforms: one call, one deadline, no retries, no redirects, no proxies, bounded answers.

It says only what happened to a call (answered, never left, lost); what an answer means is decided by its callers.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

import httpx

from server.platforms.wire.reading import Json, NotJson, load, mapping

MAX_ANSWER_BYTES = 1_000_000
MAX_CONNECTIONS = 200
MAX_CONNECT_S = 5.0
# httpcore walks its whole pool for every call, so one pool of 200 costs more than eight of 25 (1.5 to 1.8 times, measured).
POOLS = 8
_KEEPALIVE_S = 20.0
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_LOST = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, RuntimeError, ValueError)


class NeverLeft(Exception):
    """No byte of the request reached the platform."""


class BadToken(NeverLeft):
    """The token is none that fits a header."""


class Lost(Exception):
    """The request may have reached the platform and there is no usable answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `url` is whole but for `params`; `content` is the body as bytes, whose type a header names."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever the platform answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Json:
        """Return the object in the body, empty if there is none; the content type is not trusted."""
        try:
            return mapping(load(self.body))
        except NotJson:
            return {}


def path(*segments: str) -> str:
    """Join ids to a path; none of them can climb out of its place."""
    return "/".join(quote(segment, safe="").replace(".", "%2E") for segment in segments)


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token; raise BadToken if it fits none."""
    return {"authorization": f"Bearer {fitting(token)}"}


def fitting(token: str) -> str:
    """Return a token that may stand in a header; raise BadToken for any other."""
    if not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise BadToken("the token does not fit a header")
    return token


class HttpClient:
    """The shared client of one connector and one event loop; its pools are opened by the first call."""

    def __init__(self) -> None:
        self._pools: list[_Pool] = []

    async def call(self, request: Request, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft or Lost.

        Pool, TCP and TLS get a quarter of the deadline each, so that the deadline itself ends only calls that left.
        """
        if deadline_s <= 0:
            raise NeverLeft("no time left")
        pool = self._least_busy()
        built = _built(pool.client, request, deadline_s)
        pool.busy += 1
        try:
            async with asyncio.timeout(deadline_s):
                return await _exchange(pool.client, built)
        except TimeoutError:
            raise Lost("no whole answer within the deadline") from None
        except _NEVER_LEFT as error:
            raise NeverLeft(type(error).__name__) from None
        except _LOST as error:
            raise Lost(type(error).__name__) from None
        finally:
            pool.busy -= 1

    async def aclose(self) -> None:
        """Close the pools; a later call opens new ones."""
        pools, self._pools = self._pools, []
        for pool in pools:
            await pool.client.aclose()

    def _least_busy(self) -> _Pool:
        if not self._pools:
            # These log whole addresses, and one documented call carries the app's secret in its query.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            logging.getLogger("httpcore").setLevel(logging.WARNING)
            context = httpx.create_ssl_context(trust_env=False)
            self._pools = [_Pool(_open(context, MAX_CONNECTIONS // POOLS)) for _ in range(POOLS)]
        return min(self._pools, key=lambda pool: pool.busy)


@dataclass(slots=True)
class _Pool:
    client: httpx.AsyncClient
    busy: int = 0


def _built(client: httpx.AsyncClient, request: Request, deadline_s: float) -> httpx.Request:
    share = deadline_s / 4
    try:
        return client.build_request(
            request.method,
            request.url,
            params=dict(request.params) or None,
            headers={"accept": "application/json", "accept-encoding": "identity", **request.headers},
            content=request.content,
            timeout=httpx.Timeout(deadline_s, connect=min(share, MAX_CONNECT_S), pool=share),
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise NeverLeft(type(error).__name__) from None


def _open(context: ssl.SSLContext, connections: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=context,
        http1=True,
        http2=False,
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_S,
        ),
    )


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise Lost(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    finally:
        await response.aclose()
    return Answer(response.status_code, dict(response.headers), bytes(body))
