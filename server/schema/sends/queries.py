"""Queries of sends."""

from __future__ import annotations

import strawberry

from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.sends.types import OpenSend
from server.sends import service
from server.tenants.rules import Permission


@strawberry.type
class SendsQuery:
    """Root fields about outgoing messages."""

    @query(Permission.INBOX_REPLY, "Messages of which nobody knows whether they left, oldest first.", costs=PAGED)
    async def open_sends(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[OpenSend]:
        """List open sends."""
        async with info.context.read() as uow:
            page = await service.list_open(uow, PageArguments(first, after, last, before))
        return connection(page, OpenSend.of)
