"""Webhook bodies that others published, read as their index says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from server.platforms.port import (
    Attachment,
    CommentChanged,
    Delivered,
    MessageEchoed,
    MessageReceived,
    Read,
    ReviewChanged,
)
from tests.platforms.items import ms, read

Published = Callable[[str], bytes]
PERSON = "987654321432"
PAGE = "12345654332"


def test_a_text_message_is_read_with_its_ids_as_strings(published: Published) -> None:
    [(raw, event)] = read(published("message-text"))

    mid = "mid.1457764197618:41d102a3e1ae206a38"
    assert (raw.kind, raw.page_external_id, raw.external_id, raw.mailbox) == ("message", PAGE, mid, PERSON)
    assert raw.occurred_at == ms(1457764197627)
    assert event == MessageReceived(PERSON, mid, "hello, world!", (), ms(1457764197627))


def test_an_image_is_read_as_an_attachment_without_text(published: Published) -> None:
    [(_, event)] = read(published("message-image"))

    assert isinstance(event, MessageReceived)
    assert event.text is None
    assert event.attachments == (Attachment("image", "IMAGE_URL"),)


def test_the_direction_of_an_echo_comes_from_the_mark_and_not_from_the_order_of_the_parties(
    published: Published,
) -> None:
    [(raw, event)] = read(published("message-echo"))

    assert (raw.kind, raw.mailbox) == ("echo", PERSON)
    assert isinstance(event, MessageEchoed)
    assert event.person == PERSON
    assert (event.app_id, event.reference) == ("1517776481860111", "DEVELOPER_DEFINED_METADATA_STRING")


def test_a_delivery_without_a_time_takes_its_watermark(published: Published) -> None:
    [(raw, event)] = read(published("delivery"))

    assert raw.occurred_at == ms(1458668856253)
    assert event == Delivered(PERSON, ("mid.1458668856218:ed81099e15d3f4f233",), ms(1458668856253))


def test_a_read_receipt_is_a_watermark(published: Published) -> None:
    [(raw, event)] = read(published("read"))

    assert raw.occurred_at == ms(1458668856463)
    assert event == Read(PERSON, (), ms(1458668856253))


def test_a_recommendation_is_read(published: Published) -> None:
    [(raw, event)] = read(published("rating-added"))

    assert (raw.page_external_id, raw.mailbox) == ("1234567890321", "review:904801129604590")
    at = datetime.fromtimestamp(1537369512, UTC)
    assert event == ReviewChanged(
        "904801129604590", "add", "705955836155788", "Tester", 3, "POSITIVE", "Ja ziemlich coole Sache", at
    )


def test_five_comments_of_one_body_are_read_in_order_and_the_page_knows_its_own(published: Published) -> None:
    found = read(published("feed-comments-batch"))

    events = [event for _, event in found if isinstance(event, CommentChanged)]
    assert [(event.comment_id, event.verb, event.is_own) for event in events] == [
        ("c_1001", "add", False),
        ("c_1002", "add", False),
        ("c_1001", "edited", False),
        ("c_1002", "remove", False),
        ("c_1003", "add", True),
    ]
    assert [event.text for event in events] == [
        "How much is shipping?",
        "Reply to c_1001",
        "Edited text",
        None,
        "Our reply",
    ]
    assert events[1].parent_id == "c_1001"
    assert {raw.mailbox for raw, _ in found} == {"post:post_1"}
    assert len({(raw.kind, raw.external_id) for raw, _ in found}) == 5
