"""What a field costs, declared beside it and printed in the SDL; pricing.py adds it up before anything runs.

One point stands for one field that is resolved, ten for one SQL statement. A field that only reads an attribute costs one
point and declares nothing. Lists and everything with a resolver must declare (a test). `@listSize` is that of the cost
directives of IBM's specification (ibm.github.io/graphql-specs/cost-spec.html); `@cost` counts statements too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import strawberry
from graphql import GraphQLField
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from server.kit.pagination import DEFAULT_PAGE
from server.schema.declarations import IdempotencyIsRequired

STATEMENT = 10
"""Points of one SQL statement."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description=(
        "What the field costs besides what is selected under it: `weight` points each time it is resolved, and `statements`"
        " SQL statements at most, however many objects it is selected on; a statement costs ten points. A field without"
        " this directive costs one point."
    ),
)
class Cost:
    """The price of a field."""

    statements: int = 0
    weight: int = 1


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description=(
        "How many items the price of a document reckons with: the value of one of `slicingArguments` (its length, for a list;"
        " a dot leads into an input object), else `assumedSize`. With `sizedFields` it is these fields of the answer that have"
        " the items. Ten items cost a point by themselves, and what is selected on each is added."
    ),
)
class ListSize:
    """The size of a list."""

    assumed_size: int
    sized_fields: list[str] | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET


COMPUTED = [Cost(weight=1)]
"""Worked out from what is there already."""
LOADED = [Cost(weight=2, statements=2)]
"""Read for all objects of the answer together."""
PAGED = [
    Cost(weight=2, statements=3),
    ListSize(assumed_size=DEFAULT_PAGE, slicing_arguments=["first", "last"], sized_fields=["nodes", "edges"]),
]
"""A connection: as long as `first` or `last` says."""


def held(size: int) -> list[object]:
    """Declare a list that its object already has, of at most `size` items."""
    return [ListSize(assumed_size=size)]


def loaded(size: int) -> list[object]:
    """Declare a list of at most `size` items that is read for all objects of the answer together."""
    return [Cost(weight=2, statements=2), ListSize(assumed_size=size)]


USER_ERRORS = held(20)
"""What was wrong with a mutation's input."""


def sized_by(argument: str, most: int, *, statements: int) -> list[object]:
    """Declare a list as long as the list that is given as an argument."""
    return [Cost(weight=2, statements=statements), ListSize(assumed_size=most, slicing_arguments=[argument])]


@dataclass(frozen=True, slots=True)
class FieldCost:
    """The declared price of one field of the schema."""

    weight: int = 1
    statements: int = 0
    size: int | None = None
    """How many items a list has that no argument cuts; None: no list."""
    sliced_by: tuple[str, ...] = ()
    sized: frozenset[str] = frozenset()
    """The fields of the answer that have the items; empty: the field itself is the list."""
    is_exact: bool = False
    """Whether it leads to a send, an approval or a publication, which are counted at once and not from a lease."""


PLAIN = FieldCost()


def cost_of(field: GraphQLField) -> FieldCost:
    """Return what a field of the schema declares."""
    declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return _read(declared.directives) if isinstance(declared, StrawberryField) else PLAIN


def _read(directives: Iterable[object]) -> FieldCost:
    cost, size, is_exact = Cost(), None, False
    for one in directives:
        match one:
            case Cost():
                cost = one
            case ListSize():
                size = one
            case IdempotencyIsRequired():
                is_exact = True
    if size is None:
        return FieldCost(cost.weight, cost.statements, is_exact=is_exact)
    sliced, sized = tuple(size.slicing_arguments or ()), frozenset(size.sized_fields or ())
    return FieldCost(cost.weight, cost.statements, size.assumed_size, sliced, sized, is_exact)
