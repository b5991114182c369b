"""GraphQL over HTTP and WebSocket: reading requests, authenticating them, and answering by the specification.

HTTP follows "GraphQL over HTTP": `application/graphql-response+json` answers a refused request with 4xx, plain
`application/json` with 200. Batches, GET and subscriptions over HTTP are not offered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import strawberry
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.ides import get_graphql_ide_html
from strawberry.schema import Schema
from strawberry.types.graphql import OperationType

from server.auth import service as auth
from server.auth.browsers import CSRF_HEADER, TOKEN, Sent, comes_from_us, is_csrf_of
from server.auth.service import Caller
from server.config import Settings
from server.kit.errors import Unavailable
from server.kit.ids import encode, new_id
from server.schema.anonymous import anonymous_fields, asks_only_for
from server.schema.context import ApiContext, Services
from server.schema.errors import ApiError, DocumentNotFound, ErrorCode, Unauthenticated
from server.schema.masking import mask

_MODERN = "application/graphql-response+json"
_OPERATIONS = (OperationType.QUERY, OperationType.MUTATION)
_STATUS = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.UNAVAILABLE: 503}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request's body, read and checked in its form."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


class Malformed(ApiError):
    """The body is not a GraphQL request."""


class HttpEndpoint:
    """Answers POST /graphql, and GET with GraphiQL in development."""

    def __init__(self, schema: Schema, services: Services, documents: Mapping[str, str]) -> None:
        self._schema = schema
        self._services = services
        self._documents = documents
        self._anonymous = anonymous_fields(schema)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        request = Request(scope, receive)
        if request.method == "GET" and self._services.settings.web.is_open_for_development:
            await HTMLResponse(get_graphql_ide_html(graphql_ide="graphiql"))(scope, receive, send)
            return
        request_id = request_id_of(scope)
        is_modern = _MODERN in request.headers.get("accept", "")
        try:
            wanted = self._read(request, await request.body())
            context = await self._context(request, request_id, wanted)
        except (ApiError, Unavailable) as error:
            answer = _refusal(error, request_id)
            await _response(answer, is_modern, is_request_error=True)(scope, receive, send)
            return
        result = await self._schema.execute(
            wanted.query,
            variable_values=wanted.variables,
            context_value=context,
            operation_name=wanted.operation_name,
            allowed_operation_types=_OPERATIONS,
        )
        answer = (
            {} if result.errors and result.data is None and _is_request_error(result.errors) else {"data": result.data}
        )
        if result.errors:
            answer["errors"] = [_told(error, request_id) for error in result.errors]
        await _response(answer, is_modern, is_request_error="data" not in answer)(scope, receive, send)

    def _read(self, request: Request, body: bytes) -> Wanted:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise Malformed("Send the request as application/json.")
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Malformed("The body is not JSON in UTF-8.") from error
        if not isinstance(data, dict):
            raise Malformed("The body must be one JSON object; batches are not offered.")
        return self._wanted(data)

    def _wanted(self, data: dict[str, Any]) -> Wanted:
        query, document_id = data.get("query"), data.get("documentId")
        variables, name = data.get("variables"), data.get("operationName")
        if document_id is not None and query is None:
            if not isinstance(document_id, str) or document_id not in self._documents:
                raise DocumentNotFound
            query = self._documents[document_id]
        if not isinstance(query, str) or not query.strip():
            raise Malformed("Give a query (text) or a documentId.")
        if variables is not None and not isinstance(variables, dict):
            raise Malformed("variables must be an object.")
        if name is not None and not isinstance(name, str):
            raise Malformed("operationName must be a text.")
        if not isinstance(data.get("extensions", {}), (dict, type(None))):
            raise Malformed("extensions must be an object.")
        return Wanted(query, variables, name)

    async def _context(self, request: Request, request_id: str, wanted: Wanted) -> ApiContext:
        token = bearer(request.headers.get("authorization"))
        services = self._services
        caller = None
        is_anonymous = token is None and asks_only_for(self._anonymous, wanted.query)
        if token is None and not is_anonymous:
            token = _cookie(request, services.settings, request.headers.get(CSRF_HEADER))
        if token is not None:
            caller = await auth.authenticate(services.database, services.settings.security, token)
            if caller is None:
                raise Unauthenticated
        elif not is_anonymous and not services.settings.web.is_open_for_development:
            raise Unauthenticated
        key = request.headers.get("idempotency-key")
        return ApiContext(services, request_id, token, caller, key, sender=_sender(request))


class SocketEndpoint(GraphQL[ApiContext, None]):
    """Subscriptions over graphql-transport-ws. The token comes with the upgrade or in connection_init."""

    def __init__(self, schema: Schema, services: Services) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=("graphql-transport-ws",),
            max_subscriptions_per_connection=50,
            allowed_origins=services.settings.web.origins,
        )
        self._services = services

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> ApiContext:
        """Build the context of one socket; who calls is settled in on_ws_connect."""
        token = bearer(request.headers.get("authorization"))
        cookie = request.cookies.get(TOKEN.on(self._services.settings))  # of a page whose origin was checked already
        return ApiContext(self._services, request_id_of(request.scope), token, None, is_socket=True, cookie=cookie)

    async def on_ws_connect(self, context: ApiContext) -> None:
        """Authenticate before anything is subscribed; a socket without a valid token is closed with 4403."""
        parameters = context.connection_params or {}
        if context.token is None:
            context.token = bearer(parameters.get("authorization", parameters.get("Authorization")))
        if context.token is None and _has_other_half(self._services.settings, context.cookie, parameters.get("csrf")):
            context.token = context.cookie
        if context.token is not None:
            await context.refresh()
        if context.caller is None:
            raise ConnectionRejectionError({"code": ErrorCode.UNAUTHENTICATED.value})

    def encode_json(self, data: object) -> str:
        """Write JSON text."""
        return orjson.dumps(data).decode()


def _cookie(request: Request, settings: Settings, csrf: str | None) -> str | None:
    """Return the token of the cookie; raise Unauthenticated if one came from another site or without its other half."""
    cookie = request.cookies.get(TOKEN.on(settings))
    if cookie is None:
        return None
    sent = Sent(*(request.headers.get(name) for name in ("origin", "host", "sec-fetch-site")))
    if not comes_from_us(settings, sent, settings.web.origins):
        raise Unauthenticated
    if not _has_other_half(settings, cookie, csrf):
        raise Unauthenticated
    return cookie


def _has_other_half(settings: Settings, cookie: str | None, given: object) -> bool:
    return is_csrf_of(settings, TOKEN.base, cookie, given if isinstance(given, str) else None)


def _sender(request: Request) -> Caller:
    host = None if request.client is None else request.client.host
    return Caller(request.headers.get("user-agent", ""), auth.network_of(host))


def bearer(header: object) -> str | None:
    """Return the token of an Authorization header."""
    if not isinstance(header, str):
        return None
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def request_id_of(scope: Any) -> str:
    """Return the id that the middleware gave the request."""
    found = scope.get("state", {}).get("request_id")
    return found if isinstance(found, str) else encode("req", new_id())


def _told(error: GraphQLError, request_id: str) -> dict[str, Any]:
    mask(error, request_id)
    return dict(error.formatted)


def _is_request_error(errors: list[GraphQLError]) -> bool:
    return all(error.path is None for error in errors)


def _refusal(error: ApiError | Unavailable, request_id: str) -> dict[str, Any]:
    code = error.code if isinstance(error, ApiError) else ErrorCode.UNAVAILABLE
    return {"errors": [{"message": str(error), "extensions": {"code": code.value, "requestId": request_id}}]}


def _response(answer: dict[str, Any], is_modern: bool, *, is_request_error: bool) -> Response:
    codes = {one["extensions"]["code"] for one in answer.get("errors", ())}
    status = next((_STATUS[code] for code in _STATUS if code.value in codes), 200)
    if status == 200 and is_request_error and (is_modern or ErrorCode.BAD_REQUEST.value in codes):
        status = 400
    headers = {"retry-after": "5"} if status == 503 else {}
    media = f"{_MODERN}; charset=utf-8" if is_modern else "application/json; charset=utf-8"
    return Response(orjson.dumps(answer, default=str), status, headers, media)


def document_id(text: str) -> str:
    """Return the id of a trusted document: `sha256:<hex>` of its text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def routes(schema: strawberry.Schema, services: Services, documents: Mapping[str, str]) -> list[Route | WebSocketRoute]:
    """Return the routes of the API."""
    endpoint: Any = HttpEndpoint(schema, services, documents)
    socket: Any = SocketEndpoint(schema, services)
    return [
        Route("/graphql", endpoint, methods=["GET", "POST"] if _is_open(services) else ["POST"]),
        WebSocketRoute("/graphql", socket),
    ]


def _is_open(services: Services) -> bool:
    return services.settings.web.is_open_for_development
