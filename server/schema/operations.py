"""How the schema's operations are prepared: the one extension that HTTP and WebSocket share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from strawberry.extensions import SchemaExtension

from server.schema import spending
from server.schema.answers import EXPECTED, refusal
from server.schema.context import ApiContext
from server.schema.limits import Documents, Prepared, name_of
from server.schema.requests import wanted_over_socket


class FromDocuments(SchemaExtension):
    """Serves parsing and validation from the schema's documents.

    A request brings its document prepared and paid. What comes over a WebSocket is prepared and paid here, and each change
    that a subscription tells has its traces committed before it leaves.
    """

    _errors: list[GraphQLError]
    _points = 0
    """What one change of a subscription costs."""

    async def on_parse(self) -> AsyncIterator[None]:
        """Give the prepared document, and what is wrong with it."""
        execution = self.execution_context
        context: ApiContext = execution.context
        documents: Documents = execution.schema.documents  # type: ignore[attr-defined]
        try:
            prepared = context.prepared or await self._from_socket(documents, context)
            self._errors = documents.validated(prepared)
            execution.graphql_document = prepared.document
        except EXPECTED as error:
            if not context.is_socket:
                raise
            # What a hook raises ends a socket's operation without a word to the client.
            told = refusal(error, context.request_id)
            # A plain one: Strawberry closes the whole socket, with its other subscriptions, for an error of syntax.
            self._errors = [
                GraphQLError(told.message, told.nodes, told.source, told.positions, extensions=told.extensions)
            ]
            execution.graphql_document = _stand_in(execution.operation_name)
        execution.pre_execution_errors = self._errors or None
        yield

    def on_validate(self) -> Iterator[None]:
        """Say again what parsing found: Strawberry would validate anew."""
        self.execution_context.pre_execution_errors = self._errors
        yield

    async def on_stream_result(self, result: object) -> AsyncIterator[None]:
        """Commit the traces of what is about to leave, and charge it."""
        context: ApiContext = self.execution_context.context
        await context.write_traces()
        spending.charge_delivery(context, self._points)
        yield

    async def _from_socket(self, documents: Documents, context: ApiContext) -> Prepared:
        execution = self.execution_context
        wanted = wanted_over_socket(execution.query, execution.variables, execution._provided_operation_name)
        mode, known = context.services.settings.web.document_mode, context.services.known
        async with context.services.admission.delivery(context.scope.organization_id):
            served = await known.served(context.caller, mode, wanted.query, wanted.document_id)
        await spending.pay_for_reading(context, documents, served.text)
        prepared = documents.read(served.text)
        operation = prepared.chosen(wanted.operation_name)
        async with spending.paid(context, documents, prepared, operation, wanted.variables):
            self._points = context.price
            if served.document_id is not None:
                known.note_use(
                    context.scope.organization_id, served.document_id, name_of(operation) or "", context.build
                )
            return prepared


def _stand_in(name: str | None) -> DocumentNode:
    """Return a document for one that was refused, with the operation that was asked for: without, no error is told."""
    nothing = SelectionSetNode(selections=(FieldNode(name=NameNode(value="__typename")),))
    named = None if name is None else NameNode(value=name)
    return DocumentNode(
        definitions=(OperationDefinitionNode(operation=OperationType.QUERY, name=named, selection_set=nothing),)
    )
