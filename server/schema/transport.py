"""GraphQL over HTTP: who is let in, at what price, and how an operation runs and ends.

Batches, GET and subscriptions over HTTP are not offered; subscriptions have sockets.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types.graphql import OperationType as Allowed

from server.auth import service as auth
from server.documents.rules import ClientBuild
from server.kit.errors import TookTooLong, Unavailable
from server.schema import answers, spending
from server.schema.anonymous import anonymous_fields, asks_only_for
from server.schema.answers import Answer
from server.schema.context import ApiContext, Services
from server.schema.dry_run import only_rate_limit
from server.schema.errors import (
    ApiError,
    DocumentNotAllowed,
    DocumentNotFound,
    Malformed,
    TooComplex,
    Unauthenticated,
)
from server.schema.known_documents import Served
from server.schema.limits import Prepared, name_of
from server.schema.metering import Bounds
from server.schema.pricing import INTROSPECTION
from server.schema.requests import (
    MODERN,
    Wanted,
    bearer,
    build_of,
    cookie_token,
    read,
    read_query,
    request_id_of,
    sender_of,
)
from server.schema.root import ApiSchema
from server.schema.running import Run
from server.schema.sockets import SocketEndpoint
from server.tenants.scope import Scope as Caller

_ALLOWED = (Allowed.QUERY, Allowed.MUTATION)


class HttpEndpoint:
    """Answers POST /graphql, and GET with GraphiQL in development."""

    def __init__(self, schema: ApiSchema, services: Services) -> None:
        self._schema = schema
        self._services = services
        self._documents = services.known
        # Where the schema is shown at all, tools may ask for it before anybody has a token.
        self._anonymous = anonymous_fields(schema) | (INTROSPECTION if _is_open(services) else frozenset())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        request = Request(scope, receive)
        is_get = request.method == "GET"  # offered in development only, see `routes`
        if is_get and not request.query_params.keys() & {"query", "documentId"}:
            await HTMLResponse(get_graphql_ide_html(graphql_ide="graphiql"))(scope, receive, send)
            return
        request_id = request_id_of(scope)
        try:
            wanted = read_query(request) if is_get else read(request, await request.body())
            answer = await self._answer(request, wanted, request_id)
        except (ApiError, Unavailable, TookTooLong, GraphQLError) as error:
            answer = answers.refused(error, request_id)
        is_modern = MODERN in request.headers.get("accept", "")
        await answers.response(answer, is_modern=is_modern)(scope, receive, send)

    async def _answer(self, request: Request, wanted: Wanted, request_id: str) -> Answer:
        context = ApiContext(
            self._services,
            request_id,
            bearer(request.headers.get("authorization")),
            None,
            request.headers.get("idempotency-key"),
            sender=sender_of(request),
        )
        prepared = await self._for_anybody(context, wanted) if context.token is None else None
        if context.token is None and prepared is None:
            context.token = cookie_token(request, self._services.settings)
            if context.token is None:
                raise Unauthenticated
        async with self._turn(context):
            if prepared is None:
                served = await self._served(wanted, context.caller)
                await spending.pay_for_reading(context, self._schema.documents, served.text)
                prepared = self._schema.documents.read(served.text)
                context.prepared = prepared
                answer = await self._run(context, prepared, wanted, only_queries=request.method == "GET")
                self._note_use(context.scope, served, prepared.chosen(wanted.operation_name), build_of(request))
                return answer
            context.prepared = prepared
            return await self._run(context, prepared, wanted, only_queries=request.method == "GET")

    async def _served(self, wanted: Wanted, caller: Caller | None) -> Served:
        mode = self._services.settings.web.document_mode
        return await self._documents.served(caller, mode, wanted.query, wanted.document_id)

    def _note_use(self, caller: Caller, served: Served, operation: OperationDefinitionNode, build: ClientBuild) -> None:
        if served.document_id is not None:
            name = name_of(operation) or ""
            self._documents.note_use(caller.organization_id, served.document_id, name, build)

    async def _for_anybody(self, context: ApiContext, wanted: Wanted) -> Prepared | None:
        """Return the document if nobody has to be known for it; None for every other one, also for what cannot be read.

        The network pays for the reading. Raises RateLimited.
        """
        try:
            text = (await self._served(wanted, None)).text
            await spending.pay_for_reading(context, self._schema.documents, text)
            prepared = self._schema.documents.read(text)
        except (GraphQLError, TooComplex, DocumentNotFound, DocumentNotAllowed):
            return None
        return prepared if asks_only_for(self._anonymous, prepared.document) else None

    @asynccontextmanager
    async def _turn(self, context: ApiContext) -> AsyncIterator[None]:
        """Hold a turn of the caller's; who calls is settled inside. Raises Unauthenticated for a token that is not valid."""
        admission, token = self._services.admission, context.token
        if token is None:
            async with admission.anonymous(context.sender.network) as context.turn:
                yield
            return
        tenant = admission.tenant_of(token)
        if tenant is None:
            async with admission.stranger(context.sender.network):
                await self._authenticate(context, token)
            tenant = context.scope.organization_id
        async with admission.tenant(tenant) as context.turn:
            if context.caller is None:
                await self._authenticate(context, token)
            yield

    async def _authenticate(self, context: ApiContext, token: str) -> None:
        services = self._services
        context.caller = await auth.authenticate(services.database, services.settings.security, token)
        if context.caller is None:
            services.admission.forget(token)
            raise Unauthenticated
        services.admission.remember(token, context.caller.organization_id)

    async def _run(self, context: ApiContext, prepared: Prepared, wanted: Wanted, *, only_queries: bool) -> Answer:
        documents = self._schema.documents
        operation = prepared.chosen(wanted.operation_name)
        if only_queries and operation.operation is not OperationType.QUERY:
            raise Malformed("GET carries queries only: send mutations by POST.")
        if operation.operation is OperationType.SUBSCRIPTION:
            raise Malformed(
                "Subscriptions go over the WebSocket, by graphql-transport-ws; send queries and mutations here."
            )
        async with spending.paid(context, documents, prepared, operation, wanted.variables):
            errors = documents.validated(prepared)
            if errors:
                return {"errors": answers.told(list(errors), context.request_id)}
            context.prepared = only_rate_limit(prepared, operation, wanted.variables)
            try:
                return await self._execute(context, operation, wanted)
            finally:
                await context.reads.end()

    async def _execute(self, context: ApiContext, operation: OperationDefinitionNode, wanted: Wanted) -> Answer:
        limits = self._services.settings.operations
        is_query = operation.operation is OperationType.QUERY
        bounds = Bounds(
            limits.deadline_s if is_query else limits.mutation_deadline_s, limits.max_bytes, limits.max_price
        )
        run = Run(context, bounds)
        result = await run.to_the_end(
            self._schema.execute(
                context.prepared.text if context.prepared else None,
                variable_values=wanted.variables,
                context_value=context,
                operation_name=wanted.operation_name,
                allowed_operation_types=_ALLOWED,
            )
        )
        await context.write_traces()
        errors = result.errors or []
        is_refused = result.data is None and bool(errors) and all(one.path is None for one in errors)
        answer: Answer = {} if is_refused else {"data": result.data}
        if errors:
            answer["errors"] = answers.told(errors, context.request_id)
        answer["extensions"] = {"cost": answers.cost(context)}
        return answer


def routes(schema: ApiSchema, services: Services) -> list[Route | WebSocketRoute]:
    """Return the routes of the API."""
    endpoint: Any = HttpEndpoint(schema, services)
    socket: Any = SocketEndpoint(schema, services)
    return [
        Route("/graphql", endpoint, methods=["GET", "POST"] if _is_open(services) else ["POST"]),
        WebSocketRoute("/graphql", socket),
    ]


def _is_open(services: Services) -> bool:
    return services.settings.web.is_open_for_development
