"""The permissions of types and fields, enforced where an object of one type leads to one of another.

Every type says with which permission its objects are read (`readable`); a field may ask for another one (`Requires`). Who
lacks the permission of a field, or of the type that it shows, is told nothing: null, or an empty list. Root fields are
checked before (`RequirePermission`), and services cut what is shown by the permissions on each unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_list_type,
    is_non_null_type,
)
from strawberry import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from server.schema.context import ApiContext
from server.schema.declarations import Public, Requires
from server.tenants.rules import Permission

ROOTS = frozenset({"Query", "Mutation", "Subscription"})
Resolve = Callable[..., Any]


class Unguarded(TypeError):
    """A field shows more than its object's permission gives, and cannot be null or empty for those who lack it."""


def guard(schema: Schema) -> Schema:
    """Put the checks before the fields that need one; return the same schema. Raises Unguarded for a field that cannot refuse."""
    for kind in objects(schema):
        if kind.name in ROOTS:
            continue
        for name, field in kind.fields.items():
            needed = required(kind, field)
            if needed is not None and needed is not read_with(kind):
                field.resolve = _checked(cast("Resolve", field.resolve), needed, _refusal(f"{kind.name}.{name}", field))
    return schema


def objects(schema: Schema) -> Iterator[GraphQLObjectType]:
    """Yield the object types of the schema that are ours, by name."""
    for name, kind in sorted(schema._schema.type_map.items()):
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            yield kind


def is_declared(kind: GraphQLObjectType) -> bool:
    """Say whether the type says with which permission its objects are read."""
    return any(isinstance(one, (Requires, Public)) for one in _definition(kind).directives or ())


def is_wrapping(kind: GraphQLObjectType) -> bool:
    """Say whether objects of the type only carry others: payloads of mutations, and connections with their edges."""
    return kind.name.endswith("Payload") or _carried(kind) is not None


def _carried(kind: GraphQLObjectType) -> GraphQLObjectType | None:
    """Return what a connection or an edge carries."""
    fields = kind.fields
    name = "nodes" if "pageInfo" in fields else "node" if fields.keys() == {"cursor", "node"} else None
    inner = None if name is None else get_named_type(fields[name].type)
    return inner if isinstance(inner, GraphQLObjectType) else None


def read_with(kind: GraphQLObjectType) -> Permission | None:
    """Return the permission with which objects of the type are read; that of the carried ones for a connection."""
    inner = _carried(kind)
    if inner is not None:
        return read_with(inner)
    return _declared(_definition(kind).directives)


def required(kind: GraphQLObjectType, field: GraphQLField) -> Permission | None:
    """Return the permission that a field of an object asks for: its own, else that of what it shows, else the object's."""
    own = _declared(_field(field).directives)
    if own is not None:
        return own
    shown = get_named_type(field.type)
    inner = read_with(shown) if isinstance(shown, GraphQLObjectType) else None
    return read_with(kind) if inner is None else inner


def _declared(directives: Any) -> Permission | None:
    for one in directives or ():
        if isinstance(one, Requires):
            return Permission(one.permission)
    return None


def _definition(kind: GraphQLObjectType) -> StrawberryObjectDefinition:
    return cast("StrawberryObjectDefinition", kind.extensions[GraphQLCoreConverter.DEFINITION_BACKREF])


def _field(field: GraphQLField) -> StrawberryField:
    return cast("StrawberryField", field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF])


def _refusal(name: str, field: GraphQLField) -> Callable[[], object]:
    kind: GraphQLOutputType = field.type
    if not is_non_null_type(kind):
        return lambda: None
    if is_list_type(kind.of_type):
        return list
    raise Unguarded(f"{name} must be nullable or a list: not everybody who reads its object may see it")


def _checked(resolve: Resolve, needed: Permission, refuse: Callable[[], object]) -> Resolve:
    def check(source: Any, info: Any, **arguments: Any) -> Any:
        context: ApiContext = info.context
        if not context.scope.may(needed):
            return refuse()
        return resolve(source, info, **arguments)

    return check
