"""The connector and the stand-in, which know nothing of each other but platforms.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import (
    Attachment,
    Button,
    FailureReason,
    MediaFile,
    MediaKind,
    MessageReceived,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    PlatformCallFailed,
    Reacted,
    Sent,
    Signal,
    SignalKind,
)
from server.platforms.tiktok.connector import TikTokConnector
from tests.platforms.tiktok.conftest import Plan
from tests.platforms.tiktok.factory import a_message, a_person, an_account, an_id, does
from tests.standin_server import Platform

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f6"
    "45400000000049454e44ae426082"
)
HOUR = 3_600


def a_picture(content: bytes = PNG, mime: str = "image/png") -> MediaFile:
    """A picture on its way."""
    return MediaFile(MediaKind.IMAGE, mime, "dot.png", content, "http://127.0.0.1:9/media/x")


async def test_a_text_a_card_and_a_picture_arrive_as_one_entry_each(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    person = an_id("+ZM/")
    thread = await a_person(platform, page, person)
    uploaded = await connector.upload_media(page, a_picture())
    base = a_message("", thread_external_id=thread, recipient_external_id=person)
    picture = (OutgoingMedia(MediaKind.IMAGE, uploaded.platform_media_id),)

    outcomes = [
        await connector.send(page, replace(base, text="Grüße"), 5),
        await connector.send(page, replace(base, text="Which day?", buttons=(Button("Monday", "1"),)), 5),
        await connector.send(page, replace(base, media=picture), 5),
    ]

    entries = await platform.ledger(page.page_external_id)
    assert [entry["mid"] for entry in entries] == [
        outcome.platform_message_id for outcome in outcomes if isinstance(outcome, Sent)
    ]
    assert [(entry["text"], entry["messaging_type"], entry["person"]) for entry in entries] == [
        ("Grüße", "text", person),
        ("Which day?", "template", person),
        (None, "image", person),
    ]
    assert uploaded.expires_at is not None
    assert abs(uploaded.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


async def test_after_ten_messages_or_two_days_the_window_is_closed_until_the_person_writes(
    connector: TikTokConnector, platform: Platform
) -> None:
    await platform.control("tiktok/app", {"rate_per_s": 0})
    page, _ = await an_account(platform)
    person, quiet = an_id("+ZM/"), an_id("+ZN/")
    thread = await a_person(platform, page, person, wrote_s_ago=47 * HOUR)
    late = await a_person(platform, page, quiet, wrote_s_ago=49 * HOUR)

    outcomes = [await connector.send(page, a_message(f"{n}", thread_external_id=thread), 5) for n in range(11)]
    too_late = await connector.send(page, a_message("late", thread_external_id=late), 5)
    await does(platform, page, person, "message", text="More?")
    again = await connector.send(page, a_message("again", thread_external_id=thread), 5)
    await platform.control("tiktok/app", {"rate_per_s": 10})

    assert [type(outcome) for outcome in outcomes] == [Sent] * 10 + [NotSent]
    for refused in (outcomes[-1], too_late):
        assert isinstance(refused, NotSent)
        assert (refused.reason, refused.retryable) == (FailureReason.WINDOW_CLOSED, False)
    assert isinstance(again, Sent)


async def test_the_eleventh_call_of_a_second_is_throttled_and_costs_nothing(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    await platform.control("tiktok/app", {"rate_per_s": 3})
    threads = [await a_person(platform, page, an_id("+ZM/")) for _ in range(5)]
    try:
        outcomes = [await connector.send(page, a_message("x", thread_external_id=one), 5) for one in threads]
    finally:
        await platform.control("tiktok/app", {"rate_per_s": 10})

    throttled = [outcome for outcome in outcomes if isinstance(outcome, NotSent)]
    assert [outcome.reason for outcome in throttled] == [FailureReason.RATE_LIMITED] * 2
    assert len(await platform.ledger(page.page_external_id)) == 3


async def test_where_pictures_are_switched_off_they_are_refused_with_a_sentence_and_asked_for_once(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform, images=False)
    thread = await a_person(platform, page, an_id("+ZM/"))
    before = (await platform.control("calls", method="GET"))["by_op"].get("tiktok:media", {}).get("0", 0)

    refusals = []
    for _ in range(2):
        with pytest.raises(PlatformCallFailed) as refused:
            await connector.upload_media(page, a_picture())
        refusals.append(refused.value)
    media = (OutgoingMedia(MediaKind.IMAGE, "m1"),)
    outcome = await connector.send(page, a_message("", thread_external_id=thread, media=media), 5)

    assert {(one.reason, one.retryable) for one in refusals} == {(FailureReason.BAD_CONTENT, False)}
    assert "pictures" in refusals[0].detail
    assert isinstance(outcome, NotSent)
    assert outcome.reason is FailureReason.BAD_CONTENT
    after = (await platform.control("calls", method="GET"))["by_op"]["tiktok:media"]["0"]
    assert after - before == 2


@pytest.mark.parametrize(
    "media",
    [
        a_picture(mime="image/gif"),
        a_picture(b""),
        a_picture(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000)),
        replace(a_picture(), kind=MediaKind.VIDEO, mime_type="video/mp4"),
    ],
    ids=["gif", "empty", "too large", "video"],
)
async def test_what_is_no_picture_of_three_megabytes_is_not_even_offered(
    connector: TikTokConnector, platform: Platform, media: MediaFile
) -> None:
    page, _ = await an_account(platform)
    before = await platform.control("calls", method="GET")

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.upload_media(page, media)

    assert (refused.value.reason, refused.value.retryable) == (FailureReason.BAD_CONTENT, False)
    after = await platform.control("calls", method="GET")
    assert after["by_op"].get("tiktok:upload") == before["by_op"].get("tiktok:upload")


async def test_a_picture_that_only_says_it_is_one_is_refused_by_the_platform(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.upload_media(page, a_picture(b"GIF89a"))

    assert refused.value.reason is FailureReason.BAD_CONTENT
    assert refused.value.detail.startswith("40908")


@pytest.mark.parametrize(("deed", "kind"), [("image", "image"), ("video", "video")])
async def test_what_a_person_sent_is_fetched_with_the_token(
    connector: TikTokConnector, platform: Platform, deed: str, kind: str
) -> None:
    page, _ = await an_account(platform)
    sent = await does(platform, page, an_id("+ZM/"), deed)
    attachment = Attachment(kind, None, media_id=sent["media_id"])

    source = await connector.media_source(page, sent["message_id"], sent["conversation_id"], attachment)

    assert source is not None
    assert page.page_token not in repr(source)
    fetched = await platform.http.get(source.url, headers=dict(source.headers))
    assert fetched.content.startswith(b"\x89PNG")
    assert (await platform.http.get(source.url)).status_code == 403


async def test_what_has_an_address_of_its_own_is_fetched_there_and_without_a_conversation_nothing_is(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)

    sticker = await connector.media_source(page, "m", None, Attachment("sticker", "https://s.example/1"))
    nothing = await connector.media_source(page, "m", None, Attachment("image", None, media_id="m1"))
    empty = await connector.media_source(page, "m", "t", Attachment("unknown", None))

    assert sticker is not None
    assert (sticker.url, dict(sticker.headers)) == ("https://s.example/1", {})
    assert (nothing, empty) == (None, None)


async def test_media_of_another_message_is_not_given_out(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    sent = await does(platform, page, an_id("+ZM/"), "image")
    other = await does(platform, page, an_id("+ZM/"), "image")

    attachment = Attachment("image", None, media_id=other["media_id"])
    source = await connector.media_source(page, sent["message_id"], sent["conversation_id"], attachment)

    assert source is None


async def test_a_comment_is_answered_in_private_once(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    person = an_id("+ZM/")
    comment = (await does(platform, page, person, "intent", text="How much?"))["comment_id"]
    reply = a_message("Two francs", kind=OutgoingKind.PRIVATE_REPLY, comment_id=comment, thread_external_id=None)

    first = await connector.send(page, reply, 5)
    again = await connector.send(page, replace(reply, text="Really"), 5)
    nowhere = await connector.send(page, replace(reply, comment_id="1"), 5)

    assert isinstance(first, Sent)
    assert isinstance(again, NotSent)
    assert isinstance(nowhere, NotSent)
    assert (again.reason, nowhere.reason) == (FailureReason.WINDOW_CLOSED, FailureReason.BLOCKED_BY_CONTACT)
    [entry] = await platform.ledger(page.page_external_id)
    assert entry["person"] == person


async def test_signals_are_taken_and_are_no_messages(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    person = an_id("+ZM/")
    thread = await a_person(platform, page, person)

    for kind in SignalKind:
        await connector.signal(page, Signal(person, kind, thread))

    assert await platform.ledger(page.page_external_id) == []


async def test_a_list_that_holds_only_the_newest_twenty_says_that_it_is_not_whole(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    person, now = an_id("+ZM/"), datetime.now(UTC).replace(microsecond=0)
    begin = int(now.timestamp() * 1000) - 60_000
    for number in range(25):
        await does(platform, page, person, "message", text=f"{number}", timestamp=begin + number * 1_000)

    whole = await connector.list_messages(page, now - timedelta(seconds=50))
    cut = await connector.list_messages(page, now - timedelta(hours=1))
    ancient = await connector.list_messages(page, now - timedelta(days=91))

    assert whole.is_complete
    assert sorted(int(message.text or "") for message in whole.messages) == list(range(10, 25))
    assert (cut.is_complete, len(cut.messages)) == (False, 20)
    assert not ancient.is_complete


async def test_a_list_of_many_conversations_keeps_below_the_throttle(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    for number in range(14):
        await does(platform, page, an_id(f"+Z{number}/"), "message", text=f"{number}")

    listing = await connector.list_messages(page, datetime.now(UTC) - timedelta(minutes=5))

    assert listing.is_complete
    assert sorted(int(message.text or "") for message in listing.messages) == list(range(14))


async def test_a_backfill_tells_strangers_apart_and_brings_reactions(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    known, stranger = an_id("+ZM/"), an_id("+ZN/")
    thread = await a_person(platform, page, known)
    answer = await connector.send(page, a_message("Hello", thread_external_id=thread), 5)
    assert isinstance(answer, Sent)
    await does(platform, page, known, "react", mid=answer.platform_message_id, emoji="👍")
    await does(platform, page, stranger, "sticker")

    filled = await connector.backfill(page, datetime.now(UTC) - timedelta(minutes=5))

    events = [event for raw in filled.events for event in connector.parse(raw.kind, raw.page_external_id, raw.payload)]
    received = {event.person: event for event in events if isinstance(event, MessageReceived)}
    [reacted] = [event for event in events if isinstance(event, Reacted)]
    assert (received[known].is_request, received[stranger].is_request) == (False, True)
    assert received[stranger].attachments[0].kind == "sticker"
    assert (reacted.person, reacted.message_id, reacted.emoji) == (known, answer.platform_message_id, "👍")
    assert filled.is_complete


async def test_an_unknown_answer_leaves_the_message_in_the_list(
    connector: TikTokConnector, platform: Platform, plan: Plan
) -> None:
    page, _ = await an_account(platform)
    thread = await a_person(platform, page, an_id("+ZM/"))
    await plan(match={"op": "send", "page": page.page_external_id}, action="error", code=51065, accept=True)

    outcome = await connector.send(page, a_message("Did it leave?", thread_external_id=thread), 5)
    listing = await connector.list_messages(page, datetime.now(UTC) - timedelta(minutes=5))

    assert not isinstance(outcome, Sent | NotSent)
    assert [message.text for message in listing.messages if message.from_external_id == page.page_external_id] == [
        "Did it leave?"
    ]


async def test_a_picture_reaches_a_person_whom_nobody_answered_yet_and_one_whom_somebody_did(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    uploaded = await connector.upload_media(page, a_picture())
    media = (OutgoingMedia(MediaKind.IMAGE, uploaded.platform_media_id),)
    stranger, known = [await a_person(platform, page, an_id(f"+Z{number}/")) for number in range(2)]
    await connector.send(page, a_message("Hello", thread_external_id=known), 5)

    outcomes = [
        await connector.send(page, a_message("", thread_external_id=one, media=media), 5) for one in (stranger, known)
    ]

    assert [type(outcome) for outcome in outcomes] == [Sent, Sent]
