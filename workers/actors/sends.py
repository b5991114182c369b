"""Actors of the send protocol: they compose sends with the inbox, which sends do not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from server.channels import service as channels
from server.inbox import service as inbox
from server.platforms.port import PlatformCallFailed
from server.sends import drain, reconcile
from server.sends import service as sends
from server.sends.jobs import DrainPage, ReconcilePage
from workers.run import Actor, RetryLater, Run

_PAGE_WAITS = timedelta(seconds=30)


async def drain_page(run: Run, job: DrainPage) -> None:
    """Claim, call and record until the page has nothing due; come back when something will be."""
    settings = run.settings.sends
    while True:
        await run.runtime.lock.ensure(run.worker_id)
        async with run.begin() as uow:
            abandoned = await reconcile.abandon_claims(uow, settings, job.page_id, run.worker_id)
            abandoned += await reconcile.abandon_unrecorded(uow, settings, job.page_id, job.purpose)
            work = await drain.take(uow, settings, job.page_id, job.purpose, run.worker_id)
            await inbox.reflect(uow, [*abandoned, *work.skipped])
            messages = [drain.message_of(uow, row, job.page_id) for row in work.claimed]
        if work.postponed:
            continue
        if not work.claimed and not work.skipped:
            break

        async def record(outcomes: Sequence[drain.Try], work: drain.Round = work) -> None:
            async with run.begin() as uow:
                settled = await drain.record(uow, settings, work, run.worker_id, outcomes)
                await inbox.reflect(uow, settled)

        connector = run.registry.of(work.page.channel)
        await drain.call_all(connector, settings, run.runtime.lock, run.worker_id, work, messages, record)
    async with run.begin() as uow:
        wait_s = await sends.next_due_s(uow, job.page_id, job.purpose, settings.lease_s)
        if wait_s is None:
            await run.finish(uow)
    if wait_s is not None:
        # Queued and not claimable: not due yet, or the page or batch waits. A change of either rings again.
        raise RetryLater(min(max(timedelta(seconds=wait_s), timedelta(seconds=1)), _PAGE_WAITS))


async def reconcile_page(run: Run, job: ReconcilePage) -> None:
    """Settle the page's unknowns by the platform's own list."""
    settings = run.settings.sends
    async with run.begin() as uow:
        await inbox.reflect(uow, await reconcile.abandon_claims(uow, settings, job.page_id, run.worker_id))
        unknowns = await reconcile.due_unknowns(uow, settings, job.page_id)
        page = await channels.page_ref(uow, job.page_id)
        credentials = await channels.credentials(uow, job.page_id)
    if unknowns:
        try:
            listed = await run.registry.of(page.channel).list_messages(credentials, reconcile.since(unknowns))
        except PlatformCallFailed as failure:
            raise RetryLater(timedelta(seconds=failure.retry_after_s or settings.grace_s)) from failure
        async with run.begin() as uow:
            await inbox.reflect(uow, await reconcile.settle_by_list(uow, job.page_id, unknowns, listed))
    async with run.begin() as uow:
        is_done = await reconcile.is_done(uow, job.page_id)
        if is_done:
            await run.finish(uow)
    if not is_done:
        raise RetryLater(timedelta(seconds=settings.grace_s / 2))


ACTORS: dict[type, Actor] = {DrainPage: drain_page, ReconcilePage: reconcile_page}
