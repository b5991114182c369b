"""The send protocol against the stand-in: one message for one intention, whatever the wire does."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from server.config import Settings
from server.consent import service as consent
from server.consent.models import SuppressionReason
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.locks import WorkerLock
from server.sends import reconcile
from server.sends import service as sends
from server.sends.models import BatchState, Delivery, Purpose, SendState
from server.sends.repository import claim as claims
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.sends import DIGEST, a_customer, a_reply, a_shop, marketing, the_send
from tests.standin_server import Platform
from tests.workshop import Workshop

GAP = timedelta(days=1)
SOON = timedelta(seconds=5)


async def test_a_reply_reaches_the_person_once_and_its_receipts_come_back(
    database: Database, api: Api, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    contact_id, psid = await a_customer(database, platform, shop)
    send_id = await a_reply(database, shop, contact_id, psid, "Grüße ☕")

    await workshop.settle(shop.organization.id, platform)

    accepted = await platform.ledger(shop.page.external_id)
    sent = await the_send(database, shop, send_id)
    assert [entry["text"] for entry in accepted] == ["Grüße ☕"]
    assert (sent.state, sent.delivery, sent.platform_message_id) == (SendState.SENT, Delivery.READ, accepted[0]["mid"])
    assert await workshop.dead_jobs(shop.organization.id) == []


@pytest.mark.parametrize("_case", ["drop_after_accept", "garbage_200", "truncated_json", "no_id_200"])
async def test_an_answer_that_is_lost_is_settled_by_the_echo_without_a_second_message(
    database: Database, api: Api, platform: Platform, workshop: Workshop, _case: str
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    contact_id, psid = await a_customer(database, platform, shop)
    rule = {"match": {"op": "send", "page": shop.page.external_id}, "action": _case}
    await platform.control("faults", {"seed": 1, "rules": [rule]}, method="PUT")
    send_id = await a_reply(database, shop, contact_id, psid)

    await workshop.settle(shop.organization.id, platform)
    await platform.control("faults", method="DELETE")

    assert len(await platform.ledger(shop.page.external_id)) == 1
    assert (await the_send(database, shop, send_id)).state is SendState.SENT


async def test_without_an_echo_the_platforms_own_list_settles_an_unknown(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    rule = {"match": {"op": "send", "page": shop.page.external_id}, "action": "drop_after_accept", "times": 1}
    await platform.control("faults", {"seed": 1, "rules": [rule]}, method="PUT")
    send_id = await a_reply(database, shop, contact_id, psid)
    await workshop.settle(shop.organization.id)
    assert (await the_send(database, shop, send_id)).state is SendState.UNKNOWN

    await asyncio.sleep(1.2)
    await workshop.work(shop.organization.id, within=SOON)
    await platform.control("faults", method="DELETE")

    sent = await the_send(database, shop, send_id)
    assert (sent.state, sent.reason) == (SendState.SENT, "FOUND_BY_LIST")
    assert len(await platform.ledger(shop.page.external_id)) == 1


async def test_what_is_absent_from_the_list_twice_is_sent_again_and_arrives_once(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    rule = {"match": {"op": "send", "page": shop.page.external_id}, "action": "drop_before_accept", "times": 1}
    await platform.control("faults", {"seed": 1, "rules": [rule]}, method="PUT")
    send_id = await a_reply(database, shop, contact_id, psid)

    await workshop.settle(shop.organization.id)
    for _ in range(4):
        await asyncio.sleep(1.1)
        await workshop.work(shop.organization.id, within=SOON)
        await workshop.settle(shop.organization.id)
    await platform.control("faults", method="DELETE")

    sent = await the_send(database, shop, send_id)
    assert (sent.state, sent.attempt) == (SendState.SENT, 2)
    assert len(await platform.ledger(shop.page.external_id)) == 1


async def test_claims_of_a_dead_worker_become_unknown_and_those_of_a_living_one_stay(
    database: Database, platform: Platform, workshop: Workshop, settings: Settings
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    send_id = await a_reply(database, shop, contact_id, psid)
    other = WorkerLock(database.system_dsn)
    await other.acquire()
    async with begin(database, shop.organization.scope) as uow:
        await claims.claim(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.CONVERSATIONAL,
            worker_id=other.worker_id,
            size=10,
            rules=claims.ChannelRules(GAP),
        )

    async with begin(database, shop.organization.scope) as uow:
        assert await reconcile.abandon_claims(uow, settings.sends, shop.page.id, new_id()) == []
    await other.release()
    async with begin(database, shop.organization.scope) as uow:
        gone = await reconcile.abandon_claims(uow, settings.sends, shop.page.id, new_id())

    assert [one.send_id for one in gone] == [send_id]
    assert (await the_send(database, shop, send_id)).state is SendState.UNKNOWN


async def test_a_claim_that_a_living_worker_could_not_record_becomes_unknown_after_its_lease(
    database: Database, platform: Platform, workshop: Workshop, settings: Settings
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    send_id = await a_reply(database, shop, contact_id, psid)
    async with begin(database, shop.organization.scope) as uow:
        await claims.claim(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.CONVERSATIONAL,
            worker_id=workshop.runtime.lock.worker_id,
            size=10,
            rules=claims.ChannelRules(GAP),
        )

    await workshop.settle(shop.organization.id)
    assert (await the_send(database, shop, send_id)).state is SendState.CLAIMED
    await asyncio.sleep(settings.sends.lease_s)
    await workshop.work(shop.organization.id, within=SOON)

    assert (await the_send(database, shop, send_id)).state in {SendState.UNKNOWN, SendState.QUEUED}


async def test_a_revoked_token_stops_the_page_keeps_its_queue_and_a_new_one_lets_it_go(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    people = [await a_customer(database, platform, shop) for _ in range(3)]
    await platform.control(f"pages/{shop.page.external_id}/revoke", {})
    ids = [await a_reply(database, shop, contact_id, psid) for contact_id, psid in people]

    await workshop.settle(shop.organization.id)

    assert {(await the_send(database, shop, one)).state for one in ids} == {SendState.QUEUED}
    assert await platform.ledger(shop.page.external_id) == []


@pytest.mark.parametrize("people", [1, 3])
async def test_a_success_that_asks_for_a_rest_ends_the_round_and_holds_whoever_comes_later(
    database: Database, platform: Platform, workshop: Workshop, people: int
) -> None:
    shop = await a_shop(database, platform)
    known = [await a_customer(database, platform, shop) for _ in range(people)]
    await platform.control("app", {"page_percent": 96})
    ids = [await a_reply(database, shop, *known[0], f"first {number}") for number in range(3)]

    await workshop.settle(shop.organization.id)
    ids += [await a_reply(database, shop, *one, "later") for one in known]
    await workshop.settle(shop.organization.id)

    await platform.control("app", {"page_percent": 1})
    assert [entry["text"] for entry in await platform.ledger(shop.page.external_id)] == ["first 0"]
    states = [(await the_send(database, shop, one)).state for one in ids]
    assert states == [SendState.SENT, *[SendState.QUEUED] * (len(ids) - 1)]


async def claim_all(database: Database, shop: object, size: int = 50) -> list[claims.Claimed]:
    """Claim marketing sends of a shop for a fresh worker id."""
    async with begin(database, shop.organization.scope) as uow:
        return await claims.claim(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.MARKETING,
            worker_id=new_id(),
            size=size,
            rules=claims.ChannelRules(GAP),
        )


async def test_ten_campaigns_racing_for_one_person_give_one_claim_and_nine_recorded_skips(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="t")
    for _ in range(10):
        await marketing(database, shop, new_id(), [person])

    found = await asyncio.gather(*(claim_all(database, shop, 1) for _ in range(10)))
    rows = [row for claimed in found for row in claimed]
    while more := await claim_all(database, shop):
        rows += more

    assert sorted(row.state for row in rows) == [SendState.CLAIMED] + [SendState.SKIPPED] * 9
    assert {row.reason for row in rows if row.state is SendState.SKIPPED} == {"DAILY_CAP"}


async def test_each_reason_to_forbid_a_send_is_found_in_the_claim_itself(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    stranger = await a_customer(database, platform, shop)
    blocked = await a_customer(database, platform, shop, token="t")
    stale = await a_customer(database, platform, shop, token="t")
    stopped = await a_customer(database, platform, shop, token="t")
    fine = await a_customer(database, platform, shop, token="t")
    batch, stopped_batch = new_id(), new_id()
    ids = await marketing(database, shop, batch, [stranger, blocked, fine])
    ids += await marketing(database, shop, batch, [stale], digest=b"x" * 32)
    ids += await marketing(database, shop, stopped_batch, [stopped])
    async with begin(database, shop.organization.scope) as uow:
        await consent.suppress(uow, blocked[0], SuppressionReason.MANUAL)
        await sends.set_batch_state(uow, stopped_batch, BatchState.STOPPED)

    verdicts = {row.id: (row.state.value, row.reason) for row in await claim_all(database, shop)}

    assert [verdicts[one] for one in ids] == [
        ("SKIPPED", "NO_CONSENT"),
        ("SKIPPED", "SUPPRESSED"),
        ("CLAIMED", None),
        ("SKIPPED", "APPROVAL_STALE"),
        ("SKIPPED", "STOPPED"),
    ]


async def test_a_paused_batch_waits_and_a_withdrawn_approval_stops_what_is_queued(
    database: Database, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="t")
    batch = new_id()
    await marketing(database, shop, batch, [person])
    async with begin(database, shop.organization.scope) as uow:
        await sends.set_batch_state(uow, batch, BatchState.PAUSED)
    assert await claim_all(database, shop) == []

    async with begin(database, shop.organization.scope) as uow:
        await sends.set_batch_state(uow, batch, BatchState.RUNNING)
        await sends.approve_batch(uow, batch, None)

    assert [(row.state, row.reason) for row in await claim_all(database, shop)] == [
        (SendState.SKIPPED, "APPROVAL_STALE")
    ]
    assert DIGEST
