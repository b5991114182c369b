"""Limits hold while four worker processes send and are killed, and one throttled page stops nobody else (G7)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest

from server.config import Settings
from server.kit.db import Database
from server.sends.models import SendState
from tests.factories.sends import AShop, a_shop
from tests.faults.limited_worker import PER_APP, PER_PAGE
from tests.faults.load import all_settled, first_claims_s, most_within, p95, queue, rows_of
from tests.faults.plant import Plant, the_plants_database

pytestmark = pytest.mark.faults

PEOPLE = 100
KILLS = 8
CALM_REPLIES = 20
THROTTLED = 6
MOST_P95_S = 2.0


@dataclass(frozen=True, slots=True)
class Town:
    """Who sends: busy tenants, one whose page the platform throttles, and one that only wants to answer."""

    database: Database
    busy: Sequence[AShop]
    throttled: AShop
    bystander: AShop

    @property
    def everybody(self) -> list[AShop]:
        """Return all of them."""
        return [*self.busy, self.throttled, self.bystander]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the platform's own ledger and counters say at the end, and how long the bystander waited."""

    calls: Mapping[str, int]
    duplicates: Sequence[object]
    per_page: int
    per_app: int
    calm_s: Collection[float]
    killed_s: Collection[float]
    throttled: Mapping[SendState, int]
    kills: int

    def refused(self) -> int:
        """Return how many calls the platform refused because a window of its own was full."""
        return sum(count for label, count in self.calls.items() if "80006" in label)

    def __str__(self) -> str:
        """Return the ledger's line."""
        return (
            f"calls={dict(self.calls)} refused={self.refused()} duplicates={len(self.duplicates)} per_page={self.per_page} "
            f"per_app={self.per_app} p95_s={p95(self.calm_s):.2f} p95_killed_s={p95(self.killed_s):.2f} "
            f"max_killed_s={max(self.killed_s):.2f} of {len(self.killed_s)} throttled={dict(self.throttled)} kills={self.kills}"
        )


async def a_town(plant: Plant, settings: Settings) -> Town:
    """Queue more than the limits let through in ten seconds, at a platform that throttles one page out of turn."""
    plant.senders, plant.module = 4, "tests.faults.limited_worker"
    database = the_plants_database(plant, settings)
    busy = [await a_shop(database, plant.platform, plant.callback) for _ in range(4)]
    throttled = await a_shop(database, plant.platform, plant.callback)
    bystander = await a_shop(database, plant.platform, plant.callback)
    await plant.platform.control("app", {"send_rate_per_s": PER_PAGE})
    matched = {"match": {"op": "send", "page": throttled.page.external_id}, "times": THROTTLED}
    rule = {**matched, "action": "error", "code": 80006, "retry_after": "15"}
    await plant.platform.control("faults", {"seed": 1, "rules": [rule]}, method="PUT")
    for shop in busy:
        await queue(database, plant, shop, PEOPLE)
    await queue(database, plant, throttled, 10)
    return Town(database, busy, throttled, bystander)


async def answer_in_calm(town: Town, plant: Plant) -> list[UUID]:
    """Let the bystander answer one by one while the limits hold the others back."""
    ids = []
    for _ in range(CALM_REPLIES):
        ids += await queue(town.database, plant, town.bystander, 1)
        await asyncio.sleep(0.4)
    return ids


async def answer_while_workers_die(town: Town, plant: Plant) -> list[UUID]:
    """Let the bystander answer on while one worker after the other is killed, each as soon as the last one serves again."""
    dice = random.Random(7)
    ids, name = [], "sends-1"
    while plant.kills < KILLS or not plant.is_ready(name):
        ids += await queue(town.database, plant, town.bystander, 1)
        await asyncio.sleep(0.4)
        if plant.kills < KILLS and plant.is_ready(name):
            name = f"sends-{dice.randint(1, 4)}"
            plant.kill(name)
    return ids


async def the_verdict(town: Town, plant: Plant, calm: Sequence[UUID], killed: Sequence[UUID]) -> Verdict:
    """Read the platform's ledger and counters, and our own rows."""
    accepted = [
        [one["accepted_at"] for one in await plant.platform.ledger(shop.page.external_id)] for shop in town.everybody
    ]
    waits = await first_claims_s(town.database, town.bystander)
    late = [row.state for row in await rows_of(town.database, town.throttled)]
    return Verdict(
        calls=(await plant.platform.control("calls", method="GET"))["by_op"]["send"],
        duplicates=(await plant.platform.control("ledger/summary", method="GET"))["duplicates"],
        per_page=max(most_within(times, 1_000) for times in accepted),
        per_app=most_within([one for times in accepted for one in times], 1_000),
        calm_s=[waits[one] for one in calm],
        killed_s=[waits[one] for one in killed],
        throttled={state: late.count(state) for state in set(late)},
        kills=plant.kills,
    )


async def test_limits_hold_under_four_workers_and_kills_and_a_throttled_page_stops_itself_alone(
    plant: Plant, settings: Settings
) -> None:
    # Given: a platform that refuses the 11th call of a page within a second, and throttles one page out of turn.
    town = await a_town(plant, settings)
    await queue(town.database, plant, town.bystander, 1)
    await plant.up()
    await all_settled(town.database, [town.bystander], within_s=60, pause_s=0.1)  # the workers are still starting

    # When: replies of another tenant come while the limits hold everybody back, and then while workers are killed.
    calm = await answer_in_calm(town, plant)
    killed = await answer_while_workers_die(town, plant)
    await all_settled(town.database, town.everybody, within_s=180, pause_s=1)

    # Then: the platform's own ledger and counters show no window that was overfull, and nothing twice.
    verdict = await the_verdict(town, plant, calm, killed)
    await town.database.aclose()
    print(f"\n{verdict}")  # noqa: T201 - the verdict of a long run
    assert verdict.refused() == 0
    assert verdict.calls.get("fault:error", 0) <= THROTTLED
    assert verdict.per_page <= PER_PAGE
    assert verdict.per_app <= PER_APP
    assert verdict.duplicates == []
    assert p95(verdict.calm_s) < MOST_P95_S
    assert p95(verdict.killed_s) < MOST_P95_S
    assert verdict.throttled.keys() <= {SendState.SENT, SendState.NEEDS_HUMAN}
    assert verdict.kills == KILLS
