"""`rateLimit(dryRun: true)`: a document is priced, and nothing of it runs but the question itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

from server.schema.limits import Prepared

_FIELD = "rateLimit"


def is_dry_run(prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> bool:
    """Say whether a query asks for its price instead of its answer, itself or in a fragment."""
    if operation.operation is not OperationType.QUERY:
        return False
    given = {**_defaults(operation), **variables}
    return any(_asks(one, given) for one in _asking(prepared, operation))


def only_rate_limit(prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Prepared:
    """Return the document that is to run: without its other root fields in a dry run, else as it is."""
    if not is_dry_run(prepared, operation, variables):
        return prepared
    asking = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=operation.directives,
        selection_set=SelectionSetNode(selections=tuple(_asking(prepared, operation))),
    )
    definitions = tuple(asking if one is operation else one for one in prepared.document.definitions)
    return replace(prepared, document=DocumentNode(definitions=definitions))


def _asking(prepared: Prepared, operation: OperationDefinitionNode) -> Iterator[FieldNode]:
    """Yield the root fields that ask, in fragments too. What a fragment's own directives would leave out is asked as well."""
    fragments = {
        one.name.value: one.selection_set
        for one in prepared.document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    waiting, seen = [operation.selection_set], set[str]()
    while waiting:
        for node in waiting.pop().selections:
            match node:
                case FieldNode() if node.name.value == _FIELD:
                    yield node
                case InlineFragmentNode():
                    waiting.append(node.selection_set)
                case FragmentSpreadNode() if node.name.value in fragments and node.name.value not in seen:
                    seen.add(node.name.value)
                    waiting.append(fragments[node.name.value])


def _defaults(operation: OperationDefinitionNode) -> dict[str, bool]:
    return {
        one.variable.name.value: one.default_value.value
        for one in operation.variable_definitions or ()
        if isinstance(one.default_value, BooleanValueNode)
    }


def _asks(field: FieldNode, given: Mapping[str, Any]) -> bool:
    for argument in field.arguments or ():
        match argument.value:
            case BooleanValueNode(value=True):
                return True
            case VariableNode():
                return given.get(argument.value.name.value) is True
    return False
