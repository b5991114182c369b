"""Worker processes die at random and the broker forgets everything, while 2,000 messages go out (G1, G4)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import func, select

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.sends.models import SendAttemptRow, SendIntentRow, SendState
from server.tenants.uow import begin_read
from tests.factories.sends import AShop, a_customer, a_reply, a_shop, marketing
from tests.faults.plant import Plant, the_plants_database

pytestmark = pytest.mark.faults

PAGES = 10
PEOPLE = 100
KILLS = 20
BROKER_RESTARTS = 2
OPEN = (SendState.QUEUED, SendState.CLAIMED, SendState.UNKNOWN)


async def count_by_state(database: Database, shops: list[AShop]) -> Counter[SendState]:
    """Count the sends of all shops by state."""
    found: Counter[SendState] = Counter()
    for shop in shops:
        async with begin_read(database, shop.organization.scope) as uow:
            rows = await uow.session.execute(
                select(SendIntentRow.state, func.count())
                .where(SendIntentRow.organization_id == shop.organization.id)
                .group_by(SendIntentRow.state)
            )
            found.update({row[0]: row[1] for row in rows})
    return found


async def count_attempts(database: Database, shops: list[AShop]) -> tuple[int, int]:
    """Count the logged tries of all shops, and those of them that ended unknown."""
    found = [0, 0]
    for shop in shops:
        async with begin_read(database, shop.organization.scope) as uow:
            counts = await uow.session.execute(
                select(func.count(), func.count().filter(SendAttemptRow.outcome.in_(("UNKNOWN", "Unknown")))).where(
                    SendAttemptRow.organization_id == shop.organization.id
                )
            )
            found = [sum(pair) for pair in zip(found, counts.one(), strict=True)]
    return found[0], found[1]


async def count_open(database: Database, shops: list[AShop]) -> int:
    """Count the sends that have no outcome yet."""
    states = await count_by_state(database, shops)
    return sum(states[state] for state in OPEN)


async def queue_everything(database: Database, plant: Plant, shops: list[AShop]) -> dict[str, UUID]:
    """Queue a reply and a marketing message for each of 100 people of each of 10 pages; return mark -> send."""
    marks: dict[str, UUID] = {}
    for shop in shops:
        created = await plant.platform.control(
            "customers",
            [
                {"page": shop.page.external_id, "psid": str(new_id().int % 10**15), "first_name": "Grace"}
                | {"wrote_s_ago": 60, "optin": {"payload": "offers", "title": "Offers"}}
                for _ in range(PEOPLE)
            ],
        )
        campaign = await a_platform_campaign(plant, shop)
        people = []
        for one in created["customers"]:
            token = one["notification_messages_token"]
            contact_id, psid = await a_customer(database, plant.platform, shop, psid=one["psid"], token=token)
            people.append((contact_id, psid))
            send_id = await a_reply(database, shop, contact_id, psid, f"Reply to {psid}")
            marks[send_id.hex] = send_id
        ids = await marketing(database, shop, new_id(), people, platform_campaign_id=campaign)
        marks |= {f"campaign:{campaign}:{psid}": send_id for (_, psid), send_id in zip(people, ids, strict=True)}
    return marks


async def a_platform_campaign(plant: Plant, shop: AShop) -> str:
    """Create the paid campaign at the platform, as the campaign's start would."""
    response = await plant.platform.http.post(
        f"{plant.platform.url}/v25.0/act_{shop.page.external_id}/message_campaign",
        json={"name": "faults", "page_id": shop.page.external_id, "daily_budget": 100_000},
        headers={"authorization": f"Bearer token-of-{shop.page.external_id}"},
    )
    assert response.is_success, response.text
    campaign: str = response.json()["id"]
    return campaign


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the platform's own ledger and our tables say at the end."""

    wanted: int
    accepted: int
    doubled: int
    lost: int
    kills: int
    attempts: int
    unknown_on_the_way: int
    states: Mapping[SendState, int]


async def the_verdict(database: Database, plant: Plant, shops: list[AShop], marks: dict[str, UUID]) -> Verdict:
    """Compare what was wanted with what the platform accepted."""
    summary = await plant.platform.control("ledger/summary", method="GET")
    entries = [entry for shop in shops for entry in await plant.platform.ledger(shop.page.external_id)]
    attempts, unknown = await count_attempts(database, shops)
    return Verdict(
        wanted=len(marks),
        accepted=summary["accepted"],
        doubled=len(summary["duplicates"]),
        lost=len(set(marks) - {entry["reference"] for entry in entries}),
        kills=plant.kills,
        attempts=attempts,
        unknown_on_the_way=unknown,
        states=dict(await count_by_state(database, shops)),
    )


async def test_twenty_kills_and_two_lost_brokers_lose_nothing_and_double_nothing(
    plant: Plant, settings: Settings
) -> None:
    # Given: a running system, and 2,000 messages to send on 10 pages of 10 tenants.
    dice = random.Random(20_261_121)
    database = the_plants_database(plant, settings)
    shops = [await a_shop(database, plant.platform, plant.callback) for _ in range(PAGES)]
    slow = [{"match": {"op": op}, "action": "late_after_accept", "delay_ms": 150} for op in ("send", "marketing_send")]
    await plant.platform.control("faults", {"seed": 1, "rules": slow}, method="PUT")
    marks = await queue_everything(database, plant, shops)
    await plant.up()

    # When: workers are killed 20 times and the broker loses everything twice, while the messages go out.
    for step in range(1, KILLS + 1):
        await asyncio.sleep(dice.uniform(1.0, 3.0))
        plant.kill_some_worker(dice)
        if step in {KILLS // 3, 2 * KILLS // 3}:
            plant.kill("broker")
    async with asyncio.timeout(300):
        while await count_open(database, shops):
            await asyncio.sleep(1)

    # Then: the platform's own ledger shows each message once, and nothing is left without an outcome.
    verdict = await the_verdict(database, plant, shops, marks)
    await database.aclose()
    print(f"\n{verdict}")  # noqa: T201 - the verdict of a long run
    listed = verdict.states.get(SendState.NEEDS_HUMAN, 0)
    assert verdict.doubled == 0
    assert verdict.lost <= listed
    assert verdict.states.get(SendState.SENT, 0) + listed == verdict.wanted
    assert verdict.kills == KILLS + BROKER_RESTARTS
