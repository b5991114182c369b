"""What the running schema says about a text: one named operation, its limits, its validity and its price.

Asked anew by every process for its own schema: after a deploy a document may be invalid that was not before. A reading is
kept in memory by the digest of the text, and never stored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakKeyDictionary

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from server.documents.rules import OperationType, Reading, digest_of
from server.schema import limits
from server.schema.errors import ApiError

Price = Callable[[GraphQLSchema, DocumentNode], int]
"""Prices the one operation of a document before it is validated; raises an ApiError that says so if it is too dear."""

_CACHED = 10_000
# A document is known in order to be served in production, where introspection is not offered.
_RULES = [*specified_rules, NoSchemaIntrospectionCustomRule]
_MAX_ERRORS = 5


class Readings:
    """What one schema says about texts. Each text is read once and yields to other requests afterwards."""

    def __init__(self, schema: GraphQLSchema, price: Price | None = None) -> None:
        self._schema = schema
        self._price = price
        self._known: OrderedDict[bytes, Reading] = OrderedDict()

    async def read(self, text: str) -> Reading:
        """Return what the schema says about a text; never raises for what a text can be."""
        digest = digest_of(text)
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        reading = self._known[digest] = self._read(text)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        await asyncio.sleep(0)  # a page or a manifest has many: others get their turn after each
        return reading

    def _read(self, text: str) -> Reading:
        if len(text) > limits.MAX_CHARACTERS:
            return _refused(f"The document has {len(text)} characters; the limit is {limits.MAX_CHARACTERS}.")
        try:
            document = parse(text, max_tokens=limits.MAX_TOKENS)
        except GraphQLError as error:
            return _refused(_told(error))
        except RecursionError:
            return _refused(f"The document is nested too deeply; the limit is {limits.MAX_DEPTH}.")
        operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        if len(operations) != 1 or operations[0].name is None:
            return _refused("The document must hold exactly one operation, and that must have a name.")
        return self._read_operation(document, operations[0], operations[0].name.value)

    def _read_operation(self, document: DocumentNode, operation: OperationDefinitionNode, name: str) -> Reading:
        kind, price = OperationType[operation.operation.name], None
        try:
            limits.check(document)
            if self._price is not None:
                price = self._price(self._schema, document)
            errors = validate(self._schema, document, _RULES, max_errors=_MAX_ERRORS)
        except ApiError as error:
            return Reading(name, kind, (str(error),), None)
        except RecursionError:
            return Reading(name, kind, (f"The document is nested too deeply; the limit is {limits.MAX_DEPTH}.",), None)
        problems = tuple(_told(error) for error in errors)[:_MAX_ERRORS]
        return Reading(name, kind, problems, None if problems else price)


_BY_SCHEMA: WeakKeyDictionary[GraphQLSchema, Readings] = WeakKeyDictionary()


def readings_of(schema: GraphQLSchema) -> Readings:
    """Return the readings of a schema: one set for all requests of a process."""
    found = _BY_SCHEMA.get(schema)
    if found is None:
        found = _BY_SCHEMA[schema] = Readings(schema)
    return found


def use_price(schema: GraphQLSchema, price: Price) -> Readings:
    """Price every document that this schema reads from now on; called once, when the schema is built."""
    found = _BY_SCHEMA[schema] = Readings(schema, price)
    return found


def _refused(problem: str) -> Reading:
    return Reading("", OperationType.QUERY, (problem,), None)


def _told(error: GraphQLError) -> str:
    if isinstance(error, ValidationAbortedError):
        return "The document could not be checked within bounds: it selects too many fields of one name, or is nested too deeply."
    at = "".join(f" (line {one.line}, column {one.column})" for one in (error.locations or [])[:1])
    return f"{error.message}{at}"
