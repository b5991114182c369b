"""A fifth of the platform's answers is wrong in every way there is: nothing is doubled, nothing is stuck (G6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.sends.models import SendState
from server.tenants.uow import begin_read
from tests.factories.sends import AShop, a_shop
from tests.faults.load import all_settled, left, queue, rows_of
from tests.faults.plant import Plant, the_plants_database

pytestmark = pytest.mark.faults

PAGES = 4
PEOPLE = 75
DEADLINE_S = 3.0
MOST_GROWTH = 50 * 1024 * 1024
SHARE = 0.2

WRONG: list[dict[str, object]] = [
    {"action": "error", "status": 429},
    {"action": "error", "status": 429, "retry_after": "Sun, 06 Nov 1994 08:49:37 GMT"},
    {"action": "error", "status": 429, "retry_after": "1"},
    *({"action": "error", "status": status, "code": 2} for status in (500, 502, 503, 504)),
    {"action": "error", "status": 200, "body": "[" * 1_000_000},
    {"action": "error", "status": 200, "body": "{}"},
    {"action": "drop_before_accept"},
    {"action": "drop_after_accept"},
    {"action": "late_after_accept", "delay_ms": 6_000},
    {"action": "hang"},
    {"action": "garbage_200"},
    {"action": "truncated_json"},
    {"action": "no_id_200"},
    {"action": "huge_body"},
    {"action": "slow_body", "delay_ms": 1_000},
    {"action": "redirect", "body": "http://127.0.0.1:1/"},
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the platform's own ledger and our tables say at the end."""

    states: Mapping[str, SendState]
    """Reference of each message -> its state here."""
    accepted: frozenset[str]
    duplicates: Sequence[object]
    hits: Sequence[int]
    growth: int
    lasted_s: Sequence[float]

    def those(self, state: SendState) -> set[str]:
        """Return the messages that ended in a state."""
        return {reference for reference, one in self.states.items() if one is state}

    def __str__(self) -> str:
        """Return the ledger's line."""
        counts = {state.value: len(self.those(state)) for state in set(self.states.values())}
        lost = len(self.states.keys() - self.accepted - self.those(SendState.NEEDS_HUMAN))
        return (
            f"states={counts} accepted={len(self.accepted)} duplicates={len(self.duplicates)} lost={lost} "
            f"wrong_answers={sum(self.hits)} by_rule={list(self.hits)} growth={self.growth / 2**20:.0f} MiB "
            f"longest_try_s={max(self.lasted_s):.2f}"
        )


def wrong_rules() -> list[dict[str, object]]:
    """Return one rule for each way of being wrong, all equally likely and together a fifth of the calls."""
    rules: list[dict[str, object]] = []
    passed = 1.0
    for wrong in WRONG:
        rules.append({"match": {"op": "send"}, "probability": SHARE / len(WRONG) / passed, **wrong})
        passed -= SHARE / len(WRONG)
    return rules


async def warmed_up(plant: Plant, database: Database) -> dict[str, int]:
    """Start the system and let it send a little; return the memory that each sender has in use then."""
    warm = await a_shop(database, plant.platform, plant.callback)
    await plant.up()
    await queue(database, plant, warm, 20)
    await all_settled(database, [warm], within_s=60)
    return {name: plant.resident_bytes(name) for name in plant.running if name.startswith("sends-")}


async def most_growth(plant: Plant, database: Database, shops: Sequence[AShop], before: Mapping[str, int]) -> int:
    """Wait until everything has an outcome; return by how many bytes the sender that grew most was larger meanwhile."""
    most = 0
    async with asyncio.timeout(240):
        while await left(database, shops):
            most = max(most, *(plant.resident_bytes(name) - bytes_before for name, bytes_before in before.items()))
            await asyncio.sleep(0.2)
    return most


async def the_verdict(
    plant: Plant, database: Database, shops: Sequence[AShop], hits: Sequence[int], growth: int
) -> Verdict:
    """Compare the platform's ledger with our own rows."""
    lasted_s: list[float] = []
    for shop in shops:
        async with begin_read(database, shop.organization.scope) as uow:
            tries = await uow.session.scalars(
                text("SELECT extract(epoch FROM finished_at - claimed_at)::float8 FROM send_attempt")
            )
            lasted_s += tries.all()
    return Verdict(
        states={row.id.hex: row.state for shop in shops for row in await rows_of(database, shop)},
        accepted=frozenset(
            [one["reference"] for shop in shops for one in await plant.platform.ledger(shop.page.external_id)]
        ),
        duplicates=(await plant.platform.control("ledger/summary", method="GET"))["duplicates"],
        hits=hits,
        growth=growth,
        lasted_s=lasted_s,
    )


async def test_a_fifth_of_wrong_answers_doubles_nothing_loses_nothing_and_holds_nothing(
    plant: Plant, settings: Settings
) -> None:
    # Given: a running system whose platform answers one call in five wrongly, in every way of WRONG.
    database = the_plants_database(plant, settings)
    shops = [await a_shop(database, plant.platform, plant.callback) for _ in range(PAGES)]
    before = await warmed_up(plant, database)
    await plant.platform.control("faults", {"seed": 6, "rules": wrong_rules()}, method="PUT")

    # When: the messages of all pages go out.
    for shop in shops:
        await queue(database, plant, shop, PEOPLE)
    growth = await most_growth(plant, database, shops, before)
    hits = (await plant.platform.control("faults", method="GET"))["hits"]
    await plant.platform.control("faults", method="DELETE")

    # Then: the platform's ledger has each message once, and every try ended by its deadline.
    verdict = await the_verdict(plant, database, shops, hits, growth)
    await database.aclose()
    print(f"\n{verdict}")  # noqa: T201 - the verdict of a long run
    sent = verdict.those(SendState.SENT)
    assert verdict.duplicates == []
    assert sent <= verdict.accepted
    assert verdict.states.keys() - sent <= verdict.those(SendState.NEEDS_HUMAN)
    assert sum(verdict.hits) > 0.1 * len(verdict.states)
    assert verdict.growth < MOST_GROWTH
    assert max(verdict.lasted_s) < DEADLINE_S + 1
