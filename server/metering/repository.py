"""SQL of metering."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.metering.models import CostRow, Origin


@dataclass(frozen=True, slots=True)
class Meter:
    """What is counted up: the cost of one origin at one page."""

    organization_id: UUID
    origin: Origin
    origin_id: UUID
    page_id: UUID


@dataclass(frozen=True, slots=True)
class SoFar:
    """What the ledger holds of a meter."""

    spend_micros: int
    delivered: int
    newest_at: datetime | None


@dataclass(frozen=True, slots=True)
class OriginTotal:
    """The sum of one origin in one currency."""

    origin_id: UUID
    currency: str
    spend_micros: int
    delivered: int


async def lock_meter(session: AsyncSession, meter: Meter) -> None:
    """Put the readings of one meter in one order until the transaction ends."""
    seed = b"".join(one.bytes for one in (meter.organization_id, meter.origin_id, meter.page_id))
    digest = hashlib.blake2b(seed + meter.origin.value.encode(), digest_size=8, person=b"sb-meter").digest()
    await session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest) >> 1)))


async def so_far(session: AsyncSession, meter: Meter, currency: str) -> SoFar:
    """Return the sums of a meter: money in one currency, deliveries and the newest reading over all."""
    statement = select(
        func.coalesce(func.sum(CostRow.amount_micros).filter(CostRow.currency == currency), 0),
        func.coalesce(func.sum(CostRow.delivered), 0),
        func.max(CostRow.occurred_at),
    ).where(
        CostRow.organization_id == meter.organization_id,
        CostRow.origin == meter.origin,
        CostRow.origin_id == meter.origin_id,
        CostRow.page_id == meter.page_id,
    )
    spend, delivered, newest_at = (await session.execute(statement)).one()
    return SoFar(int(spend), int(delivered), newest_at)


async def insert_cost(session: AsyncSession, row: dict[str, object]) -> bool:
    """Insert one priced event; False if its reading is recorded."""
    statement = (
        insert(CostRow)
        .values(row)
        .on_conflict_do_nothing(index_elements=["organization_id", "source_reference"])
        .returning(CostRow.id)
    )
    return (await session.execute(statement)).first() is not None


async def totals(session: AsyncSession, organization_id: UUID, origin_ids: Sequence[UUID]) -> Sequence[OriginTotal]:
    """Return the sums of these origins, per currency."""
    statement = (
        select(CostRow.origin_id, CostRow.currency, func.sum(CostRow.amount_micros), func.sum(CostRow.delivered))
        .where(CostRow.organization_id == organization_id, CostRow.origin_id.in_(origin_ids))
        .group_by(CostRow.origin_id, CostRow.currency)
        .order_by(CostRow.origin_id, CostRow.currency)
    )
    return [
        OriginTotal(origin_id, currency, int(spend), int(delivered))
        for origin_id, currency, spend, delivered in await session.execute(statement)
    ]
