"""Queries of the spine."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import strawberry

from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.enums import UnitKind
from server.schema.nodes import Kind, found, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.tenants.types import Member, Unit
from server.tenants import rules, service
from server.tenants.rules import Permission


@strawberry.input(description="Which people. What is not given does not restrict.")
class MemberFilter:
    """A filter of people."""

    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only who has a role on this unit or under it."
    )
    is_active: bool | None = strawberry.field(
        default=None, description="True leaves out who is deactivated, false shows only those."
    )


@strawberry.input(description="Which units are wanted; what is left out is no condition.")
class UnitFilter:
    """Conditions on units."""

    kind: UnitKind | None = strawberry.field(default=None, description="Only units of this kind.")
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="Only units right under it.")
    under_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only this unit and what stands under it, at any depth."
    )
    group_id: strawberry.ID | None = strawberry.field(default=None, description="Only members of this group.")
    is_archived: bool | None = strawberry.field(
        default=False, description="False for units at work, true for archived ones, null for both."
    )
    search: str | None = strawberry.field(
        default=None, description="How the name or the external code begins, in any case; 1 to 200 characters."
    )

    def read(self) -> rules.UnitFilter:
        """Read the ids."""
        return rules.UnitFilter(
            kind=self.kind,
            parent_id=uid_or_none(Kind.UNIT, self.parent_id, "filter", "parentId"),
            under_id=uid_or_none(Kind.UNIT, self.under_id, "filter", "underId"),
            group_id=uid_or_none(Kind.GROUP, self.group_id, "filter", "groupId"),
            is_archived=self.is_archived,
            search=self.search,
        )


@strawberry.type
class TenantsQuery:
    """Root fields about organizations, units and people."""

    @query(None, "One unit in reach or above what is in reach; null if there is none.", costs=LOADED)
    async def unit(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The unit.")]
    ) -> Unit | None:
        """Show one unit."""
        return await found(info.context, id, Unit)

    @query(
        None, "Units in reach and the line above them, by name; archived ones only if they are asked for.", costs=PAGED
    )
    async def units(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        kind: Annotated[
            UnitKind | None,
            strawberry.argument(
                description="Only units of this kind.", deprecation_reason="Use filter.kind. Removal on 2027-06-01."
            ),
        ] = None,
        parent_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Only units right under it.",
                deprecation_reason="Use filter.parentId. Removal on 2027-06-01.",
            ),
        ] = None,
        filter: Annotated[UnitFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[Unit]:
        """List units."""
        arguments = PageArguments(first, after, last, before)
        wanted = (filter or UnitFilter()).read()
        wanted = replace(
            wanted,
            kind=wanted.kind or kind,
            parent_id=wanted.parent_id or uid_or_none(Kind.UNIT, parent_id, "parentId"),
        )
        async with info.context.read() as uow:
            page = await service.list_units(uow, arguments, wanted)
        return connection(page, Unit.of)

    @query(Permission.MEMBER_READ, "People who work at units in reach or above them, by name.", costs=PAGED)
    async def members(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[MemberFilter | None, strawberry.argument(description="Which people.")] = None,
    ) -> Connection[Member]:
        """List members."""
        wanted = filter or MemberFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        async with info.context.read() as uow:
            page = await service.list_members(
                uow, PageArguments(first, after, last, before), unit_id=unit_id, is_active=wanted.is_active
            )
        return connection(page, Member.of)
