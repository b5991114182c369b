"""Actors of the send protocol: they compose sends with the inbox, which sends do not know."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta

from server.channels import service as channels
from server.inbox import service as inbox
from server.inbox.jobs import ShowSignal, UnsendMessage
from server.platforms.capabilities import catalogue
from server.platforms.port import Act, Connector, PlatformCallFailed
from server.sends import drain, quota, reconcile
from server.sends import service as sends
from server.sends.calling import Caller, call_round
from server.sends.jobs import DrainPage, ReconcilePage
from server.sends.media import MediaDesk
from server.sends.quota import Allowances
from workers.refreshing import ensure_fresh
from workers.run import Actor, RetryLater, Run

_PAGE_WAITS = timedelta(seconds=30)


async def drain_page(run: Run, job: DrainPage) -> None:
    """Claim, call and record until the page has nothing due; come back when something will be."""
    settings = run.settings.sends
    caller: Caller | None = None
    while True:
        await run.runtime.lock.ensure(run.worker_id)
        await ensure_fresh(run, job.page_id)
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
        caller = caller or _caller(run, connector, work)
        caller.desk.credentials = work.credentials
        if await call_round(caller, work, messages, record):
            break
    if caller is not None:
        await caller.close()
    async with run.begin() as uow:
        wait_s = await sends.next_due_s(uow, job.page_id, job.purpose, settings.lease_s)
        if wait_s is None:
            await run.finish(uow)
    if wait_s is not None:
        # Queued and not claimable: not due yet, or the page or batch waits. A change of either rings again.
        raise RetryLater(min(max(timedelta(seconds=wait_s), timedelta(seconds=1)), _PAGE_WAITS))


def _caller(run: Run, connector: Connector, work: drain.Round) -> Caller:
    desk = MediaDesk(run.begin, connector, run.settings, work.page, work.credentials)
    runtime = run.runtime
    return Caller(
        runtime.database, connector, run.settings.sends, runtime.lock, run.worker_id, run.organization_id, desk
    )


async def reconcile_page(run: Run, job: ReconcilePage) -> None:
    """Settle the page's unknowns by the platform's own list."""
    settings = run.settings.sends
    async with run.begin() as uow:
        await inbox.reflect(uow, await reconcile.abandon_claims(uow, settings, job.page_id, run.worker_id))
        unknowns = await reconcile.due_unknowns(uow, settings, job.page_id)
        page = await channels.page_ref(uow, job.page_id)
        credentials = await channels.credentials(uow, job.page_id)
        capability = catalogue.at(page.channel, await uow.now())
    if unknowns:
        connector = run.registry.of(page.channel)
        allowances = Allowances.of(page, connector.app, capability, settings)
        token = await quota.take_one(run.runtime.database, allowances, Act.LIST, run.organization_id)
        if token.waits_s[0] is not None:
            raise RetryLater(timedelta(seconds=token.waits_s[0]))
        try:
            listing = await connector.list_messages(credentials, reconcile.since(unknowns))
        except PlatformCallFailed as failure:
            raise RetryLater(timedelta(seconds=failure.retry_after_s or settings.grace_s)) from failure
        finally:
            await quota.settle(run.runtime.database, token)
        async with run.begin() as uow:
            await inbox.reflect(uow, await reconcile.settle_by_list(uow, job.page_id, unknowns, listing))
    async with run.begin() as uow:
        is_done = await reconcile.is_done(uow, job.page_id)
        if is_done:
            await run.finish(uow)
    if not is_done:
        raise RetryLater(timedelta(seconds=settings.grace_s / 2))


async def unsend_message(run: Run, job: UnsendMessage) -> None:
    """Ask the platform to take one message back; what it answers is written to the message."""
    async with run.begin() as uow:
        wanted = await inbox.unsending(uow, job.message_id)
        if wanted is None:
            await run.finish(uow)
            return
        page = await channels.page_ref(uow, wanted.page_id)
        credentials = await channels.credentials(uow, wanted.page_id)
    failure: str | None = None
    try:
        await run.registry.of(page.channel).unsend(credentials, wanted.platform_message_id)
    except PlatformCallFailed as problem:
        if problem.retryable and run.claimed.attempts < run.claimed.max_attempts:
            raise
        failure = problem.detail
    async with run.begin() as uow:
        await inbox.end_unsending(uow, job.message_id, failure=failure, erases=job.erases)
        await run.finish(uow)


async def show_signal(run: Run, job: ShowSignal) -> None:
    """Show typing or a read mark; a platform that does not take it is left alone."""
    async with run.begin() as uow:
        wanted = await inbox.signal_of(uow, job)
        if wanted is None:
            return
        credentials = await channels.credentials(uow, job.page_id)
    page, signal = wanted
    with contextlib.suppress(PlatformCallFailed):
        await run.registry.of(page.channel).signal(credentials, signal)


ACTORS: dict[type, Actor] = {
    DrainPage: drain_page,
    ReconcilePage: reconcile_page,
    UnsendMessage: unsend_message,
    ShowSignal: show_signal,
}
