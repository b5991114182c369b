"""Permissions, declared where a field is declared: printed in the SDL as `@requires` and checked once, before the resolver.

The check at the root asks whether the caller holds the permission anywhere; services then check the unit at hand, after
the scoped fetch, so that a refusal never reveals that something exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver
from strawberry.types.field import StrawberryField

from server.schema.context import Info
from server.schema.declarations import Anonymous, Public, Requires
from server.schema.errors import OnlySubscriptions
from server.schema.storable import refuse_unstorable
from server.tenants.rules import Permission


class RequirePermission(FieldExtension):
    """Refuses a root field before its resolver runs."""

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    def apply(self, field: StrawberryField) -> None:
        """Print the declaration into the SDL."""
        if not any(isinstance(one, (Requires, Public)) for one in field.directives):  # each build applies it again
            mark = Requires(permission=self.permission.value) if self.permission else Public()
            field.directives = [*field.directives, mark]

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        """Check, then resolve. A socket carries subscriptions only: its scope is as old as its connection."""
        if info.context.is_socket:
            raise OnlySubscriptions
        check(info, self.permission)
        refuse_unstorable(kwargs)
        return await next_(source, info, **kwargs)


class RequireNothing(RequirePermission):
    """Lets anybody ask for a root field; the service behind it counts attempts."""

    def __init__(self) -> None:
        super().__init__(None)

    def apply(self, field: StrawberryField) -> None:
        """Print the declaration into the SDL."""
        if not any(isinstance(one, Anonymous) for one in field.directives):
            field.directives = [*field.directives, Anonymous()]

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Info, **kwargs: Any) -> Any:
        """Resolve; a socket carries subscriptions only."""
        if info.context.is_socket:
            raise OnlySubscriptions
        refuse_unstorable(kwargs)
        return await next_(source, info, **kwargs)


def check(info: Info, permission: Permission | None) -> None:
    """Raise Unauthenticated or PermissionDenied; subscriptions call it themselves, extensions do not see them."""
    scope = info.context.scope
    if permission is not None:
        scope.require_anywhere(permission)


def query(permission: Permission | None, description: str, *, costs: Sequence[object]) -> Any:
    """Declare a root query field with its costs. `permission` None means: every authenticated caller."""
    return strawberry.field(description=description, extensions=[RequirePermission(permission)], directives=costs)


def declared(field: StrawberryField) -> Sequence[RequirePermission]:
    """Return the declarations of a field, for the test that refuses a field without one."""
    return [one for one in field.extensions if isinstance(one, RequirePermission)]
