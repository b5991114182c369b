"""Webhooks are registered with a real CRC and subscribed in either generation, over the stand-in (platforms.md 4.5)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from server.platforms.port import FailureReason, MessageReceived, PlatformCallFailed
from server.platforms.x.connector import XConnector
from server.platforms.x.subscribing import EVENT_TYPES
from tests.platforms.wire import Exchange
from tests.platforms.x.conftest import Wired
from tests.platforms.x.factory import a_connector, a_page, account_at, an_id
from tests.platforms.x.inbox import Inbox
from tests.standin_server import Platform


@pytest.fixture(params=["activity", "account"])
async def subscriber(request: pytest.FixtureRequest, platform: Platform, inbox: Inbox) -> AsyncIterator[XConnector]:
    """A connector of each generation whose callback is served; its webhook is gone after the test."""
    made = a_connector(f"{platform.url}/x", inbox.url, X_EVENTS=request.param)
    yield made
    await forget(platform, inbox)
    await made.aclose()


async def forget(platform: Platform, inbox: Inbox) -> None:
    """Delete the webhook of this callback, as the app."""
    bearer = {"authorization": "Bearer x-bearer-of-the-test-suite"}
    for hook in (await platform.http.get(f"{platform.url}/x/2/webhooks", headers=bearer)).json()["data"]:
        if hook["url"] == inbox.url:
            await platform.http.delete(f"{platform.url}/x/2/webhooks/{hook['id']}", headers=bearer)


async def test_an_account_is_subscribed_twice_without_harm_and_its_messages_come(
    platform: Platform, subscriber: XConnector, inbox: Inbox
) -> None:
    page = a_page(*await account_at(platform))
    assert not await subscriber.is_subscribed(page)

    await subscriber.subscribe(page)
    await subscriber.subscribe(page)

    assert await subscriber.is_subscribed(page)
    assert inbox.crcs == 1
    account, person = page.page_external_id, an_id()
    said = await platform.control(f"x/customers/{account}/{person}/message", {"text": "hi"})
    [received] = await inbox.heard(MessageReceived)
    assert isinstance(received, MessageReceived)
    assert (received.person, received.message_id) == (person, said["id"])


async def test_a_second_account_uses_the_same_webhook(platform: Platform, subscriber: XConnector, inbox: Inbox) -> None:
    first, second = a_page(*await account_at(platform)), a_page(*await account_at(platform))

    await subscriber.subscribe(first)
    await subscriber.subscribe(second)

    assert await subscriber.is_subscribed(first)
    assert await subscriber.is_subscribed(second)
    assert inbox.crcs == 1


async def test_an_account_that_is_unsubscribed_is_silent_and_the_others_are_not(
    platform: Platform, subscriber: XConnector, inbox: Inbox
) -> None:
    page, other = a_page(*await account_at(platform)), a_page(*await account_at(platform))
    await subscriber.subscribe(page)
    await subscriber.subscribe(other)

    await subscriber.unsubscribe(page)
    await subscriber.unsubscribe(page)

    assert not await subscriber.is_subscribed(page)
    assert await subscriber.is_subscribed(other)
    await platform.control(f"x/customers/{page.page_external_id}/{an_id()}/message", {"text": "hi"})
    await platform.control(f"x/customers/{other.page_external_id}/{an_id()}/message", {"text": "hi"})
    await inbox.heard(MessageReceived)
    await platform.settled()
    assert {raw.page_external_id for raw, _ in inbox.told} == {other.page_external_id}


async def test_a_callback_that_fails_its_crc_is_no_webhook_and_can_be_tried_again(
    platform: Platform, subscriber: XConnector, inbox: Inbox
) -> None:
    page = a_page(*await account_at(platform))
    inbox.answers_crc = False

    with pytest.raises(PlatformCallFailed, match="CrcValidationFailed") as failed:
        await subscriber.subscribe(page)

    assert (failed.value.reason, failed.value.retryable) == (FailureReason.TRANSIENT, True)
    inbox.answers_crc = True
    await subscriber.subscribe(page)
    assert await subscriber.is_subscribed(page)


async def test_a_webhook_that_was_switched_off_is_noticed_and_validated_anew(
    platform: Platform, subscriber: XConnector, inbox: Inbox
) -> None:
    page = a_page(*await account_at(platform))
    await subscriber.subscribe(page)
    inbox.answers_crc = False
    await platform.control("x/hooks/crc", {"url": inbox.url})
    assert not await subscriber.is_subscribed(page)
    inbox.answers_crc = True

    fresh = a_connector(f"{platform.url}/x", inbox.url, X_EVENTS=subscriber._settings.events)
    await fresh.subscribe(page)
    await fresh.aclose()

    assert await subscriber.is_subscribed(page)


async def test_a_webhook_that_was_deleted_behind_our_back_is_registered_again(
    platform: Platform, subscriber: XConnector, inbox: Inbox
) -> None:
    page = a_page(*await account_at(platform))
    await subscriber.subscribe(page)
    await forget(platform, inbox)

    await subscriber.subscribe(page)

    assert await subscriber.is_subscribed(page)
    assert inbox.crcs == 2


async def test_a_dead_token_cannot_subscribe(platform: Platform, subscriber: XConnector) -> None:
    account, _ = await account_at(platform)

    with pytest.raises(PlatformCallFailed) as refused:
        await subscriber.subscribe(a_page(account, "dead"))

    assert refused.value.reason is FailureReason.AUTH


async def test_an_address_that_x_does_not_call_is_our_own_mistake(platform: Platform) -> None:
    connector = a_connector(f"{platform.url}/x", "https://switchboard.example:8443/webhooks/x")
    page = a_page(*await account_at(platform))

    with pytest.raises(PlatformCallFailed, match="UrlValidationFailed") as refused:
        await connector.subscribe(page)

    assert (refused.value.reason, refused.value.retryable) == (FailureReason.POLICY, False)
    await connector.aclose()


async def test_a_missing_bearer_of_our_app_is_not_taken_for_a_dead_grant(platform: Platform) -> None:
    connector = a_connector(f"{platform.url}/x", X_BEARER_TOKEN="")
    page = a_page(*await account_at(platform))

    with pytest.raises(PlatformCallFailed, match="X_BEARER_TOKEN") as refused:
        await connector.subscribe(page)

    assert refused.value.reason is FailureReason.PERMISSION
    await connector.aclose()


async def test_each_event_type_is_asked_for_with_the_accounts_own_token(wired_x: Wired) -> None:
    async def script(exchange: Exchange) -> None:
        hooks = {"data": [{"id": "77", "url": "http://127.0.0.1:9/webhooks/x", "valid": True}]}
        await exchange.answer(200, hooks if exchange.head.startswith("GET") else {"data": {"subscription_id": "1"}})

    connector, wire = await wired_x(script)

    await connector.subscribe(a_page("100", "page-token"))

    listed, *asked = wire.seen
    assert listed.header("authorization") == "Bearer x-bearer-of-the-test-suite"
    assert {one.header("authorization") for one in asked} == {"Bearer page-token"}
    assert [json.loads(one.body)["event_type"] for one in asked] == list(EVENT_TYPES)
    assert json.loads(asked[0].body) == {
        "event_type": "dm.received",
        "filter": {"user_id": "100"},
        "tag": "switchboard",
        "webhook_id": "77",
    }
