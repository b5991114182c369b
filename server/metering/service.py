"""Metering: what the platforms charged, as a ledger of differences whose sums are the platforms' totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.kit.ids import new_id
from server.kit.money import Micros, Money
from server.metering import repository
from server.metering.models import Origin
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Reading:
    """What a platform said at `at` that an origin has cost at a page so far: totals, not increments.

    `reference` names the reading within the organization.
    """

    unit_id: UUID
    page_id: UUID
    origin: Origin
    origin_id: UUID
    reference: str
    spend_micros_total: int
    delivered_total: int
    currency: str
    at: datetime


async def record_reading(uow: UnitOfWork, reading: Reading) -> bool:
    """Add the difference to the sum so far; return whether anything was added.

    A repeated reading, one that changes nothing, and one older than the newest add nothing. A total that went down is
    recorded as a negative amount: the platform restated it.
    """
    meter = repository.Meter(uow.scope.organization_id, reading.origin, reading.origin_id, reading.page_id)
    await repository.lock_meter(uow.session, meter)
    known = await repository.so_far(uow.session, meter, reading.currency)
    spent = reading.spend_micros_total - known.spend_micros
    delivered = reading.delivered_total - known.delivered
    is_late = known.newest_at is not None and reading.at < known.newest_at
    if is_late or (spent == 0 and delivered == 0):
        return False
    return await repository.insert_cost(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "id": new_id(),
            "unit_id": reading.unit_id,
            "page_id": reading.page_id,
            "origin": reading.origin,
            "origin_id": reading.origin_id,
            "amount_micros": spent,
            "currency": Money(Micros(spent), reading.currency).currency,
            "delivered": delivered,
            "occurred_at": reading.at,
            "source_reference": reading.reference,
        },
    )


async def totals_by_origin(uow: UnitOfWork, origin_ids: Sequence[UUID]) -> Mapping[UUID, list[Money]]:
    """Return what each origin has cost, one amount per currency, in the order of the currencies; needs cost:read."""
    uow.scope.require_anywhere(Permission.COST_READ)
    totals: dict[UUID, list[Money]] = {one: [] for one in origin_ids}
    for total in await repository.totals(uow.session, uow.scope.organization_id, origin_ids):
        totals[total.origin_id].append(Money(Micros(total.spend_micros), total.currency))
    return totals
