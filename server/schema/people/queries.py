"""Queries of roles and invitations."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth import service
from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import PAGED, loaded
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.people.types import BuiltInRole, Invitation
from server.schema.permissions import query
from server.schema.tenants.types import CustomRole
from server.tenants.rules import Permission


@strawberry.input(description="Which invitations. What is not given does not restrict.")
class InvitationFilter:
    """A filter of invitations."""

    unit_id: strawberry.ID | None = strawberry.field(default=None, description="Only at this unit and under it.")
    is_open: bool | None = strawberry.field(
        default=None, description="True shows only what can still be accepted, false only the rest."
    )


@strawberry.type
class PeopleQuery:
    """Root fields about roles and invitations."""

    @query(None, "The roles that every organization has, the widest first, and what each gives.", costs=loaded(20))
    async def built_in_roles(self, info: Info) -> list[BuiltInRole]:
        """List the built-in roles."""
        return BuiltInRole.every()

    @query(
        Permission.MEMBER_READ,
        "The roles that the organization made for itself, by name, archived ones too.",
        costs=PAGED,
    )
    async def roles(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[CustomRole]:
        """List roles."""
        async with info.context.read() as uow:
            page = await service.list_roles(uow, PageArguments(first, after, last, before))
        return connection(page, CustomRole.of)

    @query(
        Permission.MEMBER_MANAGE,
        "Invitations at units where the caller holds member:manage, newest first.",
        costs=PAGED,
    )
    async def invitations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[InvitationFilter | None, strawberry.argument(description="Which invitations.")] = None,
    ) -> Connection[Invitation]:
        """List invitations."""
        wanted = filter or InvitationFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        async with info.context.read() as uow:
            page = await service.list_invitations(
                uow, PageArguments(first, after, last, before), unit_id=unit_id, is_open=wanted.is_open
            )
        return connection(page, Invitation.of)
