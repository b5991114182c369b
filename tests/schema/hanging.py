"""What hangs on the objects of lists: every field of every type that is reached below a connection, read from the schema."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from server.schema.root import build
from tests.tenancy.shapes import Shapes, is_connection

ARGUMENTS = {"effectiveTemplates": "unitId: $unit, "}
"""What lists must be given besides the size of a page."""
FEW_AT_ONCE = {"Campaign.preview": "reads a whole segment each, so one document may have three"}
OUT_OF_LISTS = {
    "Organization": "there is one",
    "Session": "a person's own, at most 100, all read at once",
    "Passkey": "a person's own, at most 20, all read at once",
    "ChannelConnection": "found by its id alone",
}
"""Kinds of objects that no connection holds; many of them are asked for by id."""
VALUES = "its values"
_INNER_PAGE = 2


@dataclass(frozen=True, slots=True)
class Hanging:
    """One field of a type, and the way to objects of this type from a list at the root."""

    kind: str
    name: str
    way: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def document(self) -> str:
        """Return the query that asks each object for the field; `here` stands in the answer once for each object."""
        fragments: dict[str, str] = {}
        wanted = " ".join(f"{name} {_below(one, fragments)}" for name, one in self._fields())
        return f"{document_along(self.way, f'here: __typename {wanted}')} {' '.join(fragments.values())}"

    def _fields(self) -> Iterator[tuple[str, GraphQLField]]:
        for name, one in resolved(self.kind):
            if name == self.name or (self.name == VALUES and is_leaf_type(get_named_type(one.type))):
                yield name, one


def document_along(way: tuple[str, ...], selection: str) -> str:
    """Return the query that selects something of each object at the end of a way; inner pages have two objects."""
    for step, one in reversed(_steps(way)):
        size = f"(first: {_INNER_PAGE})" if is_connection(one.type) else ""
        if step == way[0]:
            size = f"({ARGUMENTS.get(step, '')}first: $first)"
        selection = f"{step}{size} {{ {selection} }}"
    unit = ", $unit: ID!" if way[0] in ARGUMENTS else ""
    return f"query($first: Int!{unit}) {{ {selection} }}"


def _below(one: GraphQLField, fragments: dict[str, str]) -> str:
    return Shapes(schema()).select(one.type, 3 if is_connection(one.type) else 2, fragments)


def _steps(way: tuple[str, ...]) -> list[tuple[str, GraphQLField]]:
    fields: Mapping[str, GraphQLField] = Shapes(schema()).roots("query")
    steps = []
    for step in way:
        steps.append((step, fields[step]))
        inside = get_named_type(fields[step].type)
        fields = inside.fields if isinstance(inside, GraphQLObjectType) else {}
    return steps


@cache
def schema() -> GraphQLSchema:
    """Return the schema that the API serves."""
    return build(introspection=True)._schema


def _object(name: str) -> GraphQLObjectType:
    found = schema().type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


@cache
def ways() -> Mapping[str, tuple[str, ...]]:
    """Return the shortest way to each type of object that is reached below a connection of the root."""
    roots = Shapes(schema()).roots("query")
    ahead: deque[tuple[tuple[str, ...], GraphQLField]] = deque(
        ((name,), one) for name, one in roots.items() if is_connection(one.type) and _is_askable(name, one)
    )
    found: dict[str, tuple[str, ...]] = {}
    while ahead:
        way, one = ahead.popleft()
        kind = get_named_type(one.type)
        if not isinstance(kind, GraphQLObjectType) or kind.name in found:
            continue
        found[kind.name] = way
        for name, inner in kind.fields.items():
            if name != "edges" and f"{kind.name}.{name}" not in FEW_AT_ONCE:
                ahead.append(((*way, name), inner))
    return found


def _is_askable(name: str, one: GraphQLField) -> bool:
    needed = [argument for argument in one.args.values() if is_required_argument(argument)]
    return not needed or name in ARGUMENTS


def resolved(kind: str) -> Iterator[tuple[str, GraphQLField]]:
    """Yield the fields of a type that are more than an attribute of an object that is already there."""
    for name, one in _object(kind).fields.items():
        declared = one.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(declared, StrawberryField) and declared.base_resolver is not None:
            yield name, one


def hanging() -> list[Hanging]:
    """Return all that hangs on objects of lists: each field that holds objects, and the values of each type."""
    found = []
    for kind, way in ways().items():
        names = [VALUES if is_leaf_type(get_named_type(one.type)) else name for name, one in resolved(kind)]
        found += [
            Hanging(kind, name, way)
            for name in dict.fromkeys(names)
            if name != "edges" and f"{kind}.{name}" not in FEW_AT_ONCE
        ]
    return found
