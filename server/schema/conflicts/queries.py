"""Queries of conflict walls."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth import service
from server.kit.pagination import PageArguments
from server.schema.conflicts.types import ConflictException, UnitConflict
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which exceptions. What is not given does not restrict.")
class ConflictExceptionFilter:
    """A filter of exceptions."""

    member_id: strawberry.ID | None = strawberry.field(default=None, description="Only of this member.")


@strawberry.type
class ConflictsQuery:
    """Root fields about walls between units."""

    @query(
        Permission.MEMBER_MANAGE,
        "Units that are kept apart, newest first. Needs member:manage on the whole tree.",
        costs=PAGED,
    )
    async def unit_conflicts(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[UnitConflict]:
        """List walls."""
        async with info.context.read() as uow:
            page = await service.list_conflicts(uow, PageArguments(first, after, last, before))
        return connection(page, UnitConflict.of)

    @query(
        Permission.MEMBER_MANAGE,
        "Exceptions to walls, asked for and granted, newest first. Needs member:manage on the whole tree.",
        costs=PAGED,
    )
    async def conflict_exceptions(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[ConflictExceptionFilter | None, strawberry.argument(description="Which exceptions.")] = None,
    ) -> Connection[ConflictException]:
        """List exceptions."""
        wanted = filter or ConflictExceptionFilter()
        member_id = uid_or_none(Kind.MEMBER, wanted.member_id, "filter", "memberId")
        async with info.context.read() as uow:
            page = await service.list_exceptions(uow, PageArguments(first, after, last, before), member_id=member_id)
        return connection(page, ConflictException.of)
