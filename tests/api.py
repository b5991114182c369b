"""The API over real HTTP: a uvicorn server in the test process, and a client that speaks GraphQL as a stranger would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from server.config import SocketSettings, WebSettings
from server.web.connections import GuardedConfig

MODERN = "application/graphql-response+json"


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve an application on a free loopback port, or on one that is bound already; give its address."""
    listening = listening or a_socket()
    port = listening.getsockname()[1]
    server = uvicorn.Server(GuardedConfig(app, WebSettings(), SocketSettings()))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
        listening.close()


def a_socket() -> socket.socket:
    """Bind a loopback port that nobody else has."""
    # With its protocol named: only then asyncio turns off Nagle's algorithm, and no answer waits 40 ms for an acknowledgement.
    found = socket.socket(proto=socket.IPPROTO_TCP)
    found.bind(("127.0.0.1", 0))
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    cost: dict[str, Any] | None = field(default=None, compare=False)
    """`extensions.cost`; it is no part of the answer to compare, since a repetition may cost less."""

    @property
    def data(self) -> dict[str, Any]:
        """Return the data of an answer without errors."""
        assert "errors" not in self.body, self.body
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """Return the codes of the top-level errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


@dataclass(frozen=True, slots=True)
class Api:
    """A client of one server."""

    url: str
    http: httpx.AsyncClient

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None, key: str | None = None
    ) -> Answer:
        """Send one GraphQL request."""
        headers = {"accept": MODERN}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if key is not None:
            headers["idempotency-key"] = key
        body = {"query": query, "variables": variables or {}}
        response = await self.http.post(f"{self.url}/graphql", json=body, headers=headers)
        return answer_of(response)


def answer_of(response: httpx.Response) -> Answer:
    """Read an answer. No operation of any test may have cost more than its price."""
    answered = response.json()
    cost = answered.pop("extensions", {}).get("cost")
    if cost is not None:
        assert cost["actualQueryCost"] <= cost["requestedQueryCost"], cost
    return Answer(response.status_code, answered, cost)
