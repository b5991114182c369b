"""One HTTP client for the Graph API: one call, one deadline, no retries, no redirects, bounded answers.

It says only what happened to a call (answered, never left, lost); what an answer means is decided by its callers.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

import httpx

from server.platforms.messenger.reading import Json, NotJson, load, mapping

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
class GraphCall:
    """One call. `path` is made by `path()`, `token` goes into a header, `content` is a JSON body."""

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
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


class GraphClient:
    """The shared client of one process and one event loop; the pool is opened by the first call."""

    def __init__(self, base_url: str, version: str, app_secret: str) -> None:
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._secret = app_secret.encode()
        self._pools: list[_Pool] = []

    async def call(self, call: GraphCall, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft or Lost.

        Pool, TCP and TLS get a quarter of the deadline each, so that the deadline itself ends only calls that left.
        """
        if deadline_s <= 0:
            raise NeverLeft("no time left")
        pool = self._least_busy()
        request = self._request(pool.client, call, deadline_s)
        pool.busy += 1
        try:
            async with asyncio.timeout(deadline_s):
                return await _exchange(pool.client, request)
        except TimeoutError:
            raise Lost("no whole answer within the deadline") from None
        except _NEVER_LEFT as error:
            raise NeverLeft(type(error).__name__) from None
        except _LOST as error:
            raise Lost(type(error).__name__) from None
        finally:
            pool.busy -= 1

    async def aclose(self) -> None:
        """Close the pool; a later call opens a new one."""
        pools, self._pools = self._pools, []
        for pool in pools:
            await pool.client.aclose()

    def proof(self, token: str) -> str:
        """Return the appsecret_proof of a token (platforms.md 1.1)."""
        return hmac.new(self._secret, token.encode(), hashlib.sha256).hexdigest()

    def _request(self, client: httpx.AsyncClient, call: GraphCall, deadline_s: float) -> httpx.Request:
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        params = dict(call.params)
        if call.token is not None:
            if not (call.token.isascii() and call.token.isprintable() and call.token.strip() == call.token != ""):
                raise BadToken("the token does not fit a header")
            headers["authorization"] = f"Bearer {call.token}"
            params["appsecret_proof"] = self.proof(call.token)
        if call.content is not None:
            headers["content-type"] = "application/json"
        share = deadline_s / 4
        timeout = httpx.Timeout(deadline_s, connect=min(share, MAX_CONNECT_S), pool=share)
        try:
            return client.build_request(
                call.method,
                f"{self._base}/{call.path}",
                params=params,
                headers=headers,
                content=call.content,
                timeout=timeout,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise NeverLeft(type(error).__name__) from None

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
