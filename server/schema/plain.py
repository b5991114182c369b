"""Short ways to the values that cost nothing to find.

A page of the inbox completes about a thousand fields, and nearly all of them are an attribute of an object that is already
there. Strawberry's resolver for one makes an `Info`, walks its arguments and calls through two more functions; on such a page
that is a third of the execution. Fields without arguments, extensions and coroutines lose nothing by a closure, so they get
one after the schema was built. All others keep Strawberry's resolver: arguments are converted there and permissions checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from graphql import GraphQLField, GraphQLObjectType
from strawberry import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

Resolve = Callable[[Any, Any], Any]


def shorten(schema: Schema) -> Schema:
    """Give every field that only reads its object a short resolver; return the same schema. Answers stay the same bytes.

    For a schema without exception handlers, which Strawberry would call in the resolvers that are replaced here.
    """
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
                if isinstance(declared, StrawberryField):
                    short = _short(schema, field, declared)
                    field.resolve = field.resolve if short is None else short
    return schema


def _short(schema: Schema, field: GraphQLField, declared: StrawberryField) -> Resolve | None:
    if field.args or field.subscribe is not None or declared.extensions or declared.is_async:
        return None
    resolver = declared.base_resolver
    if resolver is None:
        is_attribute = getattr(field.resolve, "_is_default", False) and declared.default_resolver is getattr
        return _attribute(declared.python_name) if is_attribute else None
    taken = [one for one in resolver.reserved_parameters.values() if one is not None]
    told = resolver.info_parameter
    if resolver.self_parameter is None or len(taken) != (1 if told is None else 2):
        return None
    read = cast("Callable[..., Any]", resolver.wrapped_func)
    return _method(read) if told is None else _informed(read, told.name, declared, schema.config.info_class)


def _attribute(name: str) -> Resolve:
    return lambda source, _info: getattr(source, name)


def _method(read: Callable[..., Any]) -> Resolve:
    return lambda source, _info: read(source)


def _informed(read: Callable[..., Any], name: str, declared: StrawberryField, info_class: type[Info]) -> Resolve:
    return lambda source, info: read(source, **{name: info_class(_raw_info=info, _field=declared)})
