"""Queries of channels."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.channels import service
from server.channels.service.reading import connection as one_connection
from server.kit.pagination import PageArguments
from server.schema.channels.types import ChannelConnection, FoundPage, Page
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.nodes import Kind, uid, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which pages are wanted; what is left out is no condition.")
class PageFilter:
    """Conditions on pages."""

    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only pages of this unit and of everything under it."
    )


@strawberry.type
class ChannelsQuery:
    """Root fields about pages."""

    @query(Permission.CHANNEL_READ, "Connected pages, by name, disconnected ones included.", costs=PAGED)
    async def pages(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[PageFilter | None, strawberry.argument(description="Which pages.")] = None,
    ) -> Connection[Page]:
        """List pages."""
        unit_id = uid_or_none(Kind.UNIT, filter.unit_id if filter else None, "filter", "unitId")
        async with info.context.read() as uow:
            page = await service.list_pages(uow, PageArguments(first, after, last, before), unit_id)
        return connection(page, Page.of)

    @query(
        Permission.CHANNEL_CONNECT,
        "A granted connection with the pages to choose from. Only for the caller who began it; needs the completion code.",
        costs=LOADED,
    )
    async def channel_connection(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The connection, from its return address.")],
        completion: Annotated[
            str, strawberry.argument(description="The code that only the browser at the end of the dialogue was given.")
        ],
    ) -> ChannelConnection | None:
        """Show what a grant reaches."""
        connection_id = uid(Kind.CONNECTION, id, "id")
        async with info.context.read() as uow:
            row = await one_connection(uow, connection_id)
            offered = await service.found_pages(uow, connection_id, completion)
        return ChannelConnection.of(row, [FoundPage.of(page) for page in offered])
