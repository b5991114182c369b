"""Queries of campaigns."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.campaigns import service
from server.kit.pagination import PageArguments
from server.schema.campaigns.types import Campaign
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.enums import CampaignState
from server.schema.nodes import Kind, found, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which campaigns. What is not given does not restrict.")
class CampaignFilter:
    """A filter of campaigns."""

    unit_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this unit itself.")
    state: CampaignState | None = strawberry.field(default=None, description="Only those that stand so.")


@strawberry.type
class CampaignsQuery:
    """Root fields about campaigns."""

    @query(Permission.CAMPAIGN_READ, "Campaigns in reach, newest first.", costs=PAGED)
    async def campaigns(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[CampaignFilter | None, strawberry.argument(description="Which campaigns.")] = None,
    ) -> Connection[Campaign]:
        """List campaigns."""
        wanted = filter or CampaignFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            page = await service.list_campaigns(uow, arguments, unit_id=unit_id, state=wanted.state)
        return connection(page, Campaign.of)

    @query(Permission.CAMPAIGN_READ, "One campaign; null if there is none in reach.", costs=LOADED)
    async def campaign(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Campaign | None:
        """Find a campaign."""
        return await found(info.context, id, Campaign)
