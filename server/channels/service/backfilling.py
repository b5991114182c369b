"""Completeness (D-17): what a page's webhooks should have told, from the platform's own list, into the same ledger.

What is found goes in by the keys that the webhooks would have had, so a late one is the same event, and by the same
mailboxes, so it is applied in the order of its conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.channels import rules
from server.channels.jobs import DrainMailbox
from server.channels.models import Health, PageRow, PageSyncRow
from server.channels.repository import events, pages
from server.channels.repository import syncing as repository
from server.channels.repository.events import NewEvent, PageRoute
from server.channels.rules import Unstorable, as_stored, mark_of, storable_text
from server.channels.service.pages import credentials
from server.kit import jobs
from server.platforms.capabilities import catalogue
from server.platforms.port import Act, Backfill, Channel, PageCredentials, QuotaScope, RawEvent
from server.tenants.uow import UnitOfWork

_WELL = (Health.HEALTHY, Health.EXPIRING, Health.RESTRICTED)
_SHARE = 4
"""A comparison takes at most one of four calls that the platform allows for listing."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """One comparison: what to ask the platform for. Lives in memory only."""

    page_id: UUID
    channel: Channel
    credentials: PageCredentials = field(repr=False)
    since: datetime
    started_at: datetime
    reaches_back: bool
    """Nothing before `since` is left out that was not compared before."""
    checks_subscription: bool
    failures: int
    pause: timedelta
    """How long the platform's allowance for listing wants the next comparison to wait, at least."""


async def plan_sync(uow: UnitOfWork, page_id: UUID, skew_s: float, check_every: timedelta) -> SyncPlan | None:
    """Return what a page's next comparison asks for; None for a page that is not connected or cannot be asked for."""
    row = await pages.page(uow.session, uow.scope.organization_id, page_id)
    if row is None or row.disconnected_at is not None or row.health not in _WELL:
        return None
    now = await uow.now()
    sync = await repository.begin(uow.session, row, row.subscribed_at or now)
    since, reaches_back = rules.sync_since(sync.since or now, sync.complete_until, now, timedelta(seconds=skew_s))
    checked = row.subscription_checked_at
    return SyncPlan(
        page_id=row.id,
        channel=row.channel,
        credentials=await credentials(uow, page_id),
        since=since,
        started_at=now,
        reaches_back=reaches_back,
        checks_subscription=row.subscribed_at is None or checked is None or checked + check_every <= now,
        failures=sync.failures,
        pause=_pause(row, now),
    )


def _pause(row: PageRow, now: datetime) -> timedelta:
    quotas = catalogue.at(row.channel, now).quotas
    waits = [one.window / one.limit for one in quotas if one.act is Act.LIST and one.scope is QuotaScope.PAGE]
    return max(waits, default=timedelta()) * _SHARE


async def record_backfill(uow: UnitOfWork, plan: SyncPlan, found: Backfill, skew_s: float) -> int:
    """Store what was not there yet, owe its mailboxes, and move the page's completeness; return the gaps filled.

    Completeness moves to the start of the comparison less the skew, and only if the list reaches back far enough: else the
    gap stays and is said. An event younger than the skew may still come by its webhook and counts as no gap.
    """
    organization_id = uow.scope.organization_id
    until = plan.started_at - timedelta(seconds=skew_s)
    mine = [one for one in found.events if one.page_external_id == plan.credentials.page_external_id]
    old = [one for one in mine if one.occurred_at <= until]
    filled = await _store(uow, plan, old)
    await _store(uow, plan, [one for one in mine if one.occurred_at > until])
    if found.is_complete and plan.reaches_back:
        await repository.move(uow.session, organization_id, plan.page_id, until, filled, plan.started_at)
    else:
        told = f"The platform's list does not reach back to {plan.since:%Y-%m-%d %H:%M} UTC; what came since may be missing."
        values = {"checked_at": plan.started_at, "note": told, "failures": 0}
        gaps = {"gaps_filled": PageSyncRow.gaps_filled + filled, "last_gap_at": plan.started_at} if filled else {}
        await repository.note(uow.session, organization_id, plan.page_id, values | gaps)
    uow.announce("channels")
    return filled


async def note_sync_failed(uow: UnitOfWork, plan: SyncPlan, detail: str) -> None:
    """Say why a page could not be compared; its completeness stays where it is."""
    values = {
        "failures": plan.failures + 1,
        "note": storable_text(f"The last comparison, at {plan.started_at:%Y-%m-%d %H:%M} UTC, failed: {detail}", 500),
    }
    await repository.note(uow.session, uow.scope.organization_id, plan.page_id, values)


async def note_subscription_checked(uow: UnitOfWork, page_id: UUID) -> None:
    """Note that the page's webhooks still come to us."""
    await repository.note_subscription_checked(uow.session, uow.scope.organization_id, page_id)


async def syncs_of(uow: UnitOfWork, page_ids: Sequence[UUID]) -> Mapping[UUID, PageSyncRow]:
    """Return how far pages are compared, by page; those never compared and those out of sight are missing."""
    rows = await repository.syncs_by_page(uow.session, uow.scope.organization_id, page_ids)
    return {row.page_id: row for row in rows}


async def _store(uow: UnitOfWork, plan: SyncPlan, found: Sequence[RawEvent]) -> int:
    """Insert new events in the order in which they happened, and owe their mailboxes; return how many were new."""
    route = PageRoute(uow.scope.organization_id, plan.page_id)
    wanted: list[NewEvent] = []
    for event in sorted(found, key=lambda one: one.occurred_at):
        payload = as_stored(event)
        if isinstance(payload, Unstorable):
            await _bury(uow, event, payload.detail)
        else:
            wanted.append(NewEvent(route, event.kind, event.external_id, event.mailbox, event.occurred_at, payload))
    stored = await events.insert_events(uow.session, plan.channel, wanted)
    for mailbox in sorted({one.mailbox for one in stored}):
        uow.defer(DrainMailbox(plan.page_id, mailbox), key=f"{plan.page_id}:{mailbox}")
    return len(stored)


async def _bury(uow: UnitOfWork, event: RawEvent, detail: str) -> None:
    """Keep a trace of a listed event that no row can hold, once."""
    subject = UUID(bytes=mark_of(event)[:16])
    kind = storable_text(event.kind, 200)
    source = jobs.DeadLetterSource.EVENT
    await jobs.bury(
        uow.session, uow.scope.organization_id, source, subject, kind=kind, reason="unstorable", detail=detail
    )
