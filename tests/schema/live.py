"""A client of live changes: graphql-transport-ws over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.api import Api

PROTOCOL = Subprotocol("graphql-transport-ws")
CHANGES = """subscription($after: String, $unitId: ID) { inboxChanges(after: $after, unitId: $unitId) {
  cursor conversation { id unreadCount status assignee { name deactivatedAt } page { name health } contact { name }
    labels { name } lastMessage { text seq } } } }"""


@dataclass(slots=True)
class Socket:
    """One connection. Messages of several operations arrive in one row."""

    connection: ClientConnection = field(repr=False)

    async def say(self, message: dict[str, Any]) -> None:
        """Send one protocol message."""
        await self.connection.send(json.dumps(message))

    async def subscribe(self, after: str | None, unit_id: str | None = None, *, id: str = "1") -> None:
        """Subscribe to the inbox."""
        payload = {"query": CHANGES, "variables": {"after": after, "unitId": unit_id}}
        await self.say({"id": id, "type": "subscribe", "payload": payload})

    async def hear(self, seconds: float = 10) -> dict[str, Any]:
        """Wait for the next protocol message."""
        async with asyncio.timeout(seconds):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def change(self) -> dict[str, Any]:
        """Wait for the next change of the inbox."""
        message = await self.hear()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        change: dict[str, Any] = message["payload"]["data"]["inboxChanges"]
        return change

    async def end(self) -> dict[str, Any]:
        """Wait for the error that ends the subscription, and for its end; return the error's extensions."""
        message = await self.hear()
        extensions: dict[str, Any] = message["payload"]["errors"][0]["extensions"]
        assert (await self.hear())["type"] == "complete"
        return extensions

    async def is_quiet(self, seconds: float) -> bool:
        """Say whether nothing is heard for a while."""
        try:
            await self.hear(seconds)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def a_socket(
    api: Api, token: str, headers: Mapping[str, str] = MappingProxyType({}), init: Mapping[str, str] | None = None
) -> AsyncIterator[Socket]:
    """Connect as the token's owner, with more headers and a payload of connection_init if they are given."""
    url = f"{api.url.replace('http', 'ws', 1)}/graphql"
    headers = {"authorization": f"Bearer {token}", **headers}
    async with connect(url, subprotocols=[PROTOCOL], additional_headers=headers, proxy=None) as connection:
        socket = Socket(connection)
        await socket.say({"type": "connection_init", **({} if init is None else {"payload": init})})
        assert (await socket.hear())["type"] == "connection_ack"
        yield socket


async def cursor_of(api: Api, token: str) -> str:
    """Ask where changes begin now."""
    cursor: str = (await api.ask("{ inboxCursor }", token=token)).data["inboxCursor"]
    return cursor
