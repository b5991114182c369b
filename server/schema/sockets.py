"""Subscriptions over WebSocket, by graphql-transport-ws. The token comes with the upgrade or in connection_init."""

from __future__ import annotations

from datetime import timedelta
from json import JSONDecodeError

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema import Schema

from server.auth.browsers import TOKEN
from server.documents.rules import UNNAMED
from server.schema.context import ApiContext, Services
from server.schema.errors import ErrorCode
from server.schema.requests import SentText, bearer, build_in, build_of, has_other_half, request_id_of, sender_of

MAX_ID_BYTES = 64
"""Of an operation's id on a socket."""


class SocketEndpoint(GraphQL[ApiContext, None]):
    """Serves WebSockets on /graphql."""

    def __init__(self, schema: Schema, services: Services) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=("graphql-transport-ws",),
            connection_init_wait_timeout=timedelta(seconds=services.settings.sockets.init_timeout_s),
            max_subscriptions_per_connection=50,
            allowed_origins=services.settings.web.origins,
        )
        self._services = services

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> ApiContext:
        """Build the context of one socket; who calls is settled in on_ws_connect."""
        token = bearer(request.headers.get("authorization"))
        cookie = request.cookies.get(TOKEN.on(self._services.settings))  # of a page whose origin was checked already
        return ApiContext(
            self._services,
            request_id_of(request.scope),
            token,
            None,
            is_socket=True,
            cookie=cookie,
            sender=sender_of(request),
            build=build_of(request),
        )

    async def on_ws_connect(self, context: ApiContext) -> None:
        """Authenticate before anything is subscribed; a socket without a valid token is closed with 4403."""
        parameters = context.connection_params or {}
        if context.token is None:
            context.token = bearer(parameters.get("authorization", parameters.get("Authorization")))
        if context.token is None and has_other_half(self._services.settings, context.cookie, parameters.get("csrf")):
            context.token = context.cookie
        if context.token is not None:
            await context.refresh()
        if context.build == UNNAMED:  # browsers cannot send headers with the upgrade
            context.build = build_in(parameters)
        if context.caller is None:
            raise ConnectionRejectionError({"code": ErrorCode.UNAUTHENTICATED.value})

    def decode_json(self, data: str | bytes) -> object:
        """Read one message; raise JSONDecodeError, which closes the socket with 4400, for what is none. Nobody is known yet."""
        message = orjson.loads(data)
        if not isinstance(message, dict) or not isinstance(message.get("payload", {}), (dict, type(None))):
            raise JSONDecodeError("no message of graphql-transport-ws", "", 0)
        # What is wrong with them is told in the reason of a close, which has room for 123 bytes.
        if not _is_short(message.get("type")) or not _is_short(message.get("id", "")):
            raise JSONDecodeError("no message of graphql-transport-ws", "", 0)
        if message.get("type") == "subscribe":
            message["payload"] = _with_its_id(message.get("payload"))
        return message

    def encode_json(self, data: object) -> str:
        """Write JSON text."""
        return orjson.dumps(data).decode()


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value.encode()) <= MAX_ID_BYTES


def _with_its_id(payload: object) -> dict[str, object]:
    """Return the payload of a `subscribe` message with a `query` that carries its `documentId`, if one is given."""
    if not isinstance(payload, dict):
        raise JSONDecodeError("nothing to subscribe to", "", 0)
    given_id, query = payload.get("documentId"), payload.get("query")
    if given_id is None or not isinstance(query, (str, type(None))):
        return payload
    text = SentText(query or " ")  # an empty one would be missing
    text.document_id = given_id
    return {**payload, "query": text}
