"""What the running schema says about a text: one named operation, its limits, its validity and its price.

Asked anew by every process for its own schema: after a deploy a document may be invalid that was not before. A reading is
kept in memory by the digest of the text, and never stored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import cast

from graphql import GraphQLError, GraphQLSchema
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema import BaseSchema

from server.documents.rules import OperationType, Reading, digest_of
from server.schema.errors import ApiError
from server.schema.limits import Documents, Prepared

_CACHED = 10_000
_TOLD = 5
"""Problems of one text that are told."""


class Readings:
    """What one schema says about texts. Each text is read once and yields to other requests afterwards.

    A document is known in order to be served in production: introspection is not offered. `max_price` is in points.
    """

    def __init__(self, schema: GraphQLSchema, max_price: int) -> None:
        self._documents = Documents(schema, introspection=False)
        self._max_price = max_price
        self._known: OrderedDict[bytes, Reading] = OrderedDict()

    def is_known(self, text: str) -> bool:
        """Say whether a text was read already."""
        return digest_of(text) in self._known

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
        try:
            prepared = self._documents.read(text)
        except (ApiError, GraphQLError) as error:
            return _refused(_told(error))
        operations = prepared.document_operations
        name = operations[0].name if len(operations) == 1 else None
        if name is None:
            return _refused("The document must hold exactly one operation, and that must have a name.")
        kind = OperationType[operations[0].operation.name]
        try:
            return self._read_operation(prepared, name.value, kind)
        except ApiError as error:
            return Reading(name.value, kind, (str(error),), None)

    def _read_operation(self, prepared: Prepared, name: str, kind: OperationType) -> Reading:
        price = self._documents.price(prepared, prepared.chosen(name)).points({})
        if price > self._max_price:
            return Reading(
                name, kind, (f"The operation would cost {price} points; the limit is {self._max_price}.",), None
            )
        problems = tuple(_told(error) for error in self._documents.validated(prepared)[:_TOLD])
        return Reading(name, kind, problems, None if problems else price)


def readings_of(schema: BaseSchema) -> Readings:
    """Return the readings of the schema that a request runs in."""
    return cast("Readings", schema.readings)  # type: ignore[attr-defined]


def _refused(problem: str) -> Reading:
    return Reading("", OperationType.QUERY, (problem,), None)


def _told(error: ApiError | GraphQLError) -> str:
    if not isinstance(error, GraphQLError):
        return str(error)
    if isinstance(error, ValidationAbortedError):
        return "The document could not be checked within bounds: it selects too many fields of one name, or is nested too deeply."
    at = "".join(f" (line {one.line}, column {one.column})" for one in (error.locations or [])[:1])
    return f"{error.message}{at}"
