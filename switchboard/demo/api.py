"""A client of the API that knows only the contract: trusted documents, bearer tokens, idempotency keys, live changes."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from switchboard.demo.contract import Contract, Operation
from switchboard.demo.telling import NotSo

Json = dict[str, Any]
PAGE = 100
_MODERN = "application/graphql-response+json"
_ID = re.compile(r"^[a-z]+_[0-9a-z]{26}$")


@dataclass(slots=True)
class Asked:
    """Every id that one organization was shown, and how many requests that took."""

    ids: set[str] = field(default_factory=set)
    requests: int = 0

    def note(self, value: object) -> None:
        """Keep every id in an answer."""
        if isinstance(value, dict):
            for one in value.values():
                self.note(one)
        elif isinstance(value, list):
            for one in value:
                self.note(one)
        elif isinstance(value, str) and _ID.match(value):
            self.ids.add(value)


@dataclass(slots=True)
class Person:
    """Somebody who asks: a name for the report, a role, and a token."""

    name: str
    role: str
    organization: str
    token: str = field(repr=False)
    email: str = ""
    password: str = field(default="", repr=False)
    asked: Asked = field(default_factory=Asked, repr=False)


@dataclass(frozen=True, slots=True)
class Api:
    """One server."""

    url: str
    http: httpx.AsyncClient
    contract: Contract

    async def answer(self, person: Person, name: str, variables: Json | None = None) -> Json:
        """Send a reference operation by its id and return the whole answer, errors included."""
        operation = self.contract.operation(name)
        body = {"documentId": operation.document_id, "variables": _with_key(operation, variables)}
        headers = {"authorization": f"Bearer {person.token}", "accept": _MODERN}
        response = await self.http.post(f"{self.url}/graphql", json=body, headers=headers)
        person.asked.requests += 1
        if not response.headers.get("content-type", "").startswith(_MODERN):
            raise NotSo(f"{name} was answered with {response.status_code} and no GraphQL response")
        told: Json = response.json()
        return told

    async def ask(self, person: Person, name: str, variables: Json | None = None) -> Any:
        """Return the one root field of an operation; raise NotSo for any error or refusal."""
        told = await self.answer(person, name, variables)
        if told.get("errors"):
            raise NotSo(f"{person.name} asked {name}: {_errors(told)}")
        (root,) = told["data"].values()
        if isinstance(root, dict) and root.get("userErrors"):
            raise NotSo(f"{person.name} asked {name}: {json.dumps(root['userErrors'])}")
        person.asked.note(root)
        return root

    async def refusal(self, person: Person, name: str, variables: Json) -> str:
        """Return the code of the one refusal that a mutation must be answered with."""
        told = await self.answer(person, name, variables)
        (root,) = (told.get("data") or {"": None}).values()
        refusals = [one["code"] for one in (root or {}).get("userErrors", [])]
        if len(refusals) != 1:
            raise NotSo(f"{person.name} asked {name} and should have been refused: {json.dumps(told)[:400]}")
        return str(refusals[0])

    async def all(self, person: Person, name: str, variables: Json | None = None) -> list[Json]:
        """Return every node of a list, page after page."""
        nodes: list[Json] = []
        after: str | None = None
        while True:
            page = await self.ask(person, name, {"first": PAGE, **(variables or {}), "after": after})
            nodes += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return nodes
            after = page["pageInfo"]["endCursor"]

    @asynccontextmanager
    async def subscribed(self, person: Person, name: str, variables: Json) -> AsyncIterator[AsyncIterator[Json]]:
        """Subscribe over graphql-transport-ws and yield the payloads of the root field as they come."""
        operation = self.contract.operation(name)
        address = f"{self.url.replace('http', 'ws', 1)}/graphql"
        token = {"authorization": f"Bearer {person.token}"}
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": token}))
            begun = json.loads(await socket.recv())
            if begun["type"] != "connection_ack":
                raise NotSo(f"{name}: the socket was answered with {begun['type']}")
            body = {"query": operation.text, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": body}))
            yield _payloads(socket, name, person)


async def _payloads(socket: ClientConnection, name: str, person: Person) -> AsyncIterator[Json]:
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "ping":
            await socket.send(json.dumps({"type": "pong"}))
        elif message["type"] == "next" and not message["payload"].get("errors"):
            (root,) = message["payload"]["data"].values()
            person.asked.note(root)
            yield root
        elif message["type"] != "pong":
            raise NotSo(f"{name} ended: {json.dumps(message)[:400]}")


def _with_key(operation: Operation, variables: Json | None) -> Json:
    given = dict(variables or {})
    if operation.needs_key and "key" not in given:
        given["key"] = str(uuid.uuid4())
    return given


def _errors(told: Json) -> str:
    return "; ".join(f"{one['extensions'].get('code')}: {one['message']}" for one in told["errors"])
