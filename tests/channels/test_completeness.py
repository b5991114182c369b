"""What webhooks did not tell is found in the platform's own list, once and in order (D-17, S1-20)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.jobs import SyncPage
from server.channels.models import Health
from server.kit.db import Database
from server.platforms.port import Backfill
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.channels.conftest import an_event
from tests.factories.channels import a_body, a_text, signature_of
from tests.factories.sends import AShop, a_customer, a_reply, a_shop
from tests.standin_server import SECRET, Platform
from tests.workshop import Workshop

PEOPLE = 8
MESSAGES = 240


@pytest.fixture
async def faulty(platform: Platform) -> AsyncIterator[Platform]:
    """The stand-in, whose fault plan is empty again after the test."""
    yield platform
    await platform.control("faults", method="DELETE")


@dataclass(frozen=True, slots=True)
class Sync:
    """How far a page is compared."""

    complete_until: datetime | None
    gaps_filled: int
    note: str | None
    failures: int


async def the_sync(database: Database, shop: AShop) -> Sync:
    """Read how far the page is compared."""
    async with begin_read(database, shop.organization.scope) as uow:
        row = (await channels.syncs_of(uow, [shop.page.id]))[shop.page.id]
        return Sync(row.complete_until, row.gaps_filled, row.note, row.failures)


async def watched_since(database: Database, shop: AShop, ago: timedelta) -> None:
    """Let the page's webhooks have begun a while ago."""
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text(
                "UPDATE page SET subscribed_at = clock_timestamp() - :ago, subscription_checked_at = clock_timestamp()"
                " WHERE id = :id"
            ),
            {"ago": ago, "id": shop.page.id},
        )


async def compare(database: Database, workshop: Workshop, shop: AShop) -> None:
    """Compare the page now, and apply what was found."""
    async with begin(database, shop.organization.scope) as uow:
        uow.defer(SyncPage(shop.page.id), key=str(shop.page.id))
    await workshop.settle(shop.organization.id)


async def stored(database: Database, shop: AShop) -> dict[str, list[str]]:
    """The platform's ids of the stored messages of each person, in the order in which the inbox shows them."""
    async with begin_read(database, shop.organization.scope) as uow:
        rows = await uow.session.execute(
            text(
                "SELECT i.external_id, m.platform_message_id FROM message m"
                " JOIN conversation c ON c.organization_id = m.organization_id AND c.id = m.conversation_id"
                " JOIN contact_identity i ON i.organization_id = c.organization_id AND i.contact_id = c.contact_id"
                " WHERE c.page_id = :page ORDER BY m.occurred_at, m.id"
            ),
            {"page": shop.page.id},
        )
        found: dict[str, list[str]] = {}
        for person, mid in rows:
            found.setdefault(person, []).append(mid)
        return found


async def at_platform(platform: Platform, shop: AShop, people: list[str]) -> dict[str, list[str]]:
    """The same from the platform's own list, oldest first."""
    found = {}
    for person in people:
        told = await platform.control(f"customers/{shop.page.external_id}/{person}", method="GET")
        found[person] = [one["mid"] for one in sorted(told["messages"], key=lambda one: one["created_ms"])]
    return found


async def test_after_one_webhook_in_twenty_was_lost_the_inbox_is_the_platforms_list_in_order_without_doubles(
    database: Database, api: Api, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty, f"{api.url}/webhooks/messenger")
    await watched_since(database, shop, timedelta(hours=1))
    people = [str(7_000_000 + number) for number in range(PEOPLE)]
    start_ms = int((time.time() - 1_500) * 1000)
    plan = {
        "seed": 20,
        "rules": [],
        "webhooks": {"drop_probability": 0.05, "reorder": True, "duplicate_probability": 0.1},
    }
    await faulty.control("faults", plan, method="PUT")
    for number in range(MESSAGES):
        person = people[number % PEOPLE]
        body = {"text": f"Message {number}", "timestamp": start_ms + number * 5_000}
        await faulty.control(f"customers/{shop.page.external_id}/{person}/message", body)
    await faulty.settled()
    await workshop.settle(shop.organization.id, faulty)
    wanted = await at_platform(faulty, shop, people)
    lost = MESSAGES - sum(len(mids) for mids in (await stored(database, shop)).values())
    await faulty.control("faults", method="DELETE")

    await compare(database, workshop, shop)
    first = await the_sync(database, shop)
    await compare(database, workshop, shop)

    assert 0 < lost < MESSAGES / 4
    assert await stored(database, shop) == wanted
    assert sum(len(mids) for mids in wanted.values()) == MESSAGES
    assert first.gaps_filled == lost
    assert first.complete_until is not None
    assert datetime.now(UTC) - first.complete_until < timedelta(seconds=60)
    assert (await the_sync(database, shop)).gaps_filled == lost


async def test_a_webhook_that_comes_after_the_comparison_is_the_same_event(
    database: Database, api: Api, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty, f"{api.url}/webhooks/messenger")
    await watched_since(database, shop, timedelta(hours=1))
    at_ms = int((time.time() - 300) * 1000)
    await faulty.control("faults", {"seed": 1, "rules": [], "webhooks": {"drop_probability": 1.0}}, method="PUT")
    told = await faulty.control(f"customers/{shop.page.external_id}/8001/message", {"text": "Late", "timestamp": at_ms})
    await compare(database, workshop, shop)
    body = a_body(a_text(shop.page.external_id, "8001", mid=told["mid"], text="Late", at_ms=at_ms))

    answer = await api.http.post(
        f"{api.url}/webhooks/messenger", content=body, headers={"x-hub-signature-256": signature_of(body, SECRET)}
    )
    await workshop.settle(shop.organization.id)

    assert answer.json() == {"stored": 0, "duplicates": 1, "strays": 0}
    assert await stored(database, shop) == {"8001": [told["mid"]]}


async def test_our_own_replies_whose_echo_was_lost_are_not_doubled_by_the_list(
    database: Database, api: Api, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty, f"{api.url}/webhooks/messenger")
    await watched_since(database, shop, timedelta(hours=1))
    contact_id, psid = await a_customer(database, faulty, shop)
    await faulty.control("faults", {"seed": 1, "rules": [], "webhooks": {"drop_probability": 1.0}}, method="PUT")
    await a_reply(database, shop, contact_id, psid)
    await workshop.settle(shop.organization.id, faulty)

    await compare(database, workshop, shop)

    mids = [one["mid"] for one in await faulty.ledger(shop.page.external_id)]
    assert len(mids) == 1
    assert await stored(database, shop) == {psid: mids}


async def test_a_list_that_does_not_reach_back_leaves_the_gap_and_says_so(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    await watched_since(database, shop, timedelta(hours=2))
    when = datetime.now(UTC) - timedelta(hours=1)
    async with begin(database, shop.organization.scope) as uow:
        plan = await channels.plan_sync(uow, shop.page.id, 30, timedelta(hours=1))
        assert plan is not None
        found = Backfill((an_event(shop.page.external_id, "m_old", occurred_at=when),), is_complete=False)
        await channels.record_backfill(uow, plan, found, 30)

    told = await the_sync(database, shop)
    assert (told.complete_until, told.gaps_filled) == (None, 1)
    assert told.note is not None
    assert "does not reach back" in told.note


async def test_lost_messages_of_one_second_stand_in_the_order_in_which_they_were_written(
    database: Database, api: Api, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty, f"{api.url}/webhooks/messenger")
    await watched_since(database, shop, timedelta(hours=1))
    await faulty.control("faults", {"seed": 1, "rules": [], "webhooks": {"drop_probability": 1.0}}, method="PUT")
    second_ms = int(time.time() - 600) * 1000
    for number in range(6):
        body = {"text": f"Line {number}", "timestamp": second_ms + number}
        await faulty.control(f"customers/{shop.page.external_id}/7000001/message", body)
    await faulty.control("faults", method="DELETE")

    await compare(database, workshop, shop)

    assert await stored(database, shop) == await at_platform(faulty, shop, ["7000001"])


async def test_after_a_month_without_a_comparison_nobody_claims_that_all_of_it_is_there(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    await watched_since(database, shop, timedelta(days=45))
    async with begin(database, shop.organization.scope) as uow:
        plan = await channels.plan_sync(uow, shop.page.id, 30, timedelta(hours=1))
        assert plan is not None
        await channels.record_backfill(uow, plan, Backfill(()), 30)

    assert plan.started_at - plan.since == timedelta(days=30)
    assert (await the_sync(database, shop)).complete_until is None


async def test_what_no_row_can_hold_is_a_dead_letter_once_and_the_rest_is_stored(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    page = shop.page.external_id
    events = (an_event(page, "m_1"), an_event(page, "m_2", payload={"message": {"text": "a\x00b"}}))
    for _ in range(2):
        async with begin(database, shop.organization.scope) as uow:
            plan = await channels.plan_sync(uow, shop.page.id, 30, timedelta(hours=1))
            assert plan is not None
            await channels.record_backfill(uow, plan, Backfill(events), 30)

    async with begin_read(database, shop.organization.scope) as uow:
        letters = (await uow.session.execute(text("SELECT reason FROM dead_letter"))).scalars().all()
        kept = (await uow.session.execute(text("SELECT external_id FROM platform_event"))).scalars().all()
    assert (letters, kept) == (["unstorable"], ["m_1"])


async def test_a_page_whose_webhooks_ended_is_subscribed_again_and_what_was_missed_follows(
    database: Database, api: Api, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty, f"{api.url}/webhooks/messenger")
    await watched_since(database, shop, timedelta(hours=2))
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text("UPDATE page SET subscription_checked_at = clock_timestamp() - interval '2 hours' WHERE id = :id"),
            {"id": shop.page.id},
        )
    await faulty.control(f"pages/{shop.page.external_id}/unsubscribe", {})
    told = await faulty.control(
        f"customers/{shop.page.external_id}/9002/message",
        {"text": "Anybody?", "timestamp": int((time.time() - 600) * 1000)},
    )
    await faulty.settled()

    await compare(database, workshop, shop)

    shown = await faulty.control(f"pages/{shop.page.external_id}", method="GET")
    assert shown["subscribed_fields"]
    assert await stored(database, shop) == {"9002": [told["mid"]]}


async def test_a_refused_token_in_a_comparison_marks_the_page_and_the_comparison_waits_for_a_person(
    database: Database, faulty: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, faulty)
    await watched_since(database, shop, timedelta(hours=2))
    await faulty.control(f"pages/{shop.page.external_id}/revoke", {})

    await compare(database, workshop, shop)

    async with begin_read(database, shop.organization.scope) as uow:
        row = (await channels.pages_by_id(uow, [shop.page.id]))[0]
        assert row.health is Health.RECONNECT_NEEDED
        assert await channels.plan_sync(uow, shop.page.id, 30, timedelta(hours=1)) is None
    assert (await the_sync(database, shop)).failures == 1
