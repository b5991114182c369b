"""`rateLimit(dryRun: true)`: a document is priced, and nothing of it runs but the question itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

from server.schema.limits import Prepared

_FIELD = "rateLimit"


def is_dry_run(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> bool:
    """Say whether a query asks for its price instead of its answer."""
    return operation.operation is OperationType.QUERY and any(_asks(one, variables) for one in _asking(operation))


def only_rate_limit(prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Prepared:
    """Return the document that is to run: without its other root fields in a dry run, else as it is."""
    if not is_dry_run(operation, variables):
        return prepared
    asking = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=operation.directives,
        selection_set=SelectionSetNode(selections=tuple(_asking(operation))),
    )
    definitions = tuple(asking if one is operation else one for one in prepared.document.definitions)
    return replace(prepared, document=DocumentNode(definitions=definitions))


def _asking(operation: OperationDefinitionNode) -> list[FieldNode]:
    fields = [one for one in operation.selection_set.selections if isinstance(one, FieldNode)]
    return [one for one in fields if one.name.value == _FIELD]


def _asks(field: FieldNode, variables: Mapping[str, Any]) -> bool:
    for argument in field.arguments or ():
        match argument.value:
            case BooleanValueNode(value=True):
                return True
            case VariableNode():
                return variables.get(argument.value.name.value) is True
    return False
