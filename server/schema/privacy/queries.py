"""Queries of privacy."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.kit.pagination import PageArguments
from server.privacy import service
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.nodes import found
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.privacy.types import Offboarding
from server.tenants.rules import Permission


@strawberry.type
class PrivacyQuery:
    """Root fields about clients that leave."""

    @query(
        Permission.UNIT_OFFBOARD,
        "One off-boarding by its id; null if there is none that the caller may see.",
        costs=LOADED,
    )
    async def offboarding(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The off-boarding.")]
    ) -> Offboarding | None:
        """Show one off-boarding."""
        return await found(info.context, id, Offboarding)

    @query(
        Permission.UNIT_OFFBOARD,
        "Clients that left or are leaving, newest first. Needs unit:offboard on the unit above what left.",
        costs=PAGED,
    )
    async def offboardings(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Offboarding]:
        """List off-boardings."""
        async with info.context.read() as uow:
            page = await service.list_offboardings(uow, PageArguments(first, after, last, before))
        return connection(page, Offboarding.of)
