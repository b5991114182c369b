"""What became of a campaign. Every person of the audience is counted exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.campaigns.models import CampaignRecipientRow, CampaignRow, CampaignState
from server.campaigns.repository import audience, campaigns
from server.campaigns.repository.audience import Recipient
from server.campaigns.service.drafts import campaign
from server.kit.errors import DomainError, NotFound
from server.kit.money import Money
from server.kit.nested import the
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.metering import service as metering
from server.sends import service as sends
from server.sends.models import Delivery, SendState
from server.sends.service import BatchTotals
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class CampaignResults:
    """Counts of people: `queued`, `sent`, `unknown`, all of `failed` and all of `skipped` add up to `audience`.

    `delivered` is a part of `sent` and `read` one of `delivered`. `spend` is None for callers without cost:read;
    `cost_per_delivered` is None when nothing was delivered or the costs are in several currencies.
    """

    audience: int
    queued: int
    sent: int
    delivered: int
    read: int
    failed: Mapping[str, int]
    skipped: Mapping[str, int]
    unknown: int
    spend: list[Money] | None
    cost_per_delivered: Money | None


async def results(uow: UnitOfWork, campaign_id: UUID) -> CampaignResults:
    """Sum up a campaign now. Needs campaign:read on its unit, and cost:read there for the money."""
    return the(await results_of(uow, [campaign_id]), campaign_id)


async def results_of(uow: UnitOfWork, campaign_ids: Sequence[UUID]) -> Mapping[UUID, CampaignResults | DomainError]:
    """Sum up campaigns now as `results` does, in four statements for any number; for one out of reach: why."""
    found = {
        row.id: row for row in await campaigns.campaigns_by_id(uow.session, uow.scope.organization_id, campaign_ids)
    }
    readable = [row for row in found.values() if uow.scope.may(Permission.CAMPAIGN_READ, row.unit_id)]
    ids = [row.id for row in readable]
    frozen = await audience.skipped_of(uow.session, uow.scope.organization_id, ids)
    totals = await sends.totals_of(uow, ids)
    spend = await _spend_of(uow, readable)
    summed: dict[UUID, CampaignResults | DomainError] = {
        row.id: sum_up(row, frozen[row.id], totals[row.id], spend.get(row.id)) for row in readable
    }
    return {one: summed.get(one) or _refusal(uow, found.get(one)) for one in campaign_ids}


async def _spend_of(uow: UnitOfWork, rows: Sequence[CampaignRow]) -> Mapping[UUID, list[Money]]:
    """Return what those of the campaigns have cost at whose units the caller may see costs."""
    priced = [row.id for row in rows if uow.scope.may(Permission.COST_READ, row.unit_id)]
    return await metering.totals_by_origin(uow, priced) if priced else {}


def _refusal(uow: UnitOfWork, row: CampaignRow | None) -> DomainError:
    return (uow.scope.refusal(Permission.CAMPAIGN_READ, row.unit_id) if row else None) or NotFound()


def sum_up(
    row: CampaignRow, frozen: Mapping[str | None, int], totals: BatchTotals, spend: list[Money] | None
) -> CampaignResults:
    """Put the snapshot's counts (None: gets a message) and the sends' counts together."""
    skipped = {reason: count for reason, count in frozen.items() if reason is not None}
    for reason, count in totals.by_skip_reason.items():
        skipped[reason] = skipped.get(reason, 0) + count
    waiting = frozen.get(None, 0) - sum(totals.by_state.values())
    stopped = totals.by_state.get(SendState.CANCELLED, 0)
    if row.state is CampaignState.CANCELLED:
        stopped, waiting = stopped + waiting, 0
    if stopped:
        skipped["STOPPED"] = skipped.get("STOPPED", 0) + stopped
    failed_later = totals.failures.get("DELIVERY_FAILED", 0)
    read = totals.by_delivery.get(Delivery.READ, 0)
    delivered = read + totals.by_delivery.get(Delivery.DELIVERED, 0)
    return CampaignResults(
        audience=sum(frozen.values()),
        queued=waiting + totals.by_state.get(SendState.QUEUED, 0) + totals.by_state.get(SendState.CLAIMED, 0),
        sent=totals.by_state.get(SendState.SENT, 0) - failed_later,
        delivered=delivered,
        read=read,
        failed=dict(totals.failures),
        skipped=skipped,
        unknown=totals.by_state.get(SendState.UNKNOWN, 0) + totals.by_state.get(SendState.NEEDS_HUMAN, 0),
        spend=spend,
        cost_per_delivered=spend[0].per(delivered) if spend is not None and len(spend) == 1 else None,
    )


async def recipients(
    uow: UnitOfWork, campaign_id: UUID, arguments: PageArguments, *, skip_reason: str | None = None
) -> Page[Recipient]:
    """List the frozen audience with each person's verdict and send; `skip_reason` keeps those left out for it.

    Needs campaign:read on the campaign's unit.
    """
    row = await campaign(uow, campaign_id)
    keyset = Keyset(
        (SortKey(CampaignRecipientRow.contact_id, UUID),), ["campaign recipients", campaign_id, skip_reason]
    )
    rows = await audience.recipients(uow.session, row.organization_id, keyset, arguments, row.id, skip_reason)
    return keyset.page(rows, arguments, lambda one: (one.contact_id,))
