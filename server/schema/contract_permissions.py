"""The matrix of roles and fields, generated: which built-in role may ask for which field of which type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import GraphQLField
from strawberry import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter

from server.schema.declarations import Anonymous, Requires
from server.schema.guards import ROOTS, is_wrapping, objects, required
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role

NOBODY = "ANONYMOUS"
"""Stands beside the roles where no token is needed."""


def matrix(schema: Schema) -> Mapping[str, object]:
    """Return every field with the permission that it asks for and the built-in roles that hold it.

    `requires` null stands for every authenticated caller, and with ANONYMOUS among the roles for everybody. A role holds its
    permissions on a unit and everything under it; some fields need them on the whole tree, which their description says.
    """
    return {
        "roles": {role.value: sorted(one.value for one in ROLE_PERMISSIONS[role]) for role in Role},
        "fields": {name: line for name, line in _fields(schema)},
    }


def _fields(schema: Schema) -> Iterator[tuple[str, Mapping[str, object]]]:
    for kind in objects(schema):
        if is_wrapping(kind):
            continue
        for name, field in sorted(kind.fields.items()):
            yield f"{kind.name}.{name}", _root(field) if kind.name in ROOTS else _line(required(kind, field))


def _root(field: GraphQLField) -> Mapping[str, object]:
    for one in field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].directives:
        if isinstance(one, Requires):
            return _line(Permission(one.permission))
        if isinstance(one, Anonymous):
            return _line(None, NOBODY)
    return _line(None)


def _line(needed: Permission | None, *others: str) -> Mapping[str, object]:
    holders = [role.value for role in Role if needed is None or needed in ROLE_PERMISSIONS[role]] + [*others]
    return {"requires": None if needed is None else needed.value, "roles": holders}
