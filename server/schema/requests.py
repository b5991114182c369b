"""Requests of GraphQL over HTTP: reading their form, and where their credentials stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from server.auth import service as auth
from server.auth.browsers import CSRF_HEADER, TOKEN, Sent, comes_from_us, is_csrf_of
from server.auth.service import Caller
from server.config import Settings
from server.documents.rules import ClientBuild, build_named
from server.kit.ids import encode, new_id
from server.schema.errors import Malformed, Unauthenticated

MODERN = "application/graphql-response+json"
MAX_VALUES = 10_000
"""Values in the variables of a request, at any depth."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request's body, read and checked in its form: a document's text, its id, or both."""

    query: str | None
    document_id: str | None
    variables: dict[str, Any]
    operation_name: str | None


def read(request: Request, body: bytes) -> Wanted:
    """Read the body of a POST; raise Malformed that says what is wrong with it."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Malformed("Send the request as application/json.")
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("The body is not JSON in UTF-8.") from error
    if not isinstance(data, dict):
        raise Malformed("The body must be one JSON object; batches are not offered.")
    return wanted_of(data)


def read_query(request: Request) -> Wanted:
    """Read the members of a GET, as GraphQL over HTTP has them: objects are written as JSON. Only where GET is offered."""
    data: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in data:
            try:
                data[name] = orjson.loads(data[name])
            except orjson.JSONDecodeError as error:
                raise Malformed(f"{name} is not JSON in UTF-8.") from error
    return wanted_of(data)


class SentText(str):
    """A socket's document with the id that came beside it: our library hands on the text alone. Blank if only the id came."""

    document_id: object = None


def wanted_over_socket(text: object, variables: object, operation_name: object) -> Wanted:
    """Check the members of a `subscribe` message; raise Malformed that says what is wrong with them."""
    named: dict[str, object] = {"query": text}
    if isinstance(text, SentText):
        named = {"query": text if text.strip() else None, "documentId": text.document_id}
    return wanted_of({**named, "variables": variables, "operationName": operation_name})


def wanted_of(data: Mapping[str, Any]) -> Wanted:
    """Check the members of a request; raise Malformed that says what is wrong with them."""
    query, document_id = data.get("query"), data.get("documentId")
    variables, name = data.get("variables"), data.get("operationName")
    if query is None and document_id is None:
        raise Malformed("Give a query (text) or a documentId.")
    if query is not None and (not isinstance(query, str) or not query.strip()):
        raise Malformed("query must be a text that is not empty.")
    if document_id is not None and not isinstance(document_id, str):
        raise Malformed("documentId must be a text.")
    if variables is not None and not isinstance(variables, dict):
        raise Malformed("variables must be an object.")
    if name is not None and not isinstance(name, str):
        raise Malformed("operationName must be a text.")
    if not isinstance(data.get("extensions", {}), (dict, type(None))):
        raise Malformed("extensions must be an object.")
    _refuse_too_many(variables)
    return Wanted(query, document_id, variables or {}, name)


def _refuse_too_many(variables: object) -> None:
    """Raise Malformed for more values than any operation takes: each is looked at before anything else is known of it."""
    found, waiting = 0, [variables]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (dict, list)):
            found += len(one)
            if found > MAX_VALUES:
                raise Malformed(f"The variables have more than {MAX_VALUES} values.")
            waiting.extend(one.values() if isinstance(one, dict) else one)


def bearer(header: object) -> str | None:
    """Return the token of an Authorization header."""
    if not isinstance(header, str):
        return None
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def cookie_token(request: Request, settings: Settings) -> str | None:
    """Return the token of the cookie; raise Unauthenticated if one came from another site or without its other half."""
    cookie = request.cookies.get(TOKEN.on(settings))
    if cookie is None:
        return None
    sent = Sent(*(request.headers.get(name) for name in ("origin", "host", "sec-fetch-site")))
    if not comes_from_us(settings, sent, settings.web.origins):
        raise Unauthenticated
    if not has_other_half(settings, cookie, request.headers.get(CSRF_HEADER)):
        raise Unauthenticated
    return cookie


def has_other_half(settings: Settings, cookie: str | None, given: object) -> bool:
    """Say whether the CSRF token that came beside a cookie is the one that belongs to it."""
    return is_csrf_of(settings, TOKEN.base, cookie, given if isinstance(given, str) else None)


def sender_of(request: HTTPConnection) -> Caller:
    """Return the browser and the network of a request."""
    host = None if request.client is None else request.client.host
    return Caller(request.headers.get("user-agent", ""), auth.network_of(host))


def build_of(connection: HTTPConnection) -> ClientBuild:
    """Return which app, and which version of it, the caller says it is."""
    return build_in(connection.headers)


def build_in(said: Mapping[str, object]) -> ClientBuild:
    """Return the same of headers, or of the payload of a socket's connection_init."""
    name, version = said.get("x-client-name"), said.get("x-client-version")
    return build_named(name if isinstance(name, str) else None, version if isinstance(version, str) else None)


def request_id_of(scope: Scope) -> str:
    """Return the id that the middleware gave the request."""
    found = scope.get("state", {}).get("request_id")
    return found if isinstance(found, str) else encode("req", new_id())
