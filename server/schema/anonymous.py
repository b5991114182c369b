"""What may be asked without a token where nothing else may: documents whose root fields are all declared @anonymous."""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.schema import Schema
from strawberry.types import get_object_definition

from server.schema.permissions import RequireNothing


def anonymous_fields(schema: Schema) -> frozenset[str]:
    """Return the names of the root fields that need no token."""
    return frozenset(
        schema.config.name_converter.get_graphql_name(field)
        for kind in (schema.query, schema.mutation)
        if kind is not None
        for field in get_object_definition(kind, strict=True).fields
        if any(isinstance(one, RequireNothing) for one in field.extensions)
    )


def asks_only_for(fields: frozenset[str], document: DocumentNode) -> bool:
    """Say whether a document is one operation with nothing but these root fields."""
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) != 1:
        return False
    asked = _root_fields(document, operations[0].selection_set)
    return bool(asked) and asked <= fields


def _root_fields(document: DocumentNode, top: SelectionSetNode) -> set[str]:
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    names: set[str] = set()
    waiting, seen = [top], set[str]()
    while waiting:
        for node in waiting.pop().selections:
            match node:
                case FieldNode():
                    names.add(node.name.value)
                case InlineFragmentNode():
                    waiting.append(node.selection_set)
                case FragmentSpreadNode() if node.name.value not in seen:
                    seen.add(node.name.value)
                    if node.name.value in fragments:
                        waiting.append(fragments[node.name.value].selection_set)
    return names
