"""The X API's client: the token or the app's own credentials on one call, on the shared HTTP client (platforms.md 4.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import orjson

from server.config import XSettings
from server.platforms.wire.http import Answer, HttpClient, Request, bearer
from server.platforms.wire.reading import Json

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class XCall:
    """One call. `path` is made by `wire.http.path()`; `headers` carry the credentials; `content_type` names what `content` is."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = JSON


class XClient:
    """The client of our app: user calls carry a person's token, token calls HTTP Basic, registrations the app-only bearer."""

    def __init__(self, settings: XSettings) -> None:
        self._base = settings.api_url.rstrip("/")
        self._client_id = settings.client_id
        self._client_secret = settings.client_secret.get_secret_value()
        self._bearer = settings.bearer_token.get_secret_value()
        self._http = HttpClient()

    @property
    def base(self) -> str:
        """The address that every path hangs on."""
        return self._base

    async def call(self, call: XCall, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft or Lost."""
        headers = dict(call.headers)
        if call.content is not None:
            headers["content-type"] = call.content_type
        return await self._http.call(
            Request(call.method, f"{self._base}/{call.path}", headers, call.params, call.content), deadline_s
        )

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._http.aclose()

    def basic(self) -> dict[str, str]:
        """Return the header of a confidential client (RFC 6749 section 2.3.1: both parts are form-encoded first)."""
        pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def app(self) -> dict[str, str]:
        """Return the header of the app itself, which registers webhooks; raise BadToken if none is configured."""
        return bearer(self._bearer)


def form(fields: Mapping[str, str]) -> bytes:
    """Return the body of a form POST."""
    return urlencode(fields).encode()


def document(fields: Json) -> bytes:
    """Return a JSON body; raise TypeError for half of a surrogate pair."""
    return orjson.dumps(fields)
