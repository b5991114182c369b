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
from server.schema.context import ApiContext, Services
from server.schema.errors import ErrorCode
from server.schema.requests import bearer, has_other_half, request_id_of, sender_of


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
        if context.caller is None:
            raise ConnectionRejectionError({"code": ErrorCode.UNAUTHENTICATED.value})

    def decode_json(self, data: str | bytes) -> object:
        """Read one message; raise JSONDecodeError, which closes the socket with 4400, for what is none. Nobody is known yet."""
        message = orjson.loads(data)
        if not isinstance(message, dict) or not isinstance(message.get("payload", {}), (dict, type(None))):
            raise JSONDecodeError("no message of graphql-transport-ws", "", 0)
        if message.get("type") == "subscribe" and not isinstance(message.get("payload"), dict):
            raise JSONDecodeError("nothing to subscribe to", "", 0)
        return message

    def encode_json(self, data: object) -> str:
        """Write JSON text."""
        return orjson.dumps(data).decode()
