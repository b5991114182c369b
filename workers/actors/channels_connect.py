"""Actors of connecting: what is owed to a platform after a page was connected."""

from __future__ import annotations

from datetime import timedelta

from server.channels import service as channels
from server.channels.errors import PageDisconnected
from server.channels.jobs import SubscribePage, SyncPage
from server.channels.models import Health
from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed
from server.sends import service as sends
from server.sends.models import Purpose
from workers.refreshing import ensure_fresh
from workers.run import Actor, RetryLater, Run

_HEALTH = {
    FailureReason.PERMISSION: Health.MISSING_PERMISSION,
    FailureReason.PAGE_RESTRICTED: Health.RESTRICTED,
}


async def subscribe_page(run: Run, job: SubscribePage) -> None:
    """Subscribe the page's webhooks, and owe the comparisons with the platform's list from then on.

    A grant that cannot do so is shown as unhealthy instead of being tried again.
    """
    await ensure_fresh(run, job.page_id)
    try:
        async with run.begin() as uow:
            page, began_at = await channels.credentials(uow, job.page_id), await uow.now()
    except PageDisconnected:
        return
    problem = await _subscribe(run, page)
    async with run.begin() as uow:
        if problem is None:
            await channels.mark_subscribed(uow, job.page_id)
            delay = timedelta(seconds=run.settings.channels.skew_s)
            uow.defer(SyncPage(job.page_id), key=str(job.page_id), delay=delay)
            for purpose in Purpose:  # what waited for a page that is connected again goes out
                sends.ring(uow, job.page_id, purpose)
        elif problem.reason is FailureReason.AUTH:
            await channels.note_refused_token(uow, job.page_id, problem.detail, began_at)
        else:
            await channels.mark_unhealthy(uow, job.page_id, _HEALTH[problem.reason], problem.detail)
        await run.finish(uow)


async def _subscribe(run: Run, page: PageCredentials) -> PlatformCallFailed | None:
    """Ask the platform; return the problem that only a person can heal. Everything else is tried again later."""
    try:
        await run.registry.of(page.channel).subscribe(page)
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.AUTH or problem.reason in _HEALTH:
            return problem
        if problem.retry_after_s is not None:
            raise RetryLater(timedelta(seconds=problem.retry_after_s)) from problem
        raise
    return None


ACTORS: dict[type, Actor] = {SubscribePage: subscribe_page}
