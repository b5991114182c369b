"""The business API's client: version, token header and the closing slash of one call (platforms.md 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from server.platforms.wire.http import Answer, HttpClient, Request, fitting
from server.platforms.wire.reading import Json

VERSION = "open_api/v1.3"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `path` has no slash at its ends; `content` is a body whose type is `content_type`."""

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"


class TikTokClient:
    """The client of our app at one host. The query is percent-encoded, so "+" of an id leaves as %2B."""

    def __init__(self, base_url: str) -> None:
        self._base = f"{base_url.rstrip('/')}/{VERSION}"
        self._http = HttpClient()

    async def call(self, call: Call, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft (BadToken) or Lost."""
        headers: dict[str, str] = {}
        if call.token is not None:
            headers["access-token"] = fitting(call.token)
        if call.content is not None:
            headers["content-type"] = call.content_type
        request = Request(call.method, f"{self._base}/{call.path}/", headers, call.params, call.content)
        return await self._http.call(request, deadline_s)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._http.aclose()


def get(path: str, token: str | None, params: Mapping[str, str]) -> Call:
    """Return a reading call."""
    return Call("GET", path, token, params)


def post(path: str, token: str | None, body: Json) -> Call:
    """Return a call with a JSON body; TypeError for half of a surrogate pair in a text."""
    return Call("POST", path, token, content=orjson.dumps(body))
