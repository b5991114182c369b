"""A browser without scripts: it keeps cookies, reads forms, and sends them with the headers that browsers send."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie

import httpx

from tests.api import Api
from tests.schema.strangers import a_network


@dataclass(slots=True)
class Browser:
    """One browser in one network. `origin` is the site whose pages it believes to be on."""

    api: Api
    origin: str
    http: httpx.AsyncClient
    network: str = field(default_factory=a_network)
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    page: httpx.Response | None = None

    async def get(self, path: str) -> httpx.Response:
        """Open a page and follow nothing."""
        return await self._send("GET", path, {})

    async def submit(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """Open the page and send its first form, the hidden fields as they stand."""
        await self.get(path)
        return await self.post(path, hidden(self.text) | fields, headers)

    async def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        """Send a form."""
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin"} | (headers or {})
        return await self._send("POST", path, {name: value for name, value in sent.items() if value}, fields)

    async def ask(self, query: str, **headers: str) -> httpx.Response:
        """Ask GraphQL as a page's script does."""
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        told = self._headers({name: value for name, value in sent.items() if value})
        return await self.http.post(f"{self.api.url}/graphql", json={"query": query}, headers=told)

    @property
    def text(self) -> str:
        """Return the page that is open."""
        assert self.page is not None
        return self.page.text

    def cookie(self, name: str) -> str:
        """Return a cookie by its plain name."""
        return self.cookies.get(f"__Host-{name}", self.cookies.get(name, ""))

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        host = {"host": self.origin.partition("//")[2]}
        return {"x-forwarded-for": self.network, **host, **({"cookie": kept} if kept else {}), **more}

    async def _send(
        self, method: str, path: str, headers: dict[str, str], fields: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = self._headers(headers)
        answer = await self.http.request(method, f"{self.api.url}{path}", headers=sent, data=fields)
        self.set_cookies = answer.headers.get_list("set-cookie")
        for line in self.set_cookies:
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None)
                if morsel.value:
                    self.cookies[name] = morsel.value
        self.page = answer
        return answer


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the first form of a page."""
    form = page.partition("<form")[2].partition("</form>")[0]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found}


@asynccontextmanager
async def browsing(api: Api, origin: str | None = None) -> AsyncIterator[Browser]:
    """Open a browser."""
    async with httpx.AsyncClient(timeout=30, trust_env=False, follow_redirects=False) as http:
        yield Browser(api, origin or api.url, http)
