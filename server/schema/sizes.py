"""How long the lists of an operation may be: what an argument says in the document, in a variable or in its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import IntValueNode, ListValueNode, ValueNode
from graphql.utilities import value_from_ast_untyped

from server.kit.pagination import MAX_PAGE

MOST = 1_000_000_000
Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How many items a list has at most: a number, or what a variable says."""

    number: int
    variable: str | None = None
    default: object = None
    way: tuple[str, ...] = ()
    """Where the number or list stands in the variable, if that is an input object."""

    def of(self, variables: Variables) -> int:
        """Return the number for these variables."""
        if self.variable is None:
            return self.number
        found = variables.get(self.variable, self.default)
        for step in self.way:
            found = found.get(step) if isinstance(found, dict) else None
        return items(found, self.number)


@dataclass(frozen=True, slots=True)
class OneOf:
    """How many items a list has at most that several arguments may cut."""

    number: int
    sizes: tuple[Size, ...]

    def of(self, variables: Variables) -> int:
        """Return the largest of the numbers for these variables."""
        return max(one.of(variables) for one in self.sizes)


def literal(value: ValueNode) -> object:
    """Return the number or list of a default value; None for what sizes no list."""
    match value:
        case IntValueNode() if len(value.value) < 10:
            return int(value.value)
        case ListValueNode():
            return value_from_ast_untyped(value)
        case _:
            return None


def items(given: object, assumed: int) -> int:
    """Return how many items an argument asks for; what is no number and no list says nothing."""
    match given:
        case bool():
            return assumed
        case int():
            return min(max(given, 1), MAX_PAGE)
        case float() if given.is_integer():  # GraphQL takes 100.0 for the integer that it is
            return min(max(int(given), 1), MAX_PAGE)
        case list() | tuple():
            return min(len(given), MOST)
        case _:
            return assumed
