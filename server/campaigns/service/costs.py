"""What a campaign has cost, read from the platforms while it runs and for a while after it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.campaigns.jobs import ImportCosts
from server.campaigns.models import CampaignState
from server.campaigns.repository import campaigns as repository
from server.campaigns.rules import COST_PAUSE, COST_READINGS
from server.campaigns.service.drafts import TOPIC
from server.metering import service as metering
from server.metering.models import Origin
from server.platforms.port import CampaignCosts, Channel
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class CostSource:
    """One platform campaign whose costs can be read now."""

    campaign_id: UUID
    page_id: UUID
    unit_id: UUID
    channel: Channel
    platform_campaign_id: str
    at: datetime


async def cost_sources(uow: UnitOfWork, campaign_id: UUID) -> Sequence[CostSource]:
    """Return the platform campaigns of a campaign; none for pages that were never opened or are disconnected."""
    now = await uow.now()
    pages = await repository.sender_pages(uow.session, uow.scope.organization_id, campaign_id)
    return [
        CostSource(campaign_id, page.id, page.unit_id, page.channel, page.platform_campaign_id, now)
        for page in pages
        if page.platform_campaign_id is not None and page.is_connected
    ]


async def record_costs(uow: UnitOfWork, source: CostSource, costs: CampaignCosts) -> None:
    """Add what a reading says beyond the one before to the ledger; a repeated reading adds nothing."""
    added = await metering.record_reading(
        uow,
        metering.Reading(
            unit_id=source.unit_id,
            page_id=source.page_id,
            origin=Origin.CAMPAIGN,
            origin_id=source.campaign_id,
            reference=f"campaign:{source.campaign_id}:{source.page_id}:{source.at.isoformat()}",
            spend_micros_total=costs.spend_micros,
            delivered_total=costs.delivered,
            currency=costs.currency,
            at=source.at,
        ),
    )
    if added:
        uow.announce(TOPIC)


async def read_again(uow: UnitOfWork, work: ImportCosts) -> timedelta | None:
    """Return when a running campaign is read again by the same job; after its end, ask for the next reading if one is due."""
    row = await repository.campaign(uow.session, uow.scope.organization_id, work.campaign_id)
    if row is None:
        return None
    if work.reading == 0:
        is_running = row.state in {CampaignState.RUNNING, CampaignState.PAUSED}
        return COST_PAUSE if is_running else None
    if work.reading <= len(COST_READINGS):
        following = ImportCosts(work.campaign_id, work.reading + 1)
        uow.defer(following, key=f"{work.campaign_id}:{following.reading}", delay=COST_READINGS[work.reading - 1])
    return None
