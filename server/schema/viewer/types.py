"""GraphQL types of the one who asks."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.kit.errors import NotFound
from server.kit.pagination import PageArguments
from server.schema.auth.types import Token
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED, held
from server.schema.declarations import readable
from server.schema.enums import Permission
from server.schema.nodes import Kind, gid
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.tenants.types import Member, Organization, Unit
from server.tenants import service
from server.tenants.models import UnitRow
from server.tenants.scope import ActorKind, Scope

MAX_REACHES = 250


@readable(None)
@strawberry.type(description="What the caller may do on one unit and everything that the grant reaches.")
class Reach:
    """Permissions per unit, so that a front end need not guess."""

    unit_id: strawberry.ID | None = strawberry.field(description="The unit; null means the whole organization.")
    permissions: list[Permission] = strawberry.field(description="What may be done there.", directives=held(60))


@readable(None)
@strawberry.type(description="One unit that the caller reaches, and what the caller may do there.")
class ReachedUnit:
    """A unit with the rights of the one who asks."""

    unit: Unit = strawberry.field(description="The unit.")
    permissions: list[Permission] = strawberry.field(description="What may be done there, sorted.", directives=held(60))


@readable(None)
@strawberry.type(description="Who is asking, for which organization, and what they may do.")
class Viewer:
    """The caller."""

    name: str = strawberry.field(description="The person or the app.")
    member_id: strawberry.ID | None = strawberry.field(description="The member, unless an app asks.")
    reaches_everything: bool = strawberry.field(description="Whether every unit is in reach.")
    permissions: list[Permission] = strawberry.field(
        description="What may be done on the whole tree, sorted; rights on single units are in `units`.",
        directives=held(60),
    )
    scope: strawberry.Private[Scope]

    @classmethod
    def of(cls, scope: Scope) -> Viewer:
        """Show a caller."""
        is_member = scope.actor.kind is ActorKind.MEMBER
        return cls(
            name=scope.actor.name,
            member_id=gid(Kind.MEMBER, scope.actor.id) if is_member else None,
            reaches_everything=scope.all_units,
            permissions=sorted(scope.everywhere),
            scope=scope,
        )

    @strawberry.field(
        description="The acting organization: the one that the token names. There is never another.", directives=LOADED
    )
    async def organization(self, info: Info) -> Organization:
        """Resolve the organization."""
        row = await info.context.loaders.organizations.load(self.scope.organization_id)
        if row is None:
            raise NotFound
        return Organization.of(row)

    @strawberry.field(description="The person; null for an app.", directives=LOADED)
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        if self.scope.actor.kind is not ActorKind.MEMBER:
            return None
        row = await info.context.loaders.members.load(self.scope.actor.id)
        return None if row is None else Member.of(row)

    @strawberry.field(
        description="The token that the request came with: its kind, its units and permissions, and its end.",
        directives=LOADED,
    )
    async def token(self, info: Info) -> Token | None:
        """Resolve the token."""
        if self.scope.credential is None:
            return None
        row = await info.context.loaders.tokens.load(self.scope.credential.token_id)
        return None if row is None else Token.of(row)

    @strawberry.field(
        description="The units in reach, by name, with what may be done on each: all of them, page by page. Units that are only"
        " seen as the line above others are not among them.",
        directives=PAGED,
    )
    async def units(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        permission: Annotated[
            Permission | None, strawberry.argument(description="Only units where the caller holds this permission.")
        ] = None,
    ) -> Connection[ReachedUnit]:
        """List what is reached."""
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            page = await service.list_reached_units(uow, arguments, permission=permission)
        return connection(page, self._reached)

    def _reached(self, row: UnitRow) -> ReachedUnit:
        return ReachedUnit(unit=Unit.of(row), permissions=self.scope.held_on(row.id))

    @strawberry.field(
        description="Permissions: first those on everything, then per unit, at most 250 units.",
        deprecation_reason="It is cut at 250 units. Use permissions, units and the query viewerCan. Removal on 2027-06-01.",
        directives=held(250),
    )
    def reaches(self) -> list[Reach]:
        """Show the resolved grants."""
        shown = [Reach(unit_id=None, permissions=sorted(self.scope.everywhere))] if self.scope.everywhere else []
        units = sorted(self.scope.by_unit.items())[:MAX_REACHES]
        return shown + [Reach(unit_id=gid(Kind.UNIT, unit), permissions=sorted(held)) for unit, held in units]
