"""Actors that keep connections alive: grants renewed and asked after, pages subscribed and compared."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import UUID

from server.channels import service as channels
from server.channels.jobs import KeepGrant, SyncPage, WithdrawGrant
from server.channels.models import Health
from server.channels.rules import pause_after
from server.channels.service import SyncPlan
from server.platforms.port import Backfill, FailureReason, GrantState, NotOffered, PlatformCallFailed
from server.sends import service as sends
from server.sends.models import Purpose
from server.tenants.uow import UnitOfWork
from workers.refreshing import ensure_fresh, renew
from workers.run import Actor, RetryLater, Run

_LATER = timedelta(minutes=5)
_SPREAD = 0.2
_HEALTH = {
    FailureReason.PERMISSION: Health.MISSING_PERMISSION,
    FailureReason.PAGE_RESTRICTED: Health.RESTRICTED,
}


async def keep_grant(run: Run, job: KeepGrant) -> None:
    """Renew a grant ahead of its end, ask now and then how well it is, and come back in time for the next of both."""
    every = timedelta(seconds=run.settings.channels.grant_check_s)
    await renew(run, job.account_id, ahead=True)
    async with run.begin_read() as uow:
        check = await channels.check_due(uow, job.account_id, every)
    if check is not None:
        try:
            state = await run.registry.of(check.channel).inspect(check.credentials)
        except PlatformCallFailed as problem:
            if problem.reason is not FailureReason.AUTH:
                raise RetryLater(timedelta(seconds=problem.retry_after_s or _LATER.total_seconds())) from problem
            state = GrantState(is_valid=False, detail=problem.detail)
        async with run.begin() as uow:
            for page_id in await channels.note_check(uow, check, state):
                _ring(uow, page_id)
    async with run.begin() as uow:
        wait = await channels.next_care(uow, job.account_id, every)
        if wait is None:
            await run.finish(uow)
    if wait is not None:
        raise RetryLater(wait)


def _ring(uow: UnitOfWork, page_id: UUID) -> None:
    """Let what waits at a page that is well again go out."""
    for purpose in Purpose:
        sends.ring(uow, page_id, purpose)


async def sync_page(run: Run, job: SyncPage) -> None:
    """Compare one page with the platform's list, subscribe it again if need be, and come back in a few minutes."""
    settings = run.settings.channels
    await ensure_fresh(run, job.page_id)
    async with run.begin() as uow:
        check_every = timedelta(seconds=settings.subscription_check_s)
        plan = await channels.plan_sync(uow, job.page_id, settings.skew_s, check_every)
        if plan is None:
            await run.finish(uow)
    if plan is None:
        return
    try:
        if plan.checks_subscription:
            await _keep_subscribed(run, plan)
        found = await run.registry.of(plan.channel).backfill(plan.credentials, plan.since)
    except PlatformCallFailed as problem:
        raise RetryLater(await _after(run, plan, problem)) from problem
    await _record(run, plan, found)
    raise RetryLater(_spread(max(timedelta(seconds=settings.sync_s), plan.pause)))


async def _record(run: Run, plan: SyncPlan, found: Backfill) -> None:
    async with run.begin() as uow:
        await channels.record_backfill(uow, plan, found, run.settings.channels.skew_s)


async def _keep_subscribed(run: Run, plan: SyncPlan) -> None:
    """Ask whether the page's webhooks come to us, and subscribe them again if not; what was missed follows at once."""
    connector = run.registry.of(plan.channel)
    is_subscribed = await connector.is_subscribed(plan.credentials)
    if not is_subscribed:
        await connector.subscribe(plan.credentials)
    async with run.begin() as uow:
        if is_subscribed:
            await channels.note_subscription_checked(uow, plan.page_id)
        else:
            await channels.mark_subscribed(uow, plan.page_id)


async def _after(run: Run, plan: SyncPlan, problem: PlatformCallFailed) -> timedelta:
    """Say when to come back after a call that failed, and draw its consequences."""
    async with run.begin() as uow:
        await channels.note_sync_failed(uow, plan, problem.detail)
        if problem.reason is FailureReason.AUTH:
            await channels.note_refused_token(uow, plan.page_id, problem.detail, plan.started_at)
        elif problem.reason in _HEALTH:
            await channels.mark_unhealthy(uow, plan.page_id, _HEALTH[problem.reason], problem.detail)
    pause = pause_after(plan.failures + 1, timedelta(seconds=run.settings.channels.sync_s / 10))
    if isinstance(problem, NotOffered):
        pause = timedelta(hours=6)
    return _spread(max(pause, timedelta(seconds=problem.retry_after_s or 0)))


def _spread(pause: timedelta) -> timedelta:
    """Vary a pause a little, so that pages which were connected together are not compared together for ever."""
    return pause * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret


async def withdraw_grant(run: Run, job: WithdrawGrant) -> None:
    """Destroy the tokens of a grant that the person took back, and what names them if that was asked for."""
    async with run.begin() as uow:
        if job.is_partial:
            await channels.ask_after_grant(uow, job.account_id)
        else:
            await channels.withdraw_grant(uow, job.account_id, is_deletion=job.is_deletion, issued_at=job.issued_at)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {KeepGrant: keep_grant, SyncPage: sync_page, WithdrawGrant: withdraw_grant}
