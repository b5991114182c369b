"""Claim and record: the two transactions around the calls of one page's due sends (reliability.md 2.6, steps 3 to 7).

The calls stand in calling.py; no transaction is open while they are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from server.channels import service as channels
from server.channels.models import Health
from server.channels.service import PageRef
from server.config import SendSettings
from server.consent import service as consent
from server.consent.models import ConsentSource, SuppressionReason
from server.contacts import service as contacts
from server.kit.clock import monotonic_s
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.port import (
    Button,
    FailureReason,
    NotSent,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    QuickReply,
    QuotaScope,
    Sent,
    Unknown,
    UtilityTemplate,
)
from server.sends import media
from server.sends.models import Delivery, Purpose, SendState
from server.sends.queueing import ask_to_reconcile
from server.sends.repository import claim as claims
from server.sends.repository import intents as repository
from server.sends.repository import receipts
from server.sends.repository.claim import ChannelRules, Claimed
from server.sends.repository.intents import Recorded, SettledSend
from server.sends.rules import Ending, MediaForgotten, NotCalled, judge, reference
from server.tenants import service as tenants
from server.tenants.uow import UnitOfWork

Try = tuple[Claimed, Ending]


@dataclass(frozen=True, slots=True)
class Round:
    """What one claim brought: sends to call, and those that the gate skipped (already settled)."""

    page: PageRef
    purpose: Purpose
    capability: Capability
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
    capability = catalogue.at(page.channel, await uow.now())
    credentials = await channels.credentials(uow, page_id)
    quiet_until = await tenants.quiet_until(uow, page.unit_id) if purpose is Purpose.MARKETING else None
    if quiet_until is not None:
        postponed = await repository.postpone_marketing(uow.session, organization_id, page_id, quiet_until)
        return Round(page, purpose, capability, credentials, [], [], claimed_at_s, postponed)
    rows = await claims.claim(
        uow.session,
        organization_id,
        page_id,
        purpose,
        worker_id=worker_id,
        size=settings.batch,
        rules=ChannelRules(
            capability.marketing_gap or timedelta(days=1),
            capability.private_reply_window,
            capability.window_messages,
        ),
    )
    skipped = [
        SettledSend(row.id, page_id, row.contact_id, row.state, Delivery.NONE, row.reason, None, None)
        for row in rows
        if row.state is SendState.SKIPPED
    ]
    claimed = [row for row in rows if row.state is SendState.CLAIMED]
    return Round(page, purpose, capability, credentials, claimed, skipped, claimed_at_s)


def message_of(uow: UnitOfWork, row: Claimed, page_id: UUID) -> OutgoingMessage:
    """Build what goes to the platform, without its media; opens the person's marketing token, which lives in memory only."""
    token = None
    if row.token_sealed is not None:
        identity = f"consent.token_sealed:{uow.scope.organization_id}:{page_id}:{row.contact_id}:{row.topic_id}"
        token = uow.keys.open(row.token_sealed, identity)
    return OutgoingMessage(
        recipient_external_id=row.recipient_external_id,
        text=row.text,
        reference=reference(row.id, row.attempt),
        kind=row.kind if row.platform_campaign_id is None else OutgoingKind.MARKETING,
        human_agent=row.human_agent,
        thread_external_id=row.thread_external_id,
        comment_id=row.comment_id,
        reply_to_message_id=row.reply_to_message_id,
        quick_replies=tuple(QuickReply(one["title"], one["payload"]) for one in row.quick_replies),
        buttons=tuple(Button(one["title"], one["payload"], one["url"]) for one in row.buttons),
        utility=None if row.utility is None else _utility(row.utility),
        marketing_token=token,
        platform_campaign_id=row.platform_campaign_id,
    )


def _utility(stored: Mapping[str, Any]) -> UtilityTemplate:
    return UtilityTemplate(stored["name"], stored["language"], tuple(stored["parameters"]))


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
        elif isinstance(outcome, Sent):
            await _note_counterpart(uow, work.page, row, outcome)
    forgotten = [row for row, outcome in outcomes if isinstance(outcome, MediaForgotten)]
    if forgotten:
        await media.forget(uow, work.page.id, forgotten)
    sent = [one.contact_id for one in settled if one.state is SendState.SENT]
    moved = await receipts.apply(uow.session, organization_id, work.page.id, sent) if sent else []
    latest = {one.send_id: one for one in (*settled, *moved)}
    return list(latest.values())


async def _note_counterpart(uow: UnitOfWork, page: PageRef, row: Claimed, sent: Sent) -> None:
    """Keep how the platform names the conversation and the person: after an answer to a comment these are news."""
    if sent.recipient_external_id is not None and sent.recipient_external_id != row.recipient_external_id:
        await contacts.note_identity(uow, page, row.contact_id, sent.recipient_external_id)
    if sent.thread_external_id is not None and sent.thread_external_id != row.thread_external_id:
        await contacts.note_thread(uow, page.id, row.contact_id, sent.thread_external_id)


def _line(row: Claimed, outcome: Ending) -> Recorded:
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
    FailureReason.PERMISSION: Health.MISSING_PERMISSION,
    FailureReason.PAGE_RESTRICTED: Health.RESTRICTED,
}
_SUPPRESSION = {
    FailureReason.BLOCKED_BY_CONTACT: SuppressionReason.BLOCKED_BY_CONTACT,
    FailureReason.NOT_CONNECTED: SuppressionReason.UNREACHABLE,
}


async def _draw_consequences(uow: UnitOfWork, page: PageRef, row: Claimed, outcome: NotSent) -> None:
    if outcome.reason is FailureReason.AUTH:
        await channels.note_refused_token(uow, page.id, outcome.detail, row.claimed_at)
    elif outcome.reason in _HEALTH:
        await channels.mark_unhealthy(uow, page.id, _HEALTH[outcome.reason], outcome.detail)
    elif outcome.reason is FailureReason.RATE_LIMITED and outcome.scope is QuotaScope.PAGE:
        # What is wrong with the app's allowance is told to the quotas (calling.py) and holds no single page.
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
