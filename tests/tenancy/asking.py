"""Asking over HTTP: many calls of one root field in one document, and answers in a form that can be compared."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from graphql import GraphQLField, GraphQLNonNull, build_client_schema, get_introspection_query

from server.kit.ids import encode, new_id
from tests.api import MODERN, Api
from tests.tenancy.shapes import Shapes, Wanted

DEPTH = 4
AT_ONCE = 14
BODY_LENGTH = 26
SIDE_BY_SIDE = 5
_REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")
_HEADERS_OF_THE_MOMENT = frozenset({"date", "x-request-id", "server"})


@dataclass(frozen=True, slots=True)
class Heard:
    """One HTTP answer: what a person would compare, and all of its text for the detector."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    text: str
    sent: tuple[str, ...] = ()

    def told(self) -> str:
        """Return everything that the answer tells, without the ids that were sent and the number of the request."""
        body = dict(self.body)
        body["errors"] = sorted(body.get("errors", []), key=lambda one: json.dumps(one.get("path", [])))
        headers = {name: value for name, value in self.headers.items() if name not in _HEADERS_OF_THE_MOMENT}
        text = json.dumps([self.status, body, headers], sort_keys=True)
        for one in sorted(self.sent, key=len, reverse=True):
            text = text.replace(one, "<id>")
        return _REQUEST_ID.sub("<request>", text)

    def everything(self) -> str:
        """Return all text of the answer."""
        return "\n".join([*(f"{name}: {value}" for name, value in self.headers.items()), self.text])

    def of(self, alias: str) -> tuple[Any, list[dict[str, Any]]]:
        """Return the data and the errors of one call in the document."""
        errors = [one for one in self.body.get("errors", []) if (one.get("path") or [alias])[0] == alias]
        return (self.body.get("data") or {}).get(alias), errors


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a root field with its arguments filled."""

    arguments: Mapping[str, object]
    sent: tuple[str, ...] = ()


@dataclass(slots=True)
class Asker:
    """A person, or nobody, at the API."""

    api: Api
    shapes: Shapes
    token: str | None
    heard: list[Heard] = field(default_factory=list)
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SIDE_BY_SIDE))

    async def ask(
        self, operation: str, name: str, one: GraphQLField, calls: Sequence[Call], depth: int = DEPTH
    ) -> list[Heard]:
        """Call one root field many times, a few calls per request; return the answers in order.

        Queries are asked side by side; mutations one after the other, since each finds what the one before it left.
        """
        # A field that must not be null takes its neighbours with it when it fails: such calls go one by one.
        # What shows any node selects on every type: a few of these in one document pass its limits.
        size = 1 if isinstance(one.type, GraphQLNonNull) or name in ("node", "nodes") else AT_ONCE
        requests = []
        for start in range(0, len(calls), size):
            some = calls[start : start + size]
            document, variables = self._document(operation, name, one, some, depth)
            sent = tuple(itertools.chain.from_iterable(call.sent for call in some))
            requests.append((document, variables, sent))
        if operation == "query":
            return await asyncio.gather(*(self.post(*request) for request in requests))
        return [await self.post(*request) for request in requests]

    async def post(self, document: str, variables: Mapping[str, object], sent: tuple[str, ...] = ()) -> Heard:
        """Send one request and remember the answer."""
        headers = {"accept": MODERN, "content-type": "application/json"} | (
            {"authorization": f"Bearer {self.token}"} if self.token else {}
        )
        async with self._at_once:
            response = await self.api.http.post(
                # Escaped, and numbers that JSON does not know: a stranger is bound to no client library.
                f"{self.api.url}/graphql",
                content=json.dumps({"query": document, "variables": variables}),
                headers=headers,
            )
        heard = _heard(response, sent)
        self.heard.append(heard)
        return heard

    def _document(
        self, operation: str, name: str, one: GraphQLField, calls: Sequence[Call], depth: int
    ) -> tuple[str, dict[str, object]]:
        fragments: dict[str, str] = {}
        selection = self.shapes.select(one.type, depth, fragments)
        declared, lines = [], []
        variables: dict[str, object] = {}
        for number, call in enumerate(calls):
            # Every argument has its variable, given or not: one text for all ways to call, parsed by the service once.
            given = {argument: f"v{number}_{argument}" for argument in one.args}
            declared += [f"${variable}: {one.args[argument].type}" for argument, variable in given.items()]
            variables |= {given[argument]: value for argument, value in call.arguments.items()}
            arguments = ", ".join(f"{argument}: ${variable}" for argument, variable in given.items())
            key = ""
            if operation == "mutation":
                declared.append(f"$k{number}: String!")
                variables[f"k{number}"], key = new_id().hex, f" @idempotent(key: $k{number})"
            lines.append(f"a{number}: {name}{_in_parentheses([arguments])}{key} {selection}")
        head = f"{operation} Walk{_in_parentheses(declared)}"
        return " ".join([head, "{", *lines, "}", *fragments.values()]), variables


def _in_parentheses(parts: Sequence[str]) -> str:
    inside = ", ".join(part for part in parts if part)
    return f"({inside})" if inside else ""


def _heard(response: httpx.Response, sent: tuple[str, ...]) -> Heard:
    assert response.headers["content-type"].startswith("application/"), f"{response.status_code} {response.text[:2000]}"
    answered, text, headers = response.json(), response.text, dict(response.headers)
    if isinstance(answered, dict) and "extensions" in answered:
        # How a budget stands depends on the moment. What an answer cost is compared, since it could tell what is there.
        answered["extensions"].get("cost", {}).pop("throttleStatus", None)
        text = json.dumps(answered)
        headers.pop("content-length", None)
    return Heard(response.status_code, headers, answered, text, sent)


async def read_shapes(api: Api, token: str) -> Shapes:
    """Read the schema from the running service."""
    query = get_introspection_query(
        descriptions=False, type_depth=5
    )  # the library's own depth of 9 is beyond our limit
    return Shapes(build_client_schema((await api.ask(query, token=token)).data))  # type: ignore[arg-type]


def filled(arguments: object, ids: Sequence[str]) -> Any:
    """Return arguments with the wanted ids put in, in order."""
    left = iter(ids)

    def put(value: object) -> object:
        match value:
            case Wanted():
                return next(left)
            case dict():
                return {key: put(one) for key, one in value.items()}
            case list():
                return [put(one) for one in value]
            case _:
                return value

    return put(arguments)


def a_random_id_like(one: str) -> str:
    """Make an id of the same kind that was never given to anything; what follows the id's body stays, such as a line."""
    kind, _, rest = one.partition("_")
    return encode(kind, new_id()) + rest[BODY_LENGTH:]
