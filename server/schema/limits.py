"""Documents, read once each: parsed within limits, priced, and only then validated.

Parsing ends at a number of tokens, pricing at a number of fields (pricing.py), and validation of what passed both is bounded
by them. Strawberry's own depth and alias limiters walk fragment spreads without memory, so that a kilobyte of fragments which
each spread the next twice blocks the loop for half a minute (reliability.md finding 7).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

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
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError

from server.schema.errors import Malformed, TooComplex
from server.schema.pricing import MAX_DEPTH, Price, Prices, refuse

MAX_CHARACTERS = 15_000
MAX_TOKENS = 2_000
MAX_ERRORS = 5
# Behind our own count of pairs: the library counts what it really compares, arguments too. No kit document needs any of it.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000
_CACHED_CHARACTERS = 300_000
"""What is kept of valid documents; a parsed document takes some hundred times its text in memory."""


@dataclass(slots=True)
class Prepared:
    """A document that was read; its prices and errors are found when they are first asked for."""

    text: str
    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    prices: Mapping[str | None, Price] | None = field(default=None)
    errors: list[GraphQLError] | None = field(default=None)

    def chosen(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation that a request means; raise Malformed that says why there is none."""
        if not self.operations:
            raise Malformed("The document has no operation, only fragments.")
        if name is not None:
            if name not in self.operations:
                raise Malformed(f"The document has no operation {name[:100]!r}; check operationName.")
            return self.operations[name]
        if len(self.document_operations) > 1:
            raise Malformed("The document has several operations: name the one that you mean as operationName.")
        return self.document_operations[0]

    @property
    def document_operations(self) -> list[OperationDefinitionNode]:
        """Return all operations, also those that share a name, which validation refuses."""
        return [one for one in self.document.definitions if isinstance(one, OperationDefinitionNode)]


def name_of(operation: OperationDefinitionNode) -> str | None:
    """Return the name of an operation, None for one without."""
    return operation.name.value if operation.name else None


class Documents:
    """The documents of one schema by their text: the costly part of a small query is done once."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._prices = Prices(schema)
        self._hide = not introspection
        self._rules = list(specified_rules) if introspection else [*specified_rules, NoSchemaIntrospectionCustomRule]
        self._known: OrderedDict[str, Prepared] = OrderedDict()
        self._characters = 0

    def is_known(self, text: str) -> bool:
        """Say whether a document is kept, so that reading it costs nothing."""
        return text in self._known

    def read(self, text: str) -> Prepared:
        """Parse a document; raise GraphQLSyntaxError, or TooComplex for one that is too long."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        refuse("characters", len(text), MAX_CHARACTERS)
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
        except RecursionError as error:
            raise TooComplex(f"The document is nested too deeply; the limit is {MAX_DEPTH}.") from error
        operations = {name_of(one): one for one in document.definitions if isinstance(one, OperationDefinitionNode)}
        return Prepared(text, document, operations)

    def price(self, prepared: Prepared, operation: OperationDefinitionNode) -> Price:
        """Return the price of one of a document's operations; raise TooComplex that names the limit it passes."""
        if prepared.prices is None:
            prepared.prices = self._prices.of(prepared.document)
        return prepared.prices[name_of(operation)]

    def validated(self, prepared: Prepared) -> list[GraphQLError]:
        """Return what is wrong with a document for this schema; found once. A valid document is kept."""
        if prepared.errors is None:
            prepared.errors = self._validate(prepared.document)
            if not prepared.errors:
                self._keep(prepared)
        return prepared.errors

    def _validate(self, document: DocumentNode) -> list[GraphQLError]:
        try:
            errors = validate(self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide)
        except RecursionError as error:
            raise TooComplex(f"The document is nested too deeply; the limit is {MAX_DEPTH}.") from error
        if errors and isinstance(errors[-1], ValidationAbortedError) and len(errors) <= MAX_ERRORS:
            raise TooComplex(
                "The document selects too much under the same names to be compared. Ask for each field once."
            )
        # Python converts no integer of more than 4,300 digits.
        if any(isinstance(one.original_error, ValueError) for one in errors):
            raise Malformed("A number of the document has too many digits.")
        return errors

    def _keep(self, prepared: Prepared) -> None:
        if prepared.text in self._known:
            return  # two requests read the same new text at once
        self._known[prepared.text] = prepared
        self._characters += len(prepared.text)
        while self._characters > _CACHED_CHARACTERS:
            gone, _ = self._known.popitem(last=False)
            self._characters -= len(gone)
