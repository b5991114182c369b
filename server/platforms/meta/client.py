"""The Graph API's client: version, token and proof of one call (platforms.md 1.1), on the shared HTTP client."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.platforms.wire.http import Answer, HttpClient, Request, bearer


@dataclass(frozen=True, slots=True)
class GraphCall:
    """One call. `path` is made by `wire.http.path()`, `token` goes into a header, `content` is a JSON body."""

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)


class GraphClient:
    """The client of one app at one host; the app's secret proves that a token is used by whom it was given to."""

    def __init__(self, base_url: str, version: str, app_secret: str) -> None:
        self._base = f"{base_url.rstrip('/')}/{version}" if version else base_url.rstrip("/")
        self._secret = app_secret.encode()
        self._http = HttpClient()

    async def call(self, call: GraphCall, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft (BadToken) or Lost."""
        headers: dict[str, str] = {}
        params = dict(call.params)
        if call.token is not None:
            headers |= bearer(call.token)
            params["appsecret_proof"] = self.proof(call.token)
        if call.content is not None:
            headers["content-type"] = "application/json"
        request = Request(call.method, f"{self._base}/{call.path}", headers, params, call.content)
        return await self._http.call(request, deadline_s)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._http.aclose()

    def proof(self, token: str) -> str:
        """Return the appsecret_proof of a token (platforms.md 1.1)."""
        return hmac.new(self._secret, token.encode(), hashlib.sha256).hexdigest()
