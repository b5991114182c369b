"""Sends: the one way out of the house. Queueing, batches, and what the platform says afterwards.

The way of a send is: row (here) -> claim (claim.py) -> call and record (drain.py) -> receipts (here) -> reconciliation
(reconcile.py). Functions that settle sends return them, so that the caller can tell the inbox in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_

from server.audit import service as audit
from server.audit.actions import Action
from server.channels.service import PageRef
from server.kit.errors import NotFound
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.platforms.port import Delivered, DeliveryFailed, MarketingEchoed, MessageEchoed, Read
from server.sends.errors import NotOpen
from server.sends.models import BatchState, Delivery, Purpose, SendIntentRow, SendState
from server.sends.queueing import (
    CampaignSend,
    CommentReplySend,
    ReplySend,
    UtilitySend,
    ask_to_reconcile,
    enqueue_campaign,
    enqueue_comment_reply,
    enqueue_reply,
    enqueue_utility,
    ring,
)
from server.sends.repository import intents as repository
from server.sends.repository import receipts
from server.sends.repository.intents import SettledSend
from server.sends.rules import read_reference
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

__all__ = [
    "CampaignSend",
    "CommentReplySend",
    "ReplySend",
    "SettledSend",
    "UtilitySend",
    "ask_to_reconcile",
    "enqueue_campaign",
    "enqueue_comment_reply",
    "enqueue_reply",
    "enqueue_utility",
    "ring",
]


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """How the sends of one batch stand, counted now."""

    by_state: Mapping[SendState, int]
    by_delivery: Mapping[Delivery, int]
    by_skip_reason: Mapping[str, int]
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many sends of a batch are alike."""

    state: SendState
    delivery: Delivery
    reason: str | None
    count: int


async def open_batch(uow: UnitOfWork, batch_id: UUID, unit_id: UUID) -> None:
    """Create the leave of a batch; nothing of it goes out before a digest is approved."""
    await repository.insert_batch(uow.session, uow.scope.organization_id, batch_id, unit_id)


async def approve_batch(uow: UnitOfWork, batch_id: UUID, digest: bytes | None) -> None:
    """Let sends with exactly this content out; None withdraws the leave at once."""
    await repository.update_batch(uow.session, uow.scope.organization_id, batch_id, approved_digest=digest)


async def set_batch_state(uow: UnitOfWork, batch_id: UUID, state: BatchState) -> None:
    """Pause (the queue waits), run again, or stop (what is queued is skipped) a batch. Takes effect with the next claim."""
    await repository.update_batch(uow.session, uow.scope.organization_id, batch_id, state=state)
    if state is not BatchState.PAUSED:
        for page_id in await repository.pages_of_batch(uow.session, uow.scope.organization_id, batch_id):
            ring(uow, page_id, Purpose.MARKETING)


async def totals(uow: UnitOfWork, batch_id: UUID) -> BatchTotals:
    """Count a batch's sends by state and delivery; skips and failures by reason."""
    return (await totals_of(uow, [batch_id]))[batch_id]


async def totals_of(uow: UnitOfWork, batch_ids: Sequence[UUID]) -> Mapping[UUID, BatchTotals]:
    """Count the sends of batches as `totals` does, in one statement."""
    counts: dict[UUID, list[Counted]] = {one: [] for one in batch_ids}
    for batch_id, *counted in await repository.batch_counts(uow.session, uow.scope.organization_id, batch_ids):
        counts[batch_id].append(Counted(*counted))
    return {batch_id: _summed(counted) for batch_id, counted in counts.items()}


def _summed(counts: Sequence[Counted]) -> BatchTotals:
    by_state: Counter[SendState] = Counter()
    by_delivery: Counter[Delivery] = Counter()
    skipped: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for one in counts:
        by_state[one.state] += one.count
        by_delivery[one.delivery] += one.count
        if one.state is SendState.SKIPPED:
            skipped[one.reason or ""] += one.count
        elif one.state is SendState.NOT_SENT:
            failures[one.reason or ""] += one.count
        elif one.delivery is Delivery.FAILED:
            failures["DELIVERY_FAILED"] += one.count
    return BatchTotals(by_state, by_delivery, skipped, failures)


async def settle_by_echo(uow: UnitOfWork, page: PageRef, contact_id: UUID, echo: MessageEchoed) -> list[SettledSend]:
    """Mark the send that our reference in an echo names as sent, whatever our own answer said or did not say.

    Empty when the echo carries no reference of ours, or one of another page or person: an echo must match our own attempt.
    """
    ours = read_reference(echo.reference)
    if ours is None:
        return []
    conditions = (
        SendIntentRow.organization_id == uow.scope.organization_id,
        SendIntentRow.id == ours[0],
        SendIntentRow.page_id == page.id,
        SendIntentRow.contact_id == contact_id,
        or_(SendIntentRow.platform_message_id.is_(None), SendIntentRow.platform_message_id == echo.message_id),
    )
    return await _settled_with_receipts(uow, page, contact_id, conditions, echo.message_id, echo.occurred_at)


async def settle_marketing_echo(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, echo: MarketingEchoed
) -> list[SettledSend]:
    """Mark the campaign's send to this person as sent; a person gets at most one of each platform campaign."""
    conditions = (
        SendIntentRow.organization_id == uow.scope.organization_id,
        SendIntentRow.page_id == page.id,
        SendIntentRow.contact_id == contact_id,
        SendIntentRow.platform_campaign_id == echo.platform_campaign_id,
        SendIntentRow.attempt > 0,
    )
    return await _settled_with_receipts(uow, page, contact_id, conditions, echo.message_id, echo.occurred_at)


async def _settled_with_receipts(
    uow: UnitOfWork,
    page: PageRef,
    contact_id: UUID,
    conditions: Sequence[object],
    mid: str,
    at: datetime,
) -> list[SettledSend]:
    found = await repository.settle_echo(uow.session, conditions, mid, at)
    if not found:
        return []
    moved = await receipts.apply(uow.session, uow.scope.organization_id, page.id, [contact_id])
    latest = {one.send_id: one for one in (*found, *moved)}
    return list(latest.values())


async def apply_receipt(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, receipt: Delivered | Read
) -> list[SettledSend]:
    """Apply a receipt to the sends it covers, now and to those whose answer or echo is still to come."""
    is_read = isinstance(receipt, Read)
    organization_id = uow.scope.organization_id
    if receipt.watermark is not None:
        await receipts.mark(
            uow.session,
            organization_id,
            page.id,
            page.unit_id,
            contact_id,
            delivered_until=None if is_read else receipt.watermark,
            read_until=receipt.watermark if is_read else None,
        )
    if receipt.message_ids:
        delivery = Delivery.READ if is_read else Delivery.DELIVERED
        await receipts.note_named(
            uow.session, organization_id, page.id, page.unit_id, contact_id, receipt.message_ids, delivery
        )
    return await receipts.apply(uow.session, organization_id, page.id, [contact_id])


async def apply_failure(uow: UnitOfWork, page: PageRef, contact_id: UUID, failure: DeliveryFailed) -> list[SettledSend]:
    """Mark a message that the platform took and could not deliver as failed."""
    return await receipts.fail(
        uow.session,
        uow.scope.organization_id,
        page.id,
        contact_id,
        mid=failure.message_id,
        campaign=failure.platform_campaign_id,
        detail=failure.detail,
    )


async def watermarks(uow: UnitOfWork, page_id: UUID, contact_id: UUID) -> tuple[datetime | None, datetime | None]:
    """Return up to when messages of the page to the person were delivered and read."""
    return await receipts.marks(uow.session, uow.scope.organization_id, page_id, contact_id)


async def next_due_s(uow: UnitOfWork, page_id: UUID, purpose: Purpose, lease_s: float) -> float | None:
    """Return in how many seconds the page has to be looked at again (0 or less: now), or None if nothing is left."""
    lease = timedelta(seconds=lease_s)
    return await repository.next_due_s(uow.session, uow.scope.organization_id, page_id, purpose, lease)


async def text_of(uow: UnitOfWork, send_id: UUID) -> str | None:
    """Return the text of a send, as it was queued."""
    return await repository.text_of(uow.session, uow.scope.organization_id, send_id)


async def list_open(uow: UnitOfWork, arguments: PageArguments) -> Page[SendIntentRow]:
    """List sends whose outcome is unknown or waits for a person, oldest first. Needs inbox:reply somewhere."""
    uow.scope.require_anywhere(Permission.INBOX_REPLY)
    keyset = Keyset((SortKey(SendIntentRow.id, UUID),), ["open sends"])
    units = uow.scope.units_with(Permission.INBOX_REPLY)
    rows = await repository.list_open(uow.session, uow.scope.organization_id, keyset, arguments, units)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def sends_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[SendIntentRow]:
    """Return those of the sends that the scope may settle, in no particular order. Needs inbox:reply on their units."""
    rows = await repository.sends_by_id(uow.session, uow.scope.organization_id, ids)
    return [row for row in rows if uow.scope.may(Permission.INBOX_REPLY, row.unit_id)]


async def forget_old_receipts(uow: UnitOfWork) -> None:
    """Delete receipts of messages that no send has claimed for a week: they were other apps' messages."""
    await receipts.forget_old(uow.session, uow.scope.organization_id)


async def settle_by_hand(uow: UnitOfWork, send_id: UUID, *, has_arrived: bool) -> SettledSend:
    """Settle an unknown by a person's word: it arrived, or it is sent again. Audited; raises NotOpen otherwise."""
    row = await repository.send(uow.session, uow.scope.organization_id, send_id)
    if row is None:
        raise NotFound(path=("id",))
    uow.scope.require_on(Permission.INBOX_REPLY, row.unit_id, "id", read_with=Permission.INBOX_REPLY)
    if row.state is not SendState.NEEDS_HUMAN:
        raise NotOpen("This send does not wait for a decision. Read it again.", path=("id",))
    if has_arrived:
        row.state, row.delivery, row.settled_at = SendState.SENT, Delivery.ACCEPTED, await uow.now()
    else:
        row.state, row.not_before, row.checked_absent = SendState.QUEUED, await uow.now(), 0
        ring(uow, row.page_id, row.purpose)
    row.reason = "SETTLED_BY_HAND"
    await uow.session.flush()
    await audit.record(uow, Action.SEND_SETTLE_BY_HAND, send_id, {"arrived": has_arrived})
    return SettledSend(
        row.id,
        row.page_id,
        row.contact_id,
        row.state,
        row.delivery,
        row.reason,
        row.platform_message_id,
        row.platform_at,
    )
