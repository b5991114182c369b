"""What a type or a field says about who may read it, printed in the SDL. Declared here, enforced by permissions and guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import strawberry
from strawberry.schema_directive import Location
from strawberry.types import get_object_definition

from server.tenants.rules import Permission

T = TypeVar("T")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="requires",
    description=(
        "The permission that the caller must hold on the unit at hand. Without it on any unit a root field is refused; "
        "any other field, and a field that shows such a type, is null or empty."
    ),
)
class Requires:
    """The declared permission of a field."""

    permission: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="public",
    description="Every authenticated caller may ask for this; what is seen is cut by the caller's scope.",
)
class Public:
    """Declares that a field needs authentication only."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="anonymous",
    description="Nobody has to be known for this: it is how somebody becomes known. No token is needed.",
)
class Anonymous:
    """Declares that a field needs no authentication."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="idempotencyRequired",
    description="The field must carry @idempotent(key:) or the request an Idempotency-Key header.",
)
class IdempotencyIsRequired:
    """Declares that a mutation leads to a send, an approval or a publication."""


def readable(permission: Permission | None) -> Callable[[type[T]], type[T]]:
    """Declare with which permission objects of a GraphQL type are read; None for every authenticated caller.

    Stands above `@strawberry.type`; a type without it fails a test. See guards.py for what it does.
    """

    def declare(kind: type[T]) -> type[T]:
        definition = get_object_definition(kind, strict=True)
        mark = Requires(permission=permission.value) if permission else Public()
        definition.directives = [*(definition.directives or ()), mark]
        return kind

    return declare


def reads_with(kind: type) -> Permission | None:
    """Return the permission that `readable` declared for a GraphQL type."""
    for one in get_object_definition(kind, strict=True).directives or ():
        if isinstance(one, Requires):
            return Permission(one.permission)
    return None
