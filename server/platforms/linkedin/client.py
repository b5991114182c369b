"""LinkedIn's client: headers, percent-encoded URNs and Rest.li queries, on the shared HTTP client (platforms.md 5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import orjson

from server.platforms.wire.http import Answer, HttpClient, Request, bearer

_PROTOCOL = "2.0.0"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the versioned API. `path` and `query` are encoded already, `body` is written as JSON."""

    method: str
    path: str
    token: str = field(repr=False)
    query: str = ""
    content: bytes | None = field(default=None, repr=False)


class LinkedInClient:
    """The client of one app at LinkedIn."""

    def __init__(self, api_url: str, dialog_url: str, version: str) -> None:
        self._api = api_url.rstrip("/")
        self._dialog = dialog_url.rstrip("/")
        self._version = version
        self._http = HttpClient()

    async def call(self, call: Call, deadline_s: float) -> Answer:
        """Carry out one call within `deadline_s` seconds in all; raise NeverLeft (BadToken) or Lost."""
        headers = {
            **bearer(call.token),
            "linkedin-version": self._version,
            "x-restli-protocol-version": _PROTOCOL,
        }
        if call.content is not None:
            headers["content-type"] = "application/json"
        # The query is not handed over as parameters: Rest.li wants its brackets and commas as they are.
        url = f"{self._api}/{call.path}" + (f"?{call.query}" if call.query else "")
        return await self._http.call(Request(call.method, url, headers, content=call.content), deadline_s)

    async def token_call(self, form: Mapping[str, str], deadline_s: float) -> Answer:
        """Ask the token endpoint, which takes a form; raise NeverLeft or Lost."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        url = f"{self._dialog}/oauth/v2/accessToken"
        return await self._http.call(Request("POST", url, headers, content=urlencode(form).encode()), deadline_s)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._http.aclose()


def encoded(value: str) -> str:
    """Return an id or URN fit for a path, a key or a list: nothing in it can be taken for structure."""
    return quote(value, safe="").replace(".", "%2E")


def listed(values: Sequence[str]) -> str:
    """Return a Rest.li list of these values."""
    return f"List({','.join(encoded(value) for value in values)})"


def query_of(**parts: str | int) -> str:
    """Join parameters to a query; texts must be encoded already (`encoded`, `listed`)."""
    return "&".join(f"{name}={value}" for name, value in parts.items())


def json_of(body: object) -> bytes:
    """Write a body; raise TypeError for half of a surrogate pair."""
    return orjson.dumps(body)
