"""Queries of the spine."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.enums import UnitKind
from server.schema.nodes import Kind, gid, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.tenants.types import Member, Unit, Viewer
from server.tenants import service
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind


@strawberry.type
class TenantsQuery:
    """Root fields about organizations, units and people."""

    @query(None, "Who is asking, and what they may do.")
    async def viewer(self, info: Info) -> Viewer:
        """Show the caller."""
        scope = info.context.scope
        is_member = scope.actor.kind is ActorKind.MEMBER
        return Viewer(
            name=scope.actor.name,
            member_id=gid(Kind.MEMBER, scope.actor.id) if is_member else None,
            reaches_everything=scope.all_units,
            scope=scope,
        )

    @query(None, "Units in reach and the line above them, by name.")
    async def units(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        kind: Annotated[UnitKind | None, strawberry.argument(description="Only units of this kind.")] = None,
        parent_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only units right under it.")
        ] = None,
    ) -> Connection[Unit]:
        """List units."""
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            parent = uid_or_none(Kind.UNIT, parent_id, "parentId")
            page = await service.list_units(uow, arguments, kind=kind, parent_id=parent)
        return connection(page, Unit.of)

    @query(Permission.MEMBER_READ, "People of the organization, by name.")
    async def members(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Member]:
        """List members."""
        async with info.context.read() as uow:
            page = await service.list_members(uow, PageArguments(first, after, last, before))
        return connection(page, Member.of)
