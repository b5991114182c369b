"""How the schema's operations are prepared: the one extension that HTTP and WebSocket share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from graphql import DocumentNode, GraphQLError, parse
from strawberry.extensions import SchemaExtension

from server.kit.errors import Unavailable
from server.schema import spending
from server.schema.context import ApiContext
from server.schema.errors import ApiError
from server.schema.limits import Documents, Prepared


class FromDocuments(SchemaExtension):
    """Serves parsing and validation from the schema's documents.

    A request brings its document prepared and paid. What comes over a WebSocket is prepared and paid here, and each change
    that a subscription tells has its traces committed before it leaves.
    """

    _errors: list[GraphQLError]

    async def on_parse(self) -> AsyncIterator[None]:
        """Give the prepared document, and what is wrong with it."""
        execution = self.execution_context
        context: ApiContext = execution.context
        documents: Documents = execution.schema.documents  # type: ignore[attr-defined]
        try:
            prepared = context.prepared or await self._from_socket(documents, context)
            self._errors, execution.graphql_document = documents.validated(prepared), prepared.document
        except (ApiError, Unavailable, GraphQLError) as error:
            # What a socket asks for is refused like what validation finds; an exception here would end the whole socket.
            self._errors = [
                error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            ]
            execution.graphql_document = _nothing(execution._provided_operation_name)
        execution.pre_execution_errors = self._errors or None
        yield

    def on_validate(self) -> Iterator[None]:
        """Say again what parsing found: Strawberry would validate anew."""
        self.execution_context.pre_execution_errors = self._errors
        yield

    async def on_stream_result(self, result: object) -> AsyncIterator[None]:
        """Commit the traces of what is about to leave."""
        context: ApiContext = self.execution_context.context
        await context.write_traces()
        yield

    async def _from_socket(self, documents: Documents, context: ApiContext) -> Prepared:
        execution = self.execution_context
        prepared = documents.read(execution.query or "")
        operation = prepared.chosen(execution._provided_operation_name)
        async with spending.paid(context, documents, prepared, operation, execution.variables or {}):
            return prepared


def _nothing(name: str | None) -> DocumentNode:
    """Return a document that stands for one which is refused; it is never run."""
    return parse(f"subscription {name if name and name.isidentifier() and name.isascii() else ''} {{ __typename }}")
