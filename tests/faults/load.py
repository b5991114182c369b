"""What the tests that break a system queue, wait for and read back: sends, their tries and their latencies."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import func, select

from server.kit.db import Database
from server.sends.models import SendAttemptRow, SendIntentRow, SendState
from server.tenants.uow import begin_read
from tests.factories.sends import AShop, a_customer, a_reply
from tests.faults.plant import Plant

OPEN = (SendState.QUEUED, SendState.CLAIMED, SendState.UNKNOWN)


async def queue(database: Database, plant: Plant, shop: AShop, count: int) -> list[UUID]:
    """Queue one reply for each of some new people."""
    ids = []
    for _ in range(count):
        contact_id, psid = await a_customer(database, plant.platform, shop)
        ids.append(await a_reply(database, shop, contact_id, psid, f"Reply to {psid}"))
    return ids


async def rows_of(database: Database, shop: AShop) -> Sequence[SendIntentRow]:
    """Read the sends of a shop."""
    async with begin_read(database, shop.organization.scope) as uow:
        return (
            await uow.session.scalars(
                select(SendIntentRow).where(SendIntentRow.organization_id == shop.organization.id)
            )
        ).all()


async def left(database: Database, shops: Sequence[AShop]) -> int:
    """Count what has no outcome yet."""
    found = 0
    for shop in shops:
        async with begin_read(database, shop.organization.scope) as uow:
            statement = select(func.count()).where(
                SendIntentRow.organization_id == shop.organization.id, SendIntentRow.state.in_(OPEN)
            )
            found += (await uow.session.execute(statement)).scalar_one()
    return found


async def all_settled(database: Database, shops: Sequence[AShop], *, within_s: float, pause_s: float = 0.5) -> None:
    """Wait until every send of the shops has an outcome."""
    async with asyncio.timeout(within_s):
        while await left(database, shops):
            await asyncio.sleep(pause_s)


async def first_claims_s(database: Database, shop: AShop) -> dict[UUID, float]:
    """Return how long each send of a shop waited for the claim of its first try, in seconds.

    A claim that only found a full quota is no try. A send whose worker died is tried again after its reconciliation: that is
    the later arrival of one message and not the time it waited for a claim.
    """
    async with begin_read(database, shop.organization.scope) as uow:
        statement = (
            select(SendAttemptRow.send_id, func.min(SendAttemptRow.claimed_at))
            .where(SendAttemptRow.organization_id == shop.organization.id)
            .group_by(SendAttemptRow.send_id)
        )
        tried = {row[0]: row[1] for row in await uow.session.execute(statement)}
    waits = {}
    for row in await rows_of(database, shop):
        # A try that an echo settled before its worker died was never logged; the row itself knows it.
        moments = [one for one in (tried.get(row.id), row.claimed_at) if one is not None]
        if moments:
            waits[row.id] = (min(moments) - row.created_at).total_seconds()
    return waits


def p95(values: Collection[float]) -> float:
    """Return the smallest value that 95 % of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def most_within(times_ms: Sequence[int], window_ms: int) -> int:
    """Return the largest number of calls that any sliding window held."""
    ordered = sorted(times_ms)
    most, start = 0, 0
    for end, moment in enumerate(ordered):
        while ordered[start] <= moment - window_ms:
            start += 1
        most = max(most, end - start + 1)
    return most
