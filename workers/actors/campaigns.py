"""Actors of campaigns: HTTP to the platforms happens here, between short units of work."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from server.campaigns import service as campaigns
from server.campaigns.jobs import ExpandCampaign, ImportCosts, StartCampaign, WatchCampaign
from server.channels import service as channels
from server.channels.models import Health
from server.platforms.port import Channel, FailureReason, PlatformCallFailed
from workers.run import Actor, RetryLater, Run

_PLATFORM_PAUSE_S = 30.0
_HEALTH_AFTER = {
    FailureReason.AUTH: Health.RECONNECT_NEEDED,
    FailureReason.PERMISSION: Health.MISSING_PERMISSION,
    FailureReason.PAGE_RESTRICTED: Health.RESTRICTED,
}


async def start_campaign(run: Run, job: StartCampaign) -> None:
    """Open the paid campaign at every sender page, then let the campaign run."""
    async with run.begin_read() as uow:
        plan = await campaigns.opening(uow, job.campaign_id)
    if plan is None:
        return
    if plan.wait:
        raise RetryLater(plan.wait)
    for page in plan.pages:
        await _open(run, job, page.page_id, plan.name, page.channel)
    async with run.begin() as uow:
        await campaigns.begin_run(uow, job.campaign_id)
        await run.finish(uow)


async def _open(run: Run, job: StartCampaign, page_id: UUID, name: str, channel: Channel) -> None:
    async with run.begin_read() as uow:
        credentials = await channels.credentials(uow, page_id)
    try:
        opened = await run.registry.of(channel).create_campaign(credentials, name)
    except PlatformCallFailed as error:
        health = _HEALTH_AFTER.get(error.reason)
        if health is not None:
            async with run.begin() as uow:
                await channels.mark_unhealthy(uow, page_id, health, error.detail)
        if error.retryable:
            raise RetryLater(timedelta(seconds=error.retry_after_s or _PLATFORM_PAUSE_S)) from error
        raise
    async with run.begin() as uow:
        await campaigns.record_opened(uow, job.campaign_id, page_id, opened)


async def expand_campaign(run: Run, job: ExpandCampaign) -> None:
    """Queue sends, 1,000 people per unit of work."""
    while True:
        async with run.begin() as uow:
            if not await campaigns.expand(uow, job.campaign_id):
                await run.finish(uow)
                return


async def watch_campaign(run: Run, job: WatchCampaign) -> None:
    """End the campaign when all is settled, else look again."""
    async with run.begin() as uow:
        delay = await campaigns.watch(uow, job.campaign_id)
    if delay is not None:
        raise RetryLater(delay)


async def import_costs(run: Run, job: ImportCosts) -> None:
    """Read the costs of every platform campaign into the ledger; one page that fails does not hold up the others."""
    failures: list[PlatformCallFailed] = []
    async with run.begin_read() as uow:
        sources = await campaigns.cost_sources(uow, job.campaign_id)
    for source in sources:
        async with run.begin_read() as uow:
            credentials = await channels.credentials(uow, source.page_id)
        try:
            costs = await run.registry.of(source.channel).campaign_costs(credentials, source.platform_campaign_id)
        except PlatformCallFailed as error:
            failures.append(error)
            continue
        async with run.begin() as uow:
            await campaigns.record_costs(uow, source, costs)
    if failures:
        raise failures[0]
    async with run.begin() as uow:
        delay = await campaigns.read_again(uow, job)
        if delay is None:
            await run.finish(uow)
    if delay is not None:
        raise RetryLater(delay)


ACTORS: dict[type, Actor] = {
    StartCampaign: start_campaign,
    ExpandCampaign: expand_campaign,
    WatchCampaign: watch_campaign,
    ImportCosts: import_costs,
}
