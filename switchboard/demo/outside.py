"""The world outside: a person's browser, and the customers with their phones. Both reach the stand-in, never our tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from switchboard.demo.telling import NotSo

Json = dict[str, Any]
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@dataclass(frozen=True, slots=True)
class Outside:
    """The stand-in's control API and its consent dialogue."""

    url: str
    http: httpx.AsyncClient

    async def control(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        """Call the control API; raise NotSo when it refuses."""
        response = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        if not response.is_success:
            raise NotSo(f"the stand-in answered {path} with {response.status_code}: {response.text[:300]}")
        return response.json()

    async def does(self, page: str, person: str, deed: str, **body: object) -> Json:
        """Let a customer do something on the phone."""
        told: Json = await self.control(f"customers/{page}/{person}/{deed}", body)
        return told

    async def sees(self, page: str, person: str) -> Json:
        """Return a customer's own view: profile and messages, oldest first."""
        told: Json = await self.control(f"customers/{page}/{person}", method="GET")
        return told

    async def is_quiet(self) -> bool:
        """Say whether no webhook and no receipt is on its way."""
        pending = await self.control("settled", method="GET")
        return bool(pending["pending_webhooks"] == 0 and pending["pending_receipts"] == 0)

    async def consent(self, authorize_url: str, person: str, action: str = "allow") -> dict[str, str]:
        """Walk a browser through the dialogue and our callback; return the parameters that it arrives with."""
        shown = await self.http.get(authorize_url)
        form = {unescape(name): unescape(value) for name, value in _HIDDEN.findall(shown.text)}
        if shown.status_code != 200 or not form:
            raise NotSo(f"the consent dialogue answered with {shown.status_code}")
        where, headers = authorize_url.partition("?")[0], {"origin": self.url}
        answered = await self.http.post(where, data=form | {"person": person, "action": action}, headers=headers)
        back = urljoin(where, _location(answered))
        returned = _location(await self.http.get(back))
        return {name: values[0] for name, values in parse_qs(urlsplit(returned).query).items()}


def _location(response: httpx.Response) -> str:
    if not response.has_redirect_location:
        raise NotSo(f"{response.url.path} answered with {response.status_code} instead of a redirect")
    return response.headers["location"]
