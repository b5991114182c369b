"""Replies and members' messages: what leaves, what an answer proves, and whose allowance a 429 is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.port import (
    Act,
    FailureReason,
    NotSent,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    QuotaScope,
    Sent,
    Unknown,
)
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.linkedin import LinkedInRig
from tests.platforms.linkedin.conftest import Wired, a_page
from tests.platforms.linkedin.factory import ACTIVITY, COMMENT, PERSON, a_connector
from tests.platforms.wire import Exchange, Script
from tests.standin_server import Platform


def a_reply(text: str = "Thank you", comment: str | None = COMMENT) -> OutgoingMessage:
    """A public reply."""
    return OutgoingMessage(PERSON, text, "ref", OutgoingKind.COMMENT_REPLY, comment_id=comment)


def a_message(**more: object) -> OutgoingMessage:
    """A member's message that a person wrote."""
    return replace(OutgoingMessage(PERSON, "Good morning", "ref", human_agent=True), **more)  # type: ignore[arg-type]


def answers(status: int, body: object, **headers: str) -> Script:
    """A script that answers every call alike."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body, **headers)

    return script


def flat(message: str, status: int = 429) -> dict[str, object]:
    """LinkedIn's error body."""
    return {"message": message, "serviceErrorCode": 101, "status": status, "code": "TOO_MANY_REQUESTS"}


async def test_a_reply_carries_what_is_documented_under_encoded_names(wired: Wired) -> None:
    connector, wire = await wired(answers(201, {}, **{"x_restli_id": "7094977717598625999"}))

    outcome = await connector.send(a_page(), a_reply(comment=COMMENT.replace("urn:li:activity", "activity")), 5)

    assert outcome == Sent(f"urn:li:comment:({ACTIVITY},7094977717598625999)", PERSON)
    [exchange] = wire.seen
    encoded = COMMENT.replace(":", "%3A").replace("(", "%28").replace(",", "%2C").replace(")", "%29")
    assert exchange.head.startswith(f"POST /rest/socialActions/{encoded}/comments HTTP/1.1")
    assert exchange.json == {
        "actor": "urn:li:organization:7",
        "object": ACTIVITY,
        "message": {"text": "Thank you"},
        "parentComment": COMMENT,
    }
    assert exchange.header("authorization") == "Bearer a-token"
    assert exchange.header("linkedin-version") == "202607"
    assert exchange.header("x-restli-protocol-version") == "2.0.0"


async def test_a_post_that_mentions_us_is_commented_on_itself(wired: Wired) -> None:
    share = "urn:li:share:7094999999999999990"
    connector, wire = await wired(answers(201, {"object": ACTIVITY}, **{"x_restli_id": "7"}))

    outcome = await connector.send(a_page(), a_reply(comment=share), 5)

    assert outcome == Sent(f"urn:li:comment:({ACTIVITY},7)", PERSON)
    [exchange] = wire.seen
    assert exchange.path == "/rest/socialActions/urn%3Ali%3Ashare%3A7094999999999999990/comments"
    assert exchange.json == {
        "actor": "urn:li:organization:7",
        "object": share,
        "message": {"text": "Thank you"},
    }


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x_restli_id": COMMENT}, {}),
        ({"x_restli_id": COMMENT.replace("urn:li:activity", "activity")}, {}),
        ({}, {"$URN": COMMENT, "id": "7"}),
        ({}, {"commentUrn": COMMENT}),
        ({}, {"id": 7094977717598625792}),
    ],
)
async def test_the_new_comment_is_named_wherever_the_answer_names_it(
    wired: Wired, headers: dict[str, str], body: object
) -> None:
    connector, _ = await wired(answers(201, body, **headers))

    assert await connector.send(a_page(), a_reply(), 5) == Sent(COMMENT, PERSON)


@pytest.mark.parametrize("status", [200, 201, 302, 409, 410, 500, 503])
async def test_what_proves_nothing_is_unknown(wired: Wired, status: int) -> None:
    connector, _ = await wired(answers(status, {} if status < 300 else flat("x", status)))

    assert isinstance(await connector.send(a_page(), a_reply(), 5), Unknown)


def midnight() -> datetime:
    """When the daily allowances begin anew."""
    return (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    ("words", "headers", "wait_s", "scope"),
    [
        ("Resource level throttle MEMBER DAY limit is reached.", {}, None, QuotaScope.PAGE),
        ("Resource level throttle APPLICATION DAY limit is reached.", {}, None, QuotaScope.APP),
        ("Resource level throttle APPLICATION_AND_MEMBER DAY limit is reached.", {}, None, QuotaScope.PAGE),
        ("Too many requests", {}, None, QuotaScope.PAGE),
        ("Too many comments within one minute", {}, 60.0, QuotaScope.PAGE),
        ("Too many requests", {"retry_after": "17"}, 17.0, QuotaScope.PAGE),
        ("Too many requests", {"retry_after": "soon"}, None, QuotaScope.PAGE),
    ],
)
async def test_a_429_waits_until_midnight_unless_the_answer_knows_better(
    wired: Wired, words: str, headers: dict[str, str], wait_s: float | None, scope: QuotaScope
) -> None:
    connector, _ = await wired(answers(429, flat(words), **headers))

    outcome = await connector.send(a_page(), a_reply(), 5)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable, outcome.scope) == (FailureReason.RATE_LIMITED, True, scope)
    expected = wait_s if wait_s is not None else (midnight() - datetime.now(UTC)).total_seconds()
    assert outcome.retry_after_s is not None
    assert abs(outcome.retry_after_s - expected) < 30
    [usage] = outcome.usage
    assert (usage.scope, usage.act, usage.remaining) == (scope, Act.COMMENT_REPLY, 0)


async def test_nothing_that_looks_secret_is_told_on(wired: Wired) -> None:
    token = "AQV" + "x" * 60
    connector, _ = await wired(answers(400, flat(f"bad token {token}\nnext", 400)))

    outcome = await connector.send(a_page(), a_reply(), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.detail == "HTTP 400 (101): bad token … next"


@pytest.mark.parametrize("comment", [None, "", "no urn", "7"])
async def test_a_reply_to_no_comment_is_refused_before_anything_leaves(wired: Wired, comment: str | None) -> None:
    connector, wire = await wired(answers(201, {}))

    outcome = await connector.send(a_page(), a_reply(comment=comment), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.reason is FailureReason.BAD_CONTENT
    assert wire.seen == []


async def test_organisations_have_no_inbox_and_a_member_message_needs_a_partner_and_a_person(wired: Wired) -> None:
    connector, wire = await wired(answers(201, {}))
    partner = a_connector("", LINKEDIN_API_URL=wire.url, LINKEDIN_PARTNER="true")

    outcomes = [
        await connector.send(a_page(), a_message(), 5),
        await partner.send(a_page(), a_message(human_agent=False), 5),
        await partner.send(a_page(), a_message(kind=OutgoingKind.PRIVATE_REPLY), 5),
    ]

    await partner.aclose()
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, NotSent)] == [FailureReason.POLICY] * 3
    assert wire.seen == []


async def test_a_partners_member_messages_go_to_a_person_or_into_a_thread(
    platform: Platform, page: PageCredentials, standin_url: str
) -> None:
    partner = a_connector(standin_url, LINKEDIN_PARTNER="true")
    person = f"urn:li:person:{an_id()}"
    await platform.control("linkedin/people", {"id": person, "name": "Grace"})

    first = await partner.send(page, a_message(recipient_external_id=person), 5)
    [message] = [one for one in await platform.ledger(page.account_external_id or "") if one["person"] == person]
    thread = f"urn:li:messagingThread:{str(message['mid']).rpartition(':')[2]}"
    second = await partner.send(page, a_message(recipient_external_id=person, thread_external_id=thread), 5)
    nobody = await partner.send(page, a_message(recipient_external_id="urn:li:person:nobody"), 5)

    await partner.aclose()
    assert isinstance(first, Sent)
    assert isinstance(second, Sent)
    assert isinstance(nobody, NotSent)
    assert nobody.reason is FailureReason.BLOCKED_BY_CONTACT


async def test_a_reply_stands_below_its_comment_and_comes_back_as_our_own(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    rig, person = LinkedInRig(), f"urn:li:person:{an_id()}"
    comment = await rig.says(platform, page, person, "How much is it?")
    since = datetime.now(UTC) - timedelta(minutes=1)

    outcome = await connector.send(page, rig.message(page, person, "Two francs."), 5)

    assert isinstance(outcome, Sent)
    shown = await platform.control(f"linkedin/organizations/{page.page_external_id}", method="GET")
    [reply] = [one for one in shown["comments"] if one["id"] == outcome.platform_message_id]
    assert (reply["actor"], reply["parent"], reply["text"]) == (page.page_external_id, comment, "Two francs.")
    listing = await connector.list_messages(page, since)
    [listed] = [one for one in listing.messages if one.platform_message_id == outcome.platform_message_id]
    assert (listed.from_external_id, listed.to_external_id) == (page.page_external_id, person)
    assert not listing.is_complete


async def test_the_allowances_of_the_first_tier_end_until_midnight(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    rig, person = LinkedInRig(), f"urn:li:person:{an_id()}"
    await rig.says(platform, page, person, "Hello")
    await platform.control("linkedin/app", {"member_day": 2})

    outcomes = [await connector.send(page, rig.message(page, person, f"Text {number}"), 5) for number in range(3)]

    assert [type(outcome) for outcome in outcomes] == [Sent, Sent, NotSent]
    refused = outcomes[-1]
    assert isinstance(refused, NotSent)
    assert (refused.reason, refused.scope) == (FailureReason.RATE_LIMITED, QuotaScope.PAGE)
    assert len(await platform.ledger(page.page_external_id)) == 2


async def test_comments_are_throttled_by_the_minute(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    rig, person = LinkedInRig(), f"urn:li:person:{an_id()}"
    await rig.says(platform, page, person, "Hello")
    await platform.control("linkedin/app", {"comments_per_minute": 1})

    outcomes = [await connector.send(page, rig.message(page, person, f"Text {number}"), 5) for number in range(2)]

    refused = outcomes[-1]
    assert isinstance(refused, NotSent)
    assert (refused.reason, refused.retry_after_s) == (FailureReason.RATE_LIMITED, 60.0)


async def test_a_comment_that_is_gone_is_no_reason_to_write_to_its_author_no_more(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    rig, person = LinkedInRig(), f"urn:li:person:{an_id()}"
    comment = await rig.says(platform, page, person, "Hello")
    await platform.control(f"linkedin/people/{person}/delete", {"comment": comment})

    outcome = await connector.send(page, rig.message(page, person, "Hello"), 5)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.BAD_CONTENT, False)
