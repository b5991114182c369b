"""Claim, call, record: how the due sends of one page go out.

No transaction is open while the platform is called. A claim is given back when it has become too old to be called safely,
and nothing is called once the worker's lock is lost (reliability.md 2.6, steps 3 to 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.channels import service as channels
from server.channels.models import Health
from server.channels.service import PageRef
from server.config import SendSettings
from server.consent import service as consent
from server.consent.models import ConsentSource, SuppressionReason
from server.kit.clock import monotonic_s
from server.kit.errors import Unavailable
from server.kit.locks import WorkerLock, WorkerLockLost
from server.platforms.capabilities import catalogue
from server.platforms.port import Connector, FailureReason, NotSent, Outcome, OutgoingMessage, PageCredentials, Unknown
from server.sends.models import Delivery, Purpose, SendState
from server.sends.repository import claim as claims
from server.sends.repository import intents as repository
from server.sends.repository import receipts
from server.sends.repository.claim import Claimed
from server.sends.repository.intents import Recorded, SettledSend
from server.sends.rules import NotCalled, judge, reference
from server.sends.service import ask_to_reconcile
from server.tenants import service as tenants
from server.tenants.uow import UnitOfWork

_RECORD_RETRY_S = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 15.0)
_RECORD_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Round:
    """What one claim brought: sends to call, and those that the gate skipped (already settled)."""

    page: PageRef
    credentials: PageCredentials
    claimed: Sequence[Claimed]
    skipped: Sequence[SettledSend]
    claimed_at_s: float
    """Monotonic time before the claim, from which the lease counts."""
    postponed: int = 0
    """How many marketing sends now wait for the end of the quiet hours; nothing was claimed then."""


async def take(uow: UnitOfWork, settings: SendSettings, page_id: UUID, purpose: Purpose, worker_id: UUID) -> Round:
    """Claim the next sends of a page. Claims of dead workers at the page become unknown first.

    In the quiet hours of the page's unit marketing is not claimed; up to 1,000 sends are put off to their end instead.
    """
    claimed_at_s = monotonic_s()
    organization_id = uow.scope.organization_id
    page = await channels.page_ref(uow, page_id)
    quiet_until = await tenants.quiet_until(uow, page.unit_id) if purpose is Purpose.MARKETING else None
    if quiet_until is not None:
        postponed = await repository.postpone_marketing(uow.session, organization_id, page_id, quiet_until)
        return Round(page, await channels.credentials(uow, page_id), [], [], claimed_at_s, postponed)
    capability = catalogue.at(page.channel, await uow.now())
    rows = await claims.claim(
        uow.session,
        organization_id,
        page_id,
        purpose,
        worker_id=worker_id,
        size=settings.batch,
        marketing_gap=capability.marketing_gap or timedelta(days=1),
    )
    skipped = [
        SettledSend(row.id, page_id, row.contact_id, row.state, Delivery.NONE, row.reason, None, None)
        for row in rows
        if row.state is SendState.SKIPPED
    ]
    credentials = await channels.credentials(uow, page_id)
    return Round(page, credentials, [row for row in rows if row.state is SendState.CLAIMED], skipped, claimed_at_s)


def message_of(uow: UnitOfWork, row: Claimed, page_id: UUID) -> OutgoingMessage:
    """Build what goes to the platform; opens the person's marketing token, which lives in memory only."""
    token = None
    if row.token_sealed is not None:
        identity = f"consent.token_sealed:{uow.scope.organization_id}:{page_id}:{row.contact_id}:{row.topic_id}"
        token = uow.keys.open(row.token_sealed, identity)
    return OutgoingMessage(
        recipient_external_id=row.recipient_external_id,
        text=row.text,
        reference=reference(row.id, row.attempt),
        human_agent=row.human_agent,
        marketing_token=token,
        platform_campaign_id=row.platform_campaign_id,
    )


Try = tuple[Claimed, Outcome | NotCalled]
RecordSome = Callable[[Sequence[Try]], Awaitable[None]]


async def call_all(
    connector: Connector,
    settings: SendSettings,
    lock: WorkerLock,
    worker_id: UUID,
    work: Round,
    messages: Sequence[OutgoingMessage],
    record_some: RecordSome,
) -> None:
    """Call the platform for every claim, concurrently, and hand the outcomes on in small batches as they come.

    `record_some` writes a batch in a transaction of its own. A database that is away is waited for; if it stays away the
    rows stay claimed and become unknown when this worker's lock is free.
    """
    done: asyncio.Queue[Try] = asyncio.Queue()

    async def one(row: Claimed, message: OutgoingMessage) -> None:
        done.put_nowait((row, await _call(connector, settings, lock, worker_id, work, message)))

    async with asyncio.TaskGroup() as group:
        for row, message in zip(work.claimed, messages, strict=True):
            group.create_task(one(row, message))
        remaining = len(work.claimed)
        while remaining:
            batch = [await done.get()]
            while not done.empty() and len(batch) < _RECORD_AT_MOST:
                batch.append(done.get_nowait())
            remaining -= len(batch)
            await _persist(record_some, batch)


async def _call(
    connector: Connector,
    settings: SendSettings,
    lock: WorkerLock,
    worker_id: UUID,
    work: Round,
    message: OutgoingMessage,
) -> Outcome | NotCalled:
    try:
        await lock.ensure(worker_id)
    except WorkerLockLost:
        return NotCalled()
    if monotonic_s() - work.claimed_at_s >= settings.lease_s / 2:
        return NotCalled()
    return await connector.send(work.credentials, message, settings.deadline_s)


async def _persist(record_some: RecordSome, batch: Sequence[Try]) -> None:
    for pause_s in _RECORD_RETRY_S:
        try:
            await record_some(batch)
        except Unavailable:
            await asyncio.sleep(pause_s)
        else:
            return
    await record_some(batch)


async def record(
    uow: UnitOfWork,
    settings: SendSettings,
    work: Round,
    worker_id: UUID,
    outcomes: Sequence[Try],
) -> list[SettledSend]:
    """Write the outcomes of some tries, and what they say about the page and the people."""
    lines = [_line(row, outcome) for row, outcome in outcomes]
    organization_id = uow.scope.organization_id
    settled = await repository.record(uow.session, organization_id, lines)
    await repository.insert_attempts(uow.session, organization_id, worker_id, lines)
    refused = [line.id for line in lines if line.state is SendState.NOT_SENT]
    if refused:
        await repository.release_cap(uow.session, organization_id, refused)
    if any(line.state is SendState.UNKNOWN for line in lines):
        ask_to_reconcile(uow, work.page.id, settings.grace_s)
    for row, outcome in outcomes:
        if isinstance(outcome, NotSent):
            await _draw_consequences(uow, work.page, row, outcome)
    sent = [one.contact_id for one in settled if one.state is SendState.SENT]
    moved = await receipts.apply(uow.session, organization_id, work.page.id, sent) if sent else []
    latest = {one.send_id: one for one in (*settled, *moved)}
    return list(latest.values())


def _line(row: Claimed, outcome: Outcome | NotCalled) -> Recorded:
    verdict = judge(outcome, row.attempt)
    detail = verdict.detail
    if isinstance(outcome, Unknown):
        detail = outcome.detail
    return Recorded(
        id=row.id,
        unit_id=row.unit_id,
        attempt=row.attempt,
        claimed_at=row.claimed_at,
        state=verdict.state,
        reason=verdict.reason,
        detail=detail,
        platform_message_id=verdict.platform_message_id,
        retry_in=verdict.retry_in,
        is_uncounted=isinstance(outcome, NotCalled),
        outcome=type(outcome).__name__,
    )


_HEALTH = {
    FailureReason.AUTH: Health.RECONNECT_NEEDED,
    FailureReason.PERMISSION: Health.MISSING_PERMISSION,
    FailureReason.PAGE_RESTRICTED: Health.RESTRICTED,
}
_SUPPRESSION = {
    FailureReason.BLOCKED_BY_CONTACT: SuppressionReason.BLOCKED_BY_CONTACT,
    FailureReason.NOT_CONNECTED: SuppressionReason.UNREACHABLE,
}


async def _draw_consequences(uow: UnitOfWork, page: PageRef, row: Claimed, outcome: NotSent) -> None:
    if outcome.reason in _HEALTH:
        await channels.mark_unhealthy(uow, page.id, _HEALTH[outcome.reason], outcome.detail)
    elif outcome.reason is FailureReason.RATE_LIMITED:
        wait = timedelta(seconds=outcome.retry_after_s or 2)
        await channels.pause_page(uow, page.id, await uow.now() + wait)
    elif outcome.reason in _SUPPRESSION:
        await consent.suppress(uow, row.contact_id, _SUPPRESSION[outcome.reason])
    elif outcome.reason is FailureReason.OPTED_OUT and row.topic_id is not None:
        topic = await consent.topic(uow, row.topic_id)
        await consent.opt_out(
            uow,
            page,
            row.contact_id,
            topic_key=topic.key,
            at=await uow.now(),
            source=ConsentSource.PLATFORM_STOP,
            event_id=None,
        )
