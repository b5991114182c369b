"""Limits of a document: tokens, depth, aliases, directives and root fields; each fragment is measured once.

Strawberry's own depth and alias limiters walk fragment spreads without memory, so that a kilobyte of fragments which
each spread the next twice blocks the loop for half a minute (reliability.md finding 7). These are linear in the document.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension

from server.schema.errors import TooComplex

MAX_CHARACTERS = 15_000
MAX_TOKENS = 2_000
MAX_DEPTH = 14
MAX_ALIASES = 30
MAX_DIRECTIVES = 50
MAX_ROOT_FIELDS = 20
_CACHED = 512


@dataclass(frozen=True, slots=True)
class Measure:
    """What one selection set adds up to, its fragments included. Counts are capped, so that they stay small numbers."""

    depth: int
    aliases: int
    directives: int


_CAP = 1_000_000
_INTROSPECTION = frozenset({"__schema", "__type"})


class _Meter:
    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._known: dict[str, Measure] = {}
        self._open: set[str] = set()

    def measure(self, selection_set: SelectionSetNode | None) -> Measure:
        if selection_set is None:
            return Measure(0, 0, 0)
        depth = aliases = directives = 0
        for node in selection_set.selections:
            below = self._below(node)
            depth = max(depth, below.depth + (1 if isinstance(node, FieldNode) else 0))
            aliases += below.aliases + (1 if isinstance(node, FieldNode) and node.alias else 0)
            directives += below.directives + len(node.directives or ())
        return Measure(min(depth, _CAP), min(aliases, _CAP), min(directives, _CAP))

    def _below(self, node: Any) -> Measure:
        if isinstance(node, FieldNode) and node.name.value in _INTROSPECTION:
            return Measure(
                0, 0, 0
            )  # tools ask the standard query, 15 deep; where it is not offered validation refuses it
        if isinstance(node, (FieldNode, InlineFragmentNode)):
            return self.measure(node.selection_set)
        return self._fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else Measure(0, 0, 0)

    def _fragment(self, name: str) -> Measure:
        if name not in self._known:
            fragment = self._fragments.get(name)
            if fragment is None or name in self._open:
                return Measure(0, 0, 0)  # unknown or circular: validation refuses it
            self._open.add(name)
            self._known[name] = self.measure(fragment.selection_set)
            self._open.discard(name)
        return self._known[name]


def check(document: DocumentNode) -> None:
    """Raise TooComplex that names the limit, for a document that passes one."""
    meter = _Meter(document)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            found = meter.measure(operation.selection_set)
            _refuse("depth", found.depth, MAX_DEPTH)
            _refuse("aliases", found.aliases, MAX_ALIASES)
            _refuse("directives", found.directives, MAX_DIRECTIVES)
            _refuse("root fields", len(operation.selection_set.selections), MAX_ROOT_FIELDS)


def _refuse(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise TooComplex(f"The document has {what} {found}; the limit is {limit}. Ask for less at once.")


class Documents:
    """Parsed and validated documents by their text: the costly part of a small query is done once."""

    def __init__(self, *, introspection: bool) -> None:
        self._rules = list(specified_rules) if introspection else [*specified_rules, NoSchemaIntrospectionCustomRule]
        self._known: OrderedDict[str, tuple[DocumentNode, list[GraphQLError]]] = OrderedDict()

    def read(self, schema: GraphQLSchema, text: str) -> tuple[DocumentNode, list[GraphQLError]]:
        """Return the document and its validation errors; raise GraphQLSyntaxError or TooComplex."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        if len(text) > MAX_CHARACTERS:
            _refuse("characters", len(text), MAX_CHARACTERS)
        try:
            document = parse(text, max_tokens=MAX_TOKENS)
            check(document)
            errors = validate(schema, document, self._rules, max_errors=20)
        except RecursionError as error:
            raise TooComplex(f"The document is nested too deeply; the limit is {MAX_DEPTH}.") from error
        self._known[text] = (document, errors)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return document, errors

    def extension(self) -> type[SchemaExtension]:
        """Return the extension that serves parsing and validation from here, for HTTP and WebSocket alike."""
        documents = self

        class Prepared(SchemaExtension):
            def on_parse(self) -> Iterator[None]:
                context = self.execution_context
                core = context.schema._schema
                context.graphql_document, errors = documents.read(core, context.query or "")
                context.pre_execution_errors = errors or None
                self._errors = errors
                yield

            def on_validate(self) -> Iterator[None]:
                self.execution_context.pre_execution_errors = self._errors
                yield

        return Prepared
