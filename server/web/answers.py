"""The one form of an error on the wire, and the refusals that carry it.

`{"error": {"code", "message", "requestId"}}` everywhere; for GraphQL an answer with `errors`, as its clients expect.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from server.platforms.port import Channel, Connector
from server.platforms.registry import ChannelNotOffered, Registry

GRAPHQL_PATH = "/graphql"
_GRAPHQL_CODES = {408: "TIMEOUT", 429: "RATE_LIMITED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "TIMEOUT"}
"""The closed list of the GraphQL contract, by status; what else is refused here is a bad request."""


class Refused(Exception):
    """A request that is answered with a status, a stable code and a text for people; `Failures` writes the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def too_large(limit: int) -> Refused:
    """Return the refusal of a body beyond `limit` bytes. The rest of it is not read, so the connection ends."""
    return Refused(413, "payload_too_large", f"The body has more than {limit} bytes.", {"connection": "close"})


def request_id(scope: Scope) -> str:
    """Return the id that `RequestId` gave the request, "" without it."""
    state = scope.get("state")
    found = state.get("request_id", "") if isinstance(state, dict) else ""
    return found if isinstance(found, str) else ""


def error_answer(scope: Scope, refused: Refused) -> Response:
    """Write a refusal in the form that the path's clients read."""
    told = {"message": refused.message, "requestId": request_id(scope)}
    if scope.get("path") == GRAPHQL_PATH:
        code = _GRAPHQL_CODES.get(refused.status, "BAD_REQUEST")
        extensions = {"code": code, "requestId": told["requestId"]}
        body: object = {"errors": [{"message": refused.message, "extensions": extensions}]}
        media_type = "application/graphql-response+json" if _reads_graphql(scope) else "application/json"
    else:
        body, media_type = {"error": {"code": refused.code, **told}}, "application/json"
    return Response(orjson.dumps(body), refused.status, refused.headers, media_type)


def _reads_graphql(scope: Scope) -> bool:
    return any(name == b"accept" and b"graphql-response+json" in value for name, value in scope.get("headers", ()))


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Write the framework's own refusals (no such route, wrong method) in our form."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    phrase = HTTPStatus(status).phrase
    return error_answer(request.scope, Refused(status, phrase.lower().replace(" ", "_"), f"{phrase}.", headers))


def connector_of(registry: Registry, name: str) -> Connector:
    """Return the connector of a path's channel name; refuse with 404 what is not offered here."""
    try:
        return registry.of(Channel(name.upper()))
    except (ValueError, ChannelNotOffered):
        raise Refused(404, "not_found", "No such channel is offered here.") from None
