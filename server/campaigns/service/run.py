"""Carrying an approved campaign out: opening it at the platforms, expanding it into sends, stopping, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.approvals import service as approvals
from server.approvals.models import ApprovalRequestRow
from server.audit import service as audit
from server.audit.actions import Action
from server.campaigns.errors import WrongState
from server.campaigns.jobs import ExpandCampaign, ImportCosts, StartCampaign, WatchCampaign
from server.campaigns.models import CampaignRow, CampaignState
from server.campaigns.repository import audience
from server.campaigns.repository import campaigns as repository
from server.campaigns.rules import COST_PAUSE, watch_delay
from server.campaigns.service.drafts import TOPIC, locked, unapprove
from server.campaigns.service.review import approval_of, current_digest, quorum_of, until_start
from server.kit.ids import new_id
from server.platforms.port import Channel
from server.sends import service as sends
from server.sends.models import BatchState, SendState
from server.sends.service import CampaignSend
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_UNSETTLED = (SendState.QUEUED, SendState.CLAIMED, SendState.UNKNOWN)
_OVER = frozenset({CampaignState.DONE, CampaignState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Unopened:
    """One sender page at whose platform the paid campaign is still to be created."""

    page_id: UUID
    channel: Channel


@dataclass(frozen=True, slots=True)
class Opening:
    """What is left to do before a campaign can start: wait, or open it at some pages under this name."""

    wait: timedelta
    name: str
    pages: tuple[Unopened, ...]


async def opening(uow: UnitOfWork, campaign_id: UUID) -> Opening | None:
    """Return what the start of a campaign needs; None if it is not to be started (any more)."""
    row = await repository.campaign(uow.session, uow.scope.organization_id, campaign_id)
    if row is None or row.state is not CampaignState.SCHEDULED or await approval_of(uow, row) is None:
        return None
    pages = await repository.sender_pages(uow.session, row.organization_id, row.id)
    unopened = tuple(Unopened(page.id, page.channel) for page in pages if page.platform_campaign_id is None)
    return Opening(await until_start(uow, row), row.name, unopened)


async def record_opened(uow: UnitOfWork, campaign_id: UUID, page_id: UUID, platform_campaign_id: str) -> None:
    """Store the platform's own campaign of a page; the first one stays."""
    await repository.set_platform_campaign(
        uow.session, uow.scope.organization_id, campaign_id, page_id, platform_campaign_id
    )


async def begin_run(uow: UnitOfWork, campaign_id: UUID) -> bool:
    """Let a scheduled campaign run; return whether it does.

    The digest is derived again from the tables: content that differs from what was approved makes it a draft, and so does
    a unit of its pages that asks for more approvals by now.
    """
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_WRITE)
    if row.state is not CampaignState.SCHEDULED:
        return False
    approved = await approval_of(uow, row)
    if approved is None or not await _still_holds(uow, row, approved):
        await unapprove(uow, row, has_batch=True)
        return False
    row.state, row.started_at = CampaignState.RUNNING, await uow.now()
    await uow.session.flush()
    _keep_going(uow, row.id)
    uow.announce(TOPIC)
    return True


async def _still_holds(uow: UnitOfWork, row: CampaignRow, approved: ApprovalRequestRow) -> bool:
    if await current_digest(uow, row) != bytes(approved.content_digest):
        return False
    pages = await repository.sender_pages(uow.session, row.organization_id, row.id)
    return approved.quorum >= await quorum_of(uow, pages)


def _keep_going(uow: UnitOfWork, campaign_id: UUID) -> None:
    uow.defer(ExpandCampaign(campaign_id), key=str(campaign_id))
    uow.defer(WatchCampaign(campaign_id), key=str(campaign_id))
    uow.defer(ImportCosts(campaign_id, 0), key=f"{campaign_id}:0", delay=COST_PAUSE)


async def expand(uow: UnitOfWork, campaign_id: UUID) -> bool:
    """Turn the next 1,000 recipients into sends; return whether there may be more. A stopped campaign has no more.

    Sends, links and cursor move in one transaction, so that an interrupted run neither doubles nor skips a person.
    """
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_WRITE)
    if row.state is not CampaignState.RUNNING or row.content_digest is None:
        return False
    planned = await audience.next_planned(uow.session, row)
    if not planned:
        return False
    wanted = [_send(row, bytes(row.content_digest), one) for one in planned]
    await sends.enqueue_campaign(uow, wanted)
    await audience.link_sends(uow.session, row.organization_id, row.id, {one.contact_id: one.id for one in wanted})
    row.expansion_cursor = planned[-1].contact_id
    await uow.session.flush()
    uow.announce(TOPIC)
    return len(planned) == audience.PAGE


def _send(row: CampaignRow, content_digest: bytes, one: audience.Planned) -> CampaignSend:
    if one.text is None or one.platform_campaign_id is None:
        raise ValueError("a planned recipient has a text, and its page a campaign at the platform")
    return CampaignSend(
        id=new_id(),
        unit_id=one.unit_id,
        page_id=one.page_id,
        contact_id=one.contact_id,
        recipient_external_id=one.recipient_external_id,
        batch_id=row.id,
        topic_id=row.topic_id,
        text=one.text,
        content_digest=content_digest,
        platform_campaign_id=one.platform_campaign_id,
        dedupe_key=f"campaign:{row.id}:{one.contact_id}",
    )


async def watch(uow: UnitOfWork, campaign_id: UUID) -> timedelta | None:
    """End a running campaign once every send is settled; return when to look again, or None for never."""
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_WRITE)
    if row.state is not CampaignState.RUNNING or row.started_at is None:
        return None
    now = await uow.now()
    totals = await sends.totals(uow, row.id)
    is_open = any(totals.by_state.get(state, 0) for state in _UNSETTLED)
    if is_open or await audience.next_planned(uow.session, row):
        uow.announce(TOPIC)
        return watch_delay(now - row.started_at)
    row.state, row.finished_at = CampaignState.DONE, now
    await uow.session.flush()
    uow.defer(ImportCosts(row.id, 1), key=f"{row.id}:1")
    uow.announce(TOPIC)
    return None


async def pause(uow: UnitOfWork, campaign_id: UUID) -> CampaignRow:
    """Hold a scheduled or running campaign: what is queued waits. Needs campaign:stop; raises WrongState."""
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_STOP)
    if row.state not in {CampaignState.SCHEDULED, CampaignState.RUNNING}:
        raise WrongState("paused", row.state.value)
    row.state = CampaignState.PAUSED
    await sends.set_batch_state(uow, row.id, BatchState.PAUSED)
    return await _moved(uow, row, Action.CAMPAIGN_PAUSE)


async def resume(uow: UnitOfWork, campaign_id: UUID) -> CampaignRow:
    """Let a paused campaign go on where it was. Needs campaign:stop; raises WrongState."""
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_STOP)
    if row.state is not CampaignState.PAUSED:
        raise WrongState("resumed", row.state.value)
    await sends.set_batch_state(uow, row.id, BatchState.RUNNING)
    if row.started_at is None:
        row.state = CampaignState.SCHEDULED
        uow.defer(StartCampaign(row.id), key=str(row.id), delay=await until_start(uow, row))
    else:
        row.state = CampaignState.RUNNING
        _keep_going(uow, row.id)
    return await _moved(uow, row, Action.CAMPAIGN_RESUME)


async def cancel(uow: UnitOfWork, campaign_id: UUID) -> CampaignRow:
    """End a campaign for good: what is queued is skipped as STOPPED. Needs campaign:stop; raises WrongState."""
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_STOP)
    if row.state in _OVER:
        raise WrongState("cancelled", row.state.value)
    if row.state in {CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED}:
        await sends.set_batch_state(uow, row.id, BatchState.STOPPED)
    if row.started_at is not None:
        uow.defer(ImportCosts(row.id, 1), key=f"{row.id}:1")
    await approvals.void(uow, row.id)
    row.state, row.finished_at = CampaignState.CANCELLED, await uow.now()
    return await _moved(uow, row, Action.CAMPAIGN_CANCEL)


async def _moved(uow: UnitOfWork, row: CampaignRow, action: Action) -> CampaignRow:
    await uow.session.flush()
    await audit.record(uow, action, row.id)
    uow.announce(TOPIC)
    return row
