"""The whole port against the stand-in, which was written from the same wire facts by somebody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import (
    AuthorizeRequest,
    Channel,
    CodeExchange,
    Delivered,
    DeliveryFailed,
    FailureReason,
    MarketingEchoed,
    MessageEchoed,
    MessageReceived,
    NotSent,
    OptedIn,
    OptedOut,
    PageCredentials,
    PlatformCallFailed,
    Read,
    Sent,
    Unknown,
)
from tests.platforms.factory import a_message, an_account
from tests.platforms.standin_process import REDIRECT, Standin

PERSON = "11"


async def an_agency(standin: Standin) -> None:
    """A person with one page of her own and one of a business, each with an ad account."""
    await standin.control("reset", {})
    standin.events.clear()
    await standin.control("people", [{"id": PERSON, "name": "Ada"}])
    await standin.control("businesses", [{"id": "500", "name": "Chain", "people": [PERSON]}])
    pages = [
        {"id": "100", "name": "Own", "people": [PERSON], "ad_account": {"id": "act_1", "currency": "EUR"}},
        {"id": "200", "name": "Client", "business": "500", "relation": "client"},
    ]
    await standin.control("pages", pages)


async def a_connected_page(standin: Standin) -> PageCredentials:
    """The agency's own page after OAuth, with its webhooks subscribed."""
    await an_agency(standin)
    connector = standin.connector
    back = await standin.consent(connector.authorize_url(AuthorizeRequest("state-1", REDIRECT)), PERSON)
    grant = await connector.exchange_code(CodeExchange(back["code"][0], REDIRECT))
    page = next(
        found for found in await connector.list_pages(an_account(grant.access_token)) if found.external_id == "100"
    )
    credentials = PageCredentials(
        Channel.MESSENGER, page.external_id, page.page_token, grant.access_token, page.ad_account_id
    )
    await connector.subscribe(credentials)
    return credentials


async def a_customer_who_wrote(standin: Standin, psid: str = "7") -> None:
    """A customer whose messaging window is open."""
    await standin.control("customers", [{"page": "100", "psid": psid, "first_name": "Bo", "wrote_s_ago": 60}])


async def test_a_person_consents_and_every_page_is_found_once(standin: Standin) -> None:
    await an_agency(standin)
    connector = standin.connector

    back = await standin.consent(connector.authorize_url(AuthorizeRequest("state 1&x", REDIRECT)), PERSON)
    grant = await connector.exchange_code(CodeExchange(back["code"][0], REDIRECT))
    pages = await connector.list_pages(an_account(grant.access_token))

    assert back["state"] == ["state 1&x"]
    assert (grant.person_external_id, grant.person_name) == (PERSON, "Ada")
    assert "pages_messaging" in grant.scopes
    assert grant.expires_at is not None
    assert timedelta(days=59) < grant.expires_at - datetime.now(UTC) < timedelta(days=61)
    assert sorted((page.external_id, page.name) for page in pages) == [("100", "Own"), ("200", "Client")]
    assert next(page for page in pages if page.external_id == "100").ad_account_id == "act_1"


async def test_a_code_works_once_and_a_refusal_brings_none(standin: Standin) -> None:
    await an_agency(standin)
    address = standin.connector.authorize_url(AuthorizeRequest("s", REDIRECT))
    code = (await standin.consent(address, PERSON))["code"][0]
    await standin.connector.exchange_code(CodeExchange(code, REDIRECT))

    with pytest.raises(PlatformCallFailed) as refused:
        await standin.connector.exchange_code(CodeExchange(code, REDIRECT))
    back = await standin.consent(address, PERSON, action="refuse")

    assert refused.value.reason is FailureReason.AUTH
    assert back["error"] == ["access_denied"]


async def test_a_reply_comes_back_as_echo_delivery_and_read_and_stands_in_the_list(standin: Standin) -> None:
    page = await a_connected_page(standin)
    await a_customer_who_wrote(standin)
    before = datetime.now(UTC) - timedelta(seconds=2)

    outcome = await standin.connector.send(page, a_message("Grüße 😀"), 10)

    assert isinstance(outcome, Sent)
    [echo] = await standin.heard(MessageEchoed)
    [delivered] = await standin.heard(Delivered)
    [read] = await standin.heard(Read)
    assert isinstance(echo, MessageEchoed)
    assert (echo.person, echo.message_id, echo.text) == ("7", outcome.platform_message_id, "Grüße 😀")
    assert echo.reference == "sb1:ref:1"
    assert isinstance(delivered, Delivered)
    assert outcome.platform_message_id in delivered.message_ids
    assert isinstance(read, Read)
    assert read.watermark is not None
    assert read.watermark >= echo.occurred_at
    [listed] = (await standin.connector.list_messages(page, before)).messages
    assert (listed.platform_message_id, listed.text) == (outcome.platform_message_id, "Grüße 😀")
    assert (listed.from_external_id, listed.to_external_id) == ("100", "7")
    assert (await standin.connector.list_messages(page, datetime.now(UTC) + timedelta(hours=1))).messages == ()


async def test_a_message_of_the_customer_arrives(standin: Standin) -> None:
    await a_connected_page(standin)

    told = await standin.control("customers/100/8/message", {"text": "How much? ü😀"})

    [received] = await standin.heard(MessageReceived)
    assert isinstance(received, MessageReceived)
    assert (received.person, received.message_id, received.text) == ("8", told["mid"], "How much? ü😀")


async def test_the_handshake_of_the_stand_in_is_answered(standin: Standin) -> None:
    assert (await standin.control("app/subscribe", {}))["verified"] is True


async def test_a_campaign_is_created_sent_reported_and_paid(standin: Standin) -> None:
    page = await a_connected_page(standin)
    connector = standin.connector
    await standin.control("customers/100/7/optin", {"payload": "offers", "title": "Offers"})
    [opted_in] = await standin.heard(OptedIn)
    assert isinstance(opted_in, OptedIn)
    assert (opted_in.person, opted_in.topic_key) == ("7", "offers")

    campaign = await connector.create_campaign(page, "Black Friday")
    unspent = await connector.campaign_costs(page, campaign)
    message = a_message("50 % off", marketing_token=opted_in.marketing_token, platform_campaign_id=campaign)
    outcome = await connector.send(page, message, 10)
    again = await connector.send(page, message, 10)

    assert (unspent.delivered, unspent.spend_micros, unspent.currency) == (0, 0, "EUR")
    assert isinstance(outcome, Sent)
    assert isinstance(again, NotSent)
    assert (again.reason, again.retryable) == (FailureReason.RATE_LIMITED, False)
    [echoed] = await standin.heard(MarketingEchoed)
    assert isinstance(echoed, MarketingEchoed)
    assert (echoed.person, echoed.message_id, echoed.platform_campaign_id) == (
        "7",
        outcome.platform_message_id,
        campaign,
    )
    [delivered], [read] = await standin.heard(Delivered), await standin.heard(Read)
    assert isinstance(delivered, Delivered)
    assert isinstance(read, Read)
    assert outcome.platform_message_id in delivered.message_ids
    assert outcome.platform_message_id in read.message_ids
    costs = await connector.campaign_costs(page, campaign)
    assert (costs.delivered, costs.currency) == (1, "EUR")
    assert costs.spend_micros == 10_000


async def test_a_stopped_topic_and_a_block_are_told(standin: Standin) -> None:
    page = await a_connected_page(standin)
    campaign = await standin.connector.create_campaign(page, "Sale")
    for psid in ("7", "8"):
        await standin.control(f"customers/100/{psid}/optin", {"payload": "offers"})
    tokens = {
        event.person: event.marketing_token for event in await standin.heard(OptedIn, 2) if isinstance(event, OptedIn)
    }
    await standin.control("customers/100/7/stop", {})
    await standin.control("customers/100/8/block", {})

    [stopped] = await standin.heard(OptedOut)
    to_stopped, to_blocked = [
        await standin.connector.send(page, a_message(marketing_token=tokens[psid], platform_campaign_id=campaign), 10)
        for psid in ("7", "8")
    ]

    assert isinstance(stopped, OptedOut)
    assert stopped.person == "7"
    assert isinstance(to_stopped, NotSent)
    assert to_stopped.reason is FailureReason.OPTED_OUT
    assert isinstance(to_blocked, Sent)
    [failed] = await standin.heard(DeliveryFailed)
    assert isinstance(failed, DeliveryFailed)
    assert (failed.person, failed.message_id) == ("8", to_blocked.platform_message_id)


REFUSALS = [
    ("nobody we know", "unknown", None, FailureReason.BLOCKED_BY_CONTACT),
    ("window closed", "8", {"page": "100", "psid": "8", "wrote_s_ago": 90_000}, FailureReason.WINDOW_CLOSED),
]


@pytest.mark.parametrize(("_case", "psid", "customer", "reason"), REFUSALS, ids=[case[0] for case in REFUSALS])
async def test_the_stand_in_refuses_as_the_platform_does(
    standin: Standin, _case: str, psid: str, customer: dict[str, object] | None, reason: FailureReason
) -> None:
    page = await a_connected_page(standin)
    if customer is not None:
        await standin.control("customers", [customer])

    outcome = await standin.connector.send(page, a_message(recipient_external_id=psid), 10)

    assert isinstance(outcome, NotSent)
    assert outcome.reason is reason


async def test_a_human_agent_may_write_after_the_window(standin: Standin) -> None:
    page = await a_connected_page(standin)
    await standin.control("customers", [{"page": "100", "psid": "8", "wrote_s_ago": 90_000}])

    outcome = await standin.connector.send(page, a_message(recipient_external_id="8", human_agent=True), 10)

    assert isinstance(outcome, Sent)


async def test_a_block_an_expired_token_and_a_restriction_are_told_apart(standin: Standin) -> None:
    page = await a_connected_page(standin)
    await a_customer_who_wrote(standin)
    reasons = []
    for step in ("customers/100/7/block", "pages/100/restrict", "pages/100/expire_token"):
        await standin.control(step, {})
        outcome = await standin.connector.send(page, a_message(), 10)
        assert isinstance(outcome, NotSent)
        reasons.append(outcome.reason)

    assert reasons == [FailureReason.BLOCKED_BY_CONTACT, FailureReason.PAGE_RESTRICTED, FailureReason.AUTH]
    with pytest.raises(PlatformCallFailed) as failed:
        await standin.connector.list_messages(page, datetime.now(UTC))
    assert failed.value.reason is FailureReason.AUTH


FAULTS = [
    ("drop after accepting", {"action": "drop_after_accept"}, 1),
    ("drop before accepting", {"action": "drop_before_accept"}, 0),
    ("garbage", {"action": "garbage_200"}, 1),
    ("cut off", {"action": "truncated_json"}, 1),
    ("no id", {"action": "no_id_200"}, 1),
    ("redirect", {"action": "redirect"}, 0),
    ("huge", {"action": "huge_body"}, 1),
    ("one byte a second", {"action": "slow_body"}, 1),
    ("late", {"action": "late_after_accept", "delay_ms": 5_000}, 1),
    ("server error after accepting", {"action": "error", "status": 500, "accept": True, "body": "oops"}, 1),
    ("temporary, though accepted", {"action": "error", "code": 1200, "accept": True}, 1),
]


@pytest.mark.parametrize(("_case", "fault", "accepted"), FAULTS, ids=[case[0] for case in FAULTS])
async def test_no_fault_of_the_platform_is_taken_for_certainty(
    standin: Standin, _case: str, fault: dict[str, object], accepted: int
) -> None:
    page = await a_connected_page(standin)
    await a_customer_who_wrote(standin)
    await standin.control("faults", {"seed": 1, "rules": [{"match": {"op": "send"}, **fault}]}, "PUT")

    outcome = await standin.connector.send(page, a_message(), 1.5)

    await standin.control("faults", method="DELETE")
    assert isinstance(outcome, Unknown)
    ledger = await standin.control("ledger/summary?page=100", method="GET")
    assert ledger["accepted"] == accepted


async def test_a_throttled_send_waits_as_long_as_it_is_told(standin: Standin) -> None:
    page = await a_connected_page(standin)
    await a_customer_who_wrote(standin)
    rule = {"match": {"op": "send"}, "action": "error", "code": 80006, "retry_after": "17"}
    await standin.control("faults", {"seed": 1, "rules": [rule]}, "PUT")

    outcome = await standin.connector.send(page, a_message(), 5)

    await standin.control("faults", method="DELETE")
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.RATE_LIMITED, True)
    assert outcome.retry_after_s is not None
    assert outcome.retry_after_s >= 17
