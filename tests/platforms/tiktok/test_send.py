"""What leaves for each kind of message, and what is refused before anything does (platforms.md 6.2 and 6.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from server.platforms.port import (
    Button,
    FailureReason,
    MediaKind,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    PlatformCallFailed,
    QuickReply,
    Sent,
    Signal,
    SignalKind,
)
from server.platforms.tiktok.connector import TikTokConnector
from tests.platforms.tiktok.factory import ACCOUNT, PERSON, THREAD, a_message, a_page
from tests.platforms.wire import Exchange, Script, Wire

Scripted = Callable[[Script], Awaitable[tuple[TikTokConnector, Wire]]]
TO = {"business_id": ACCOUNT, "recipient_type": "CONVERSATION", "recipient": THREAD}
PICTURE = (OutgoingMedia(MediaKind.IMAGE, "m1+/=="),)


async def taken(exchange: Exchange) -> None:
    """Accept everything, and let pictures be sent."""
    infos = [{"capability_type": "IMAGE_SEND", "capability_result": True}]
    data = {"message": {"message_id": "u5B+/1=="}, "capability_infos": infos}
    await exchange.answer(200, {"code": 0, "message": "OK", "request_id": "R", "data": data})


async def test_a_text_goes_to_the_conversation_with_the_token_in_its_own_header(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    outcome = await connector.send(a_page(), a_message("Grüße 😀"), 5)

    assert outcome == Sent("u5B+/1==", thread_external_id=THREAD)
    [call] = wire.seen
    assert call.head.startswith("POST /tiktok/open_api/v1.3/business/message/send/ ")
    assert call.header("access-token") == "act.token"
    assert call.header("authorization") is None
    assert call.json == {**TO, "message_type": "TEXT", "text": {"body": "Grüße 😀"}}


async def test_a_text_may_answer_one_certain_message(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    await connector.send(a_page(), a_message("Yes", reply_to_message_id="u5B+/0=="), 5)

    assert wire.seen[0].json == {
        **TO,
        "message_type": "TEXT",
        "text": {"body": "Yes"},
        "referenced_message_info": {"referenced_message_id": "u5B+/0=="},
    }


async def test_a_text_of_six_thousand_characters_goes_whole(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    assert isinstance(await connector.send(a_page(), a_message("ß" * 6_000), 5), Sent)
    refused = await connector.send(a_page(), a_message("ß" * 6_001), 5)

    assert isinstance(refused, NotSent)
    assert refused.detail == "the text has 6001 characters or bytes, at most 6000 are taken"
    assert len(wire.seen) == 1


@pytest.mark.parametrize(("title", "card"), [("Monday", "QA_BUTTON_CARD"), ("M" * 21, "QA_LINK_CARD")])
async def test_words_with_buttons_are_a_card_of_the_kind_that_holds_their_titles(
    scripted: Scripted, title: str, card: str
) -> None:
    connector, wire = await scripted(taken)

    await connector.send(a_page(), a_message("Which day?", buttons=(Button(title, "day:1"), Button("None", "0"))), 5)

    assert wire.seen[0].json == {
        **TO,
        "message_type": "TEMPLATE",
        "template": {
            "type": card,
            "title": "Which day?",
            "buttons": [
                {"type": "REPLY", "title": title, "id": "day:1"},
                {"type": "REPLY", "title": "None", "id": "0"},
            ],
        },
    }


async def test_a_picture_is_sent_after_asking_once_whether_the_conversation_takes_pictures(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    for _ in range(3):
        assert isinstance(await connector.send(a_page(), a_message("", media=PICTURE), 5), Sent)

    asked, *sent = wire.seen
    assert asked.head.startswith("GET /tiktok/open_api/v1.3/business/message/capabilities/get/?")
    assert "conversation_id=u5J%2B%2FpselBAhoPOlnH0tZ9y07kg%3D%3D" in asked.path
    assert [call.json for call in sent] == [{**TO, "message_type": "IMAGE", "image": {"media_id": "m1+/=="}}] * 3


async def test_a_private_reply_goes_to_a_comment_and_needs_no_conversation(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)
    message = a_message("Hello", kind=OutgoingKind.PRIVATE_REPLY, comment_id="7400", thread_external_id=None)

    outcome = await connector.send(a_page(), message, 5)

    assert outcome == Sent("u5B+/1==")
    assert wire.seen[0].json == {
        "business_id": ACCOUNT,
        "direct_reply": {"reply_type": "COMMENT_REPLY", "comment_reply": {"comment_id": "7400"}},
        "message_type": "TEXT",
        "text": {"body": "Hello"},
    }


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        ({"thread_external_id": None}, FailureReason.BAD_CONTENT, "the person has no conversation yet"),
        ({"text": ""}, FailureReason.BAD_CONTENT, "empty"),
        ({"text": "\ud83d"}, FailureReason.BAD_CONTENT, "Unicode"),
        ({"media": PICTURE}, FailureReason.BAD_CONTENT, "words and a picture"),
        ({"text": "", "media": PICTURE * 2}, FailureReason.BAD_CONTENT, "at most 1 of this kind"),
        (
            {"text": "", "media": (OutgoingMedia(MediaKind.VIDEO, "v"),)},
            FailureReason.BAD_CONTENT,
            "of one kind that",
        ),
        ({"text": "", "media": PICTURE, "reply_to_message_id": "m"}, FailureReason.BAD_CONTENT, "only a text"),
        ({"quick_replies": (QuickReply("Yes", "y"),)}, FailureReason.BAD_CONTENT, "quick replies"),
        ({"text": "W" * 41, "buttons": (Button("A", "1"),)}, FailureReason.BAD_CONTENT, "at most 40"),
        ({"buttons": (Button("A", "1"),) * 4}, FailureReason.BAD_CONTENT, "at most 3"),
        ({"buttons": (Button("A" * 41, "1"),)}, FailureReason.BAD_CONTENT, "title of a button"),
        ({"buttons": (Button("A", "1" * 41),)}, FailureReason.BAD_CONTENT, "answer of a button"),
        ({"buttons": (Button("A"),)}, FailureReason.BAD_CONTENT, "answer of a button"),
        ({"buttons": (Button("A", url="https://a.example"),)}, FailureReason.BAD_CONTENT, "open an address"),
        ({"kind": OutgoingKind.PRIVATE_REPLY}, FailureReason.BAD_CONTENT, "needs the comment"),
        (
            {"kind": OutgoingKind.PRIVATE_REPLY, "comment_id": "1", "text": "", "media": PICTURE},
            FailureReason.BAD_CONTENT,
            "a private reply is a text",
        ),
        ({"kind": OutgoingKind.COMMENT_REPLY, "comment_id": "1"}, FailureReason.POLICY, "comment_reply"),
        ({"kind": OutgoingKind.UTILITY}, FailureReason.POLICY, "utility"),
        ({"kind": OutgoingKind.MARKETING}, FailureReason.POLICY, "marketing"),
    ],
)
async def test_what_the_platform_does_not_take_is_refused_with_a_sentence_and_without_a_call(
    scripted: Scripted, case: dict[str, object], reason: FailureReason, words: str
) -> None:
    connector, wire = await scripted(taken)

    outcome = await connector.send(a_page(), a_message(**{"text": "hello", **case}), 5)  # type: ignore[arg-type]

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (reason, False)
    assert words in outcome.detail
    assert wire.seen == []


async def test_typing_and_the_read_mark_are_sender_actions_and_typing_ends_by_itself(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    for kind in SignalKind:
        await connector.signal(a_page(), Signal(PERSON, kind, THREAD))

    assert [call.json for call in wire.seen] == [
        {**TO, "message_type": "SENDER_ACTION", "sender_action": "TYPING"},
        {**TO, "message_type": "SENDER_ACTION", "sender_action": "MARK_READ"},
    ]


async def test_a_signal_needs_a_conversation(scripted: Scripted) -> None:
    connector, wire = await scripted(taken)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.signal(a_page(), Signal(PERSON, SignalKind.TYPING_ON))

    assert refused.value.reason is FailureReason.BAD_CONTENT
    assert wire.seen == []
