"""The connector over the stand-in: what arrives by webhook, and what a backfill gives back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.platforms.port import (
    CommentChanged,
    CommentKind,
    GrantWithdrawn,
    MessageEchoed,
    MessageReceived,
    Noticed,
    Read,
    Sent,
)
from server.platforms.x.connector import XConnector
from tests.platforms.x.factory import a_page, account_at
from tests.platforms.x.inbox import Inbox
from tests.platforms.x.scenes import a_person, hello
from tests.standin_server import Platform


@pytest.mark.parametrize("generation", ["activity", "account", "both"])
async def test_what_is_backfilled_has_the_keys_and_the_meaning_of_the_webhooks(
    platform: Platform, connector: XConnector, inbox: Inbox, generation: str
) -> None:
    account, token = await account_at(platform, callback_url=inbox.url, subscribed=generation)
    page, person = a_page(account, token), await a_person(platform, account)
    since = datetime.now(UTC)
    await platform.control(f"x/customers/{account}/{person}/message", {"text": "words"})
    await platform.control(f"x/customers/{account}/{person}/message", {"text": "look", "media": {"type": "photo"}})
    await connector.send(page, hello(person, "answer"), 5)
    times = 2 if generation == "both" else 1
    await inbox.heard(MessageReceived, 2 * times)
    await inbox.heard(MessageEchoed, times)

    backfill = await connector.backfill(page, since)

    assert backfill.is_complete
    listed = {(raw.page_external_id, raw.kind, raw.external_id, raw.mailbox) for raw in backfill.events}
    told = {(raw.page_external_id, raw.kind, raw.external_id, raw.mailbox) for raw, _ in inbox.told}
    assert listed == told
    assert len(listed) == 3
    meant = [event for raw in backfill.events for event in connector.parse(raw.kind, account, raw.payload)]
    received = {e.message_id: e for e in meant if isinstance(e, MessageReceived)}
    assert received == {e.message_id: e for e in inbox.of(MessageReceived) if isinstance(e, MessageReceived)}
    assert [e.text for e in meant if isinstance(e, MessageEchoed)] == ["answer"]


@pytest.mark.parametrize("generation", ["activity", "account"])
async def test_everything_a_person_does_arrives(
    platform: Platform, connector: XConnector, inbox: Inbox, generation: str
) -> None:
    account, token = await account_at(platform, callback_url=inbox.url, subscribed=generation)
    page, person = a_page(account, token), await a_person(platform, account)
    where = f"x/customers/{account}/{person}"
    sent = await connector.send(page, hello(person), 5)
    for deed in ("typing", "read", "mention", "reply"):
        await platform.control(f"{where}/{deed}")
    said = await platform.control(f"{where}/message", {"text": "hi", "quick_reply": "p-1"})
    await platform.control(f"x/accounts/{account}/revoke")

    [echo], [received] = await inbox.heard(MessageEchoed), await inbox.heard(MessageReceived)
    [read], [withdrawn] = await inbox.heard(Read), await inbox.heard(GrantWithdrawn)
    comments = await inbox.heard(CommentChanged, 2)

    assert isinstance(sent, Sent)
    assert isinstance(echo, MessageEchoed)
    assert (echo.person, echo.message_id, echo.app_id) == (person, sent.platform_message_id, "13090192")
    assert isinstance(received, MessageReceived)
    assert (received.message_id, received.text, received.quick_reply_payload) == (said["id"], "hi", "p-1")
    assert isinstance(read, Read)
    assert (read.person, read.message_ids) == (person, (sent.platform_message_id,))
    assert withdrawn == GrantWithdrawn(account)
    assert {one.kind for one in comments if isinstance(one, CommentChanged)} == set(CommentKind)
    assert Noticed("typing") in inbox.of(Noticed)
    assert inbox.forged == 0


async def test_the_newer_generation_tells_of_groups_and_of_encrypted_messages(
    platform: Platform, connector: XConnector, inbox: Inbox
) -> None:
    account, token = await account_at(platform, callback_url=inbox.url, subscribed="activity")
    page, person = a_page(account, token), await a_person(platform, account)
    third = await a_person(platform, account)
    made = await platform.control(f"x/customers/{account}/{person}/message", {"text": "all", "group": [third]})
    await platform.control(f"x/customers/{account}/{person}/chat")
    [received] = await inbox.heard(MessageReceived)
    await inbox.heard(Noticed)

    assert isinstance(received, MessageReceived)
    assert (received.person, received.thread_id) == (made["conversation"], made["conversation"])
    answer = await connector.send(page, hello(received.person, "back", thread_external_id=received.thread_id), 5)
    assert isinstance(answer, Sent)
    assert answer.thread_external_id == made["conversation"]
    assert inbox.of(Noticed) == [Noticed("chat")]


async def test_an_echo_may_come_before_the_answer_and_again(
    platform: Platform, connector: XConnector, inbox: Inbox
) -> None:
    account, token = await account_at(platform, callback_url=inbox.url, subscribed="activity")
    page, person = a_page(account, token), await a_person(platform, account)
    faults = {"webhooks": {"echo_before_answer": True}}
    await platform.control("faults", faults, method="PUT")

    sent = await connector.send(page, hello(person), 5)

    assert isinstance(sent, Sent)
    [echo] = inbox.of(MessageEchoed)
    assert isinstance(echo, MessageEchoed)
    assert echo.message_id == sent.platform_message_id


async def test_a_webhook_that_was_refused_comes_again_with_the_same_key(
    platform: Platform, connector: XConnector, inbox: Inbox
) -> None:
    account, _ = await account_at(platform, callback_url=inbox.url, subscribed="activity")
    person = await a_person(platform, account)
    before = await platform.control("x/app", method="GET")
    await platform.control("x/app", {"retry_ms": [10, 10, 10]})
    inbox.statuses = [500, 503]

    await platform.control(f"x/customers/{account}/{person}/message", {"text": "hi"})
    await inbox.heard(MessageReceived)
    await platform.settled()

    await platform.control("x/app", {"retry_ms": before["retry_ms"]})
    assert len(inbox.bodies) == 3
    assert len(set(inbox.bodies)) == 1
