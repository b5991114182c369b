"""Queries of consent."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.consent import service
from server.kit.pagination import PageArguments
from server.schema.consent.types import Topic
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query


@strawberry.type
class ConsentQuery:
    """Root fields about topics."""

    @query(None, "Marketing topics, by name.", costs=PAGED)
    async def topics(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        unit_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only those offered at this unit: its own and those of the units above."),
        ] = None,
    ) -> Connection[Topic]:
        """List topics."""
        wanted = uid_or_none(Kind.UNIT, unit_id, "unitId")
        async with info.context.read() as uow:
            page = await service.topics(uow, PageArguments(first, after, last, before), unit_id=wanted)
        return connection(page, Topic.of)
