"""The connector over the stand-in: sends, lists, names and deletes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import (
    FailureReason,
    NotSent,
    ParticipantsChanged,
    PlatformCallFailed,
    Profile,
    QuotaScope,
    Sent,
    Unknown,
)
from server.platforms.x.connector import XConnector
from tests.platforms.x.factory import an_id
from tests.platforms.x.scenes import a_person, a_scene, hello
from tests.standin_server import Platform


async def test_a_message_is_taken_once_and_named(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)

    outcome = await connector.send(page, hello(person), 5)

    assert isinstance(outcome, Sent)
    [entry] = await platform.ledger(page.page_external_id)
    assert (entry["mid"], entry["person"], entry["text"]) == (outcome.platform_message_id, person, "Hello")
    assert (entry["platform"], entry["reference"]) == ("x", f"text:{person}:Hello")
    assert set((outcome.thread_external_id or "").split("-")) == {page.page_external_id, person}
    [usage] = [one for one in outcome.usage if one.scope is QuotaScope.PAGE]
    assert usage.remaining == 14


async def test_the_sixteenth_message_within_fifteen_minutes_waits_for_the_window(
    platform: Platform, connector: XConnector
) -> None:
    page, person = await a_scene(platform)
    other, somebody = await a_scene(platform)

    outcomes = [await connector.send(page, hello(person, f"n {n}"), 5) for n in range(16)]

    assert all(isinstance(one, Sent) for one in outcomes[:15])
    refused = outcomes[15]
    assert isinstance(refused, NotSent)
    assert (refused.reason, refused.retryable, refused.scope) == (FailureReason.RATE_LIMITED, True, QuotaScope.PAGE)
    assert refused.retry_after_s == pytest.approx(900, abs=10)
    assert isinstance(await connector.send(other, hello(somebody), 5), Sent)
    await platform.control("clock", {"offset_s": 901})
    assert isinstance(await connector.send(page, hello(person, "later"), 5), Sent)


async def test_the_days_allowance_of_the_app_is_told_as_the_apps(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)
    settings = await platform.control("x/app", method="GET")
    await platform.control("x/app", {"app_day_limit": 1})
    await platform.control("clock", {"offset_s": 200_000})  # a fresh day of the app

    first, second = [await connector.send(page, hello(person, f"day {n}"), 5) for n in range(2)]

    await platform.control("x/app", {"app_day_limit": settings["app_day_limit"]})
    assert isinstance(first, Sent)
    assert isinstance(second, NotSent)
    assert (second.reason, second.scope) == (FailureReason.RATE_LIMITED, QuotaScope.APP)
    assert second.retry_after_s is not None
    assert second.retry_after_s > 80_000


REFUSING = [
    ("closed", {"receives_your_dm": False}, FailureReason.PRIVACY_BLOCKED),
    ("does not follow", {"follows": False}, FailureReason.NOT_CONNECTED),
]


@pytest.mark.parametrize("is_legacy", [False, True], ids=["problem", "errors"])
@pytest.mark.parametrize(("_case", "person", "reason"), REFUSING, ids=[case[0] for case in REFUSING])
async def test_who_takes_no_messages_is_told_apart(
    platform: Platform,
    connector: XConnector,
    _case: str,
    person: dict[str, object],
    reason: FailureReason,
    is_legacy: bool,
) -> None:
    page, _ = await a_scene(platform)
    closed = await a_person(platform, page.page_external_id, **person)
    await platform.control("x/app", {"legacy_errors": is_legacy})

    outcome = await connector.send(page, hello(closed), 5)

    await platform.control("x/app", {"legacy_errors": False})
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (reason, False)
    assert await platform.ledger(page.page_external_id) == []


async def test_the_same_words_twice_are_a_duplicate(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)

    first, second = [await connector.send(page, hello(person), 5) for _ in range(2)]

    assert isinstance(first, Sent)
    assert isinstance(second, NotSent)
    assert second.reason is FailureReason.BAD_CONTENT
    assert len(await platform.ledger(page.page_external_id)) == 1


@pytest.mark.parametrize(
    "action", ["drop_after_accept", "garbage_200", "truncated_json", "no_id_200", "late_after_accept"]
)
async def test_an_accepted_message_without_an_answer_is_unknown_and_the_list_tells(
    platform: Platform, connector: XConnector, action: str
) -> None:
    page, person = await a_scene(platform)
    since = datetime.now(UTC)
    rule = {"match": {"op": "send", "page": page.page_external_id}, "action": action, "times": 1, "delay_ms": 900}
    await platform.control("faults", {"rules": [rule]}, method="PUT")

    outcome = await connector.send(page, hello(person), 0.5)

    assert isinstance(outcome, Unknown)
    listing = await connector.list_messages(page, since)
    [entry] = await platform.ledger(page.page_external_id)
    assert [one.platform_message_id for one in listing.messages] == [entry["mid"]]
    assert listing.is_complete


async def test_lists_are_read_in_pages_both_ways_and_name_who_wrote(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)
    account = page.page_external_id
    for n in range(150):
        await platform.control(f"x/customers/{account}/{person}/message?silent=1", {"text": f"in {n}"})
    await connector.send(page, hello(person, "out"), 5)

    listing = await connector.list_messages(page, datetime.now(UTC) - timedelta(hours=1))

    assert listing.is_complete
    assert len(listing.messages) == len({one.platform_message_id for one in listing.messages}) == 151
    newest = listing.messages[0]
    assert (newest.from_external_id, newest.to_external_id, newest.text) == (account, person, "out")
    assert {(one.from_external_id, one.to_external_id) for one in listing.messages[1:]} == {(person, account)}
    assert (await platform.control("calls", method="GET"))["by_op"]["x:list"]["200"] >= 2


async def test_a_list_that_hits_its_allowance_says_that_it_is_not_whole(
    platform: Platform, connector: XConnector
) -> None:
    page, person = await a_scene(platform)
    for n in range(120):
        await platform.control(f"x/customers/{page.page_external_id}/{person}/message?silent=1", {"text": f"in {n}"})
    since = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(14):
        await connector.list_messages(page, datetime.now(UTC) + timedelta(minutes=5))

    listing = await connector.list_messages(page, since)

    assert (len(listing.messages), listing.is_complete) == (100, False)
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.list_messages(page, since)
    assert (refused.value.reason, refused.value.retryable) == (FailureReason.RATE_LIMITED, True)
    assert refused.value.retry_after_s == pytest.approx(900, abs=20)


async def test_thirty_days_back_is_as_far_as_a_list_reaches(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)
    old_ms = round((datetime.now(UTC) - timedelta(days=31)).timestamp() * 1000)
    old = {"text": "old", "timestamp": old_ms}
    await platform.control(f"x/customers/{page.page_external_id}/{person}/message?silent=1", old)
    await platform.control(f"x/customers/{page.page_external_id}/{person}/message?silent=1", {"text": "new"})

    reaching = await connector.list_messages(page, datetime.now(UTC) - timedelta(days=29))
    beyond = await connector.list_messages(page, datetime.now(UTC) - timedelta(days=32))

    assert ([one.text for one in reaching.messages], reaching.is_complete) == (["new"], True)
    assert ([one.text for one in beyond.messages], beyond.is_complete) == (["new"], False)


async def test_a_backfill_tells_who_came_into_a_group_and_left_it_and_the_list_of_messages_does_not(
    platform: Platform, connector: XConnector
) -> None:
    page, person = await a_scene(platform)
    where = f"x/customers/{page.page_external_id}/{person}"
    other = await a_person(platform, page.page_external_id)
    made = await platform.control(f"{where}/message?silent=1", {"text": "all", "group": [other]})
    for body in ({"left": True}, {}):
        await platform.control(f"{where}/move", {"conversation": made["conversation"], **body})
    since = datetime.now(UTC) - timedelta(minutes=5)

    filled, listed = await connector.backfill(page, since), await connector.list_messages(page, since)

    told = [
        event
        for raw in filled.events
        for event in connector.parse(raw.kind, raw.page_external_id, dict(raw.payload))
        if isinstance(event, ParticipantsChanged)
    ]
    assert {raw.mailbox for raw in filled.events} == {made["conversation"]}
    assert [(one.person, one.participants, one.is_joined) for one in told] == [
        (made["conversation"], (person,), False),
        (made["conversation"], (person,), True),
    ]
    assert [one.platform_message_id for one in listed.messages] == [made["id"]]


async def test_a_message_is_deleted_for_the_account_alone(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)
    sent = await connector.send(page, hello(person), 5)
    assert isinstance(sent, Sent)

    await connector.unsend(page, sent.platform_message_id)
    await connector.unsend(page, sent.platform_message_id)

    assert (await connector.list_messages(page, datetime.now(UTC) - timedelta(hours=1))).messages == ()
    shown = await platform.control(f"x/customers/{page.page_external_id}/{person}", method="GET")
    assert [(one["text"], one["hidden"]) for one in shown["messages"]] == [("Hello", [page.page_external_id])]


async def test_what_a_person_wrote_cannot_be_deleted(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)
    said = await platform.control(f"x/customers/{page.page_external_id}/{person}/message?silent=1", {"text": "hi"})

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.unsend(page, said["id"])

    assert refused.value.reason is FailureReason.PERMISSION


async def test_a_name_is_read_and_of_nobody_there_is_none(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)

    assert await connector.read_profile(page, person) == Profile("Grace", None)
    assert await connector.read_profile(page, an_id()) is None
    assert await connector.read_profile(page, "a-group") is None


async def test_many_sends_at_once_are_each_taken_once(platform: Platform, connector: XConnector) -> None:
    page, person = await a_scene(platform)

    outcomes = await asyncio.gather(*(connector.send(page, hello(person, f"n {n}"), 10) for n in range(12)))

    assert all(isinstance(one, Sent) for one in outcomes)
    assert len(await platform.ledger(page.page_external_id)) == 12
