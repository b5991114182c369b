"""What each kind of send is on Messenger's wire, and what is refused before it leaves (platforms.md 2.1 and 2.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.platforms.port import (
    Act,
    Button,
    FailureReason,
    MediaFile,
    MediaKind,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    OutgoingMessage,
    PlatformCallFailed,
    QuickReply,
    QuotaScope,
    Sent,
    Signal,
    SignalKind,
    UploadedMedia,
    Usage,
    UtilityTemplate,
)
from tests.platforms.factory import PAGE_TOKEN, TAKEN, Wired, a_message, a_page, answers, graph_error, refused, seen

R = FailureReason
IMAGE = OutgoingMedia(MediaKind.IMAGE, "990")
MARK = {"metadata": "sb1:ref:1"}


def an_attachment(kind: str, name: str) -> dict[str, object]:
    """An attachment that was uploaded before."""
    return {"type": kind, "payload": {"attachment_id": name}}


def to_comment(kind: OutgoingKind, text: str = "Thanks!") -> OutgoingMessage:
    """A reply to comment 55_66."""
    return replace(a_message(text), kind=kind, comment_id="55_66")


FORMS = [
    ("an answer to one message", {"reply_to_message_id": "m_9"}, {"text": "Hello", "reply_to": {"mid": "m_9"}}),
    ("one image", {"text": "", "media": (IMAGE,)}, {"attachment": an_attachment("image", "990")}),
    (
        "thirty images",
        {"text": "", "media": (IMAGE,) * 30},
        {"attachments": [an_attachment("image", "990")] * 30},
    ),
    (
        "a video",
        {"text": "", "media": (OutgoingMedia(MediaKind.VIDEO, "v"),)},
        {"attachment": an_attachment("video", "v")},
    ),
    (
        "a file with quick replies",
        {"text": "", "media": (OutgoingMedia(MediaKind.FILE, "f"),), "quick_replies": (QuickReply("Yes", "Y"),)},
        {
            "attachment": an_attachment("file", "f"),
            "quick_replies": [{"content_type": "text", "title": "Yes", "payload": "Y"}],
        },
    ),
    (
        "buttons",
        {"buttons": (Button("Call me", "CALL"), Button("Shop", url="https://shop.example/1"))},
        {
            "attachment": {
                "type": "template",
                "payload": {
                    "template_type": "button",
                    "text": "Hello",
                    "buttons": [
                        {"type": "postback", "title": "Call me", "payload": "CALL"},
                        {"type": "web_url", "title": "Shop", "url": "https://shop.example/1"},
                    ],
                },
            }
        },
    ),
]


@pytest.mark.parametrize(("_case", "change", "expected"), FORMS, ids=[case[0] for case in FORMS])
async def test_a_message_has_its_documented_form(
    wired: Wired, _case: str, change: dict[str, object], expected: dict[str, object]
) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    outcome = await connector.send(a_page(), replace(a_message(), **change), 5)  # type: ignore[arg-type]  # fields by name

    assert outcome == Sent("m_1", "7")
    assert wire.seen[0].json == {
        "recipient": {"id": "7"},
        "messaging_type": "RESPONSE",
        "message": expected | MARK,
    }


async def test_a_private_reply_names_the_comment_and_learns_the_person(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"recipient_id": "4711", "message_id": "m_1"}))

    outcome = await connector.send(a_page(), to_comment(OutgoingKind.PRIVATE_REPLY), 5)

    assert outcome == Sent("m_1", "4711")
    assert wire.seen[0].json == {
        "recipient": {"comment_id": "55_66"},
        "messaging_type": "RESPONSE",
        "message": {"text": "Thanks!"} | MARK,
    }


async def test_a_public_reply_is_a_comment_below_the_comment(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"id": "55_77"}))

    outcome = await connector.send(a_page(), to_comment(OutgoingKind.COMMENT_REPLY), 5)

    assert outcome == Sent("55_77")
    assert wire.seen[0].path.startswith("/v25.0/55_66/comments?")
    assert wire.seen[0].header("authorization") == f"Bearer {PAGE_TOKEN}"
    assert wire.seen[0].json == {"message": "Thanks!"}


async def test_a_public_reply_without_an_id_is_unknown_whatever_else_the_answer_names(wired: Wired) -> None:
    connector, _ = await wired(answers(200, TAKEN))

    assert not isinstance(await connector.send(a_page(), to_comment(OutgoingKind.COMMENT_REPLY), 5), Sent | NotSent)


async def test_a_utility_message_carries_its_template_and_its_parameters_only(wired: Wired) -> None:
    connector, wire = await wired(answers(200, TAKEN))
    template = UtilityTemplate("order_shipped", "de", ("Ada", "17.3."))

    await connector.send(a_page(), replace(a_message(), kind=OutgoingKind.UTILITY, utility=template), 5)

    parameters = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "17.3."}]
    assert wire.seen[0].json == {
        "recipient": {"id": "7"},
        "messaging_type": "UTILITY",
        "message": {
            "template": {
                "name": "order_shipped",
                "language": {"code": "de"},
                "components": [{"type": "body", "parameters": parameters}],
            }
        }
        | MARK,
    }


UNFIT = [
    ("no text", {"text": " "}),
    ("a text too long", {"text": "é" * 2_001}),
    ("a text too long for buttons", {"text": "é" * 641, "buttons": (Button("A", "A"),)}),
    ("four buttons", {"buttons": (Button("A", "A"),) * 4}),
    ("a button's long title", {"buttons": (Button("A" * 21, "A"),)}),
    ("a button without a title", {"buttons": (Button("", "A"),)}),
    ("a button's long payload", {"buttons": (Button("A", "A" * 1_001),)}),
    ("a button to nowhere", {"buttons": (Button("A", url="javascript:alert(1)"),)}),
    ("twelve quick replies", {"quick_replies": (QuickReply("A", "A"),) * 12}),
    ("a quick reply's long title", {"quick_replies": (QuickReply("A" * 21, "A"),)}),
    ("a quick reply's long payload", {"quick_replies": (QuickReply("A", "A" * 1_001),)}),
    ("half an emoji in a title", {"quick_replies": (QuickReply("\ud83d", "A"),)}),
    ("half an emoji in an id", {"reply_to_message_id": "\ud83d"}),
    ("thirty-one images", {"text": "", "media": (IMAGE,) * 31}),
    ("two videos", {"text": "", "media": (OutgoingMedia(MediaKind.VIDEO, "1"),) * 2}),
    ("an image and a video", {"text": "", "media": (IMAGE, OutgoingMedia(MediaKind.VIDEO, "1"))}),
    ("an image with words", {"media": (IMAGE,)}),
    ("media without a name", {"text": "", "media": (OutgoingMedia(MediaKind.IMAGE, ""),)}),
    ("a private reply to nothing", {"kind": OutgoingKind.PRIVATE_REPLY}),
    ("a public reply to nothing", {"kind": OutgoingKind.COMMENT_REPLY}),
    ("a public reply too long", {"kind": OutgoingKind.COMMENT_REPLY, "comment_id": "1", "text": "x" * 8_001}),
    ("a public reply with an image", {"kind": OutgoingKind.COMMENT_REPLY, "comment_id": "1", "media": (IMAGE,)}),
    ("a utility message without a template", {"kind": OutgoingKind.UTILITY}),
    ("an empty parameter", {"kind": OutgoingKind.UTILITY, "utility": UtilityTemplate("a", "en", ("",))}),
    (
        "a marketing text too long",
        {
            "kind": OutgoingKind.MARKETING,
            "text": "x" * 2_001,
            "marketing_token": "t",
            "platform_campaign_id": "c",
        },
    ),
]


@pytest.mark.parametrize(("_case", "change"), UNFIT, ids=[case[0] for case in UNFIT])
async def test_what_does_not_fit_is_refused_whole_and_no_call_is_made(
    wired: Wired, _case: str, change: dict[str, object]
) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    outcome = await connector.send(a_page(), replace(a_message(), **change), 5)  # type: ignore[arg-type]  # fields by name

    assert seen(outcome) == refused(R.BAD_CONTENT)
    assert wire.connections == 0


ACTS = [
    ("text", a_message(), Act.SEND),
    ("media", replace(a_message(), text="", media=(IMAGE,)), Act.SEND),
    ("private reply", to_comment(OutgoingKind.PRIVATE_REPLY), Act.SEND),
    ("public reply", to_comment(OutgoingKind.COMMENT_REPLY), Act.COMMENT_REPLY),
]


@pytest.mark.parametrize(("_case", "message", "act"), ACTS, ids=[case[0] for case in ACTS])
async def test_what_an_answer_tells_is_told_of_the_quota_that_the_message_counts_in(
    wired: Wired, _case: str, message: OutgoingMessage, act: Act
) -> None:
    connector, _ = await wired(answers(200, TAKEN | {"id": "1"}, x_app_usage='{"call_count":99}'))

    outcome = await connector.send(a_page(), message, 5)

    assert outcome.usage == (Usage(QuotaScope.APP, act, wait_s=60.0),)


def a_file(kind: MediaKind = MediaKind.IMAGE, mime_type: str = "image/png", content: bytes = b"x") -> MediaFile:
    """A file of ours."""
    return MediaFile(kind, mime_type, "a.png", content, "https://ours.example/media/1")


async def test_a_file_is_uploaded_by_its_address_for_reuse(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"attachment_id": "990"}))

    uploaded = await connector.upload_media(a_page(), a_file())

    assert uploaded == UploadedMedia("990", None)
    assert wire.seen[0].path.startswith("/v25.0/me/message_attachments?")
    payload = {"url": "https://ours.example/media/1", "is_reusable": True}
    assert wire.seen[0].json == {"message": {"attachment": {"type": "image", "payload": payload}}}


FILES = [
    ("an unknown type", a_file(mime_type="image/tiff")),
    ("a type of another kind", a_file(MediaKind.VIDEO, "image/png")),
    ("a file too large", a_file(content=b"x" * 25_000_001)),
    ("an empty file", a_file(content=b"")),
]


@pytest.mark.parametrize(("_case", "file"), FILES, ids=[case[0] for case in FILES])
async def test_a_file_that_the_channel_does_not_take_is_not_uploaded(wired: Wired, _case: str, file: MediaFile) -> None:
    connector, wire = await wired(answers(200, {"attachment_id": "990"}))

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.upload_media(a_page(), file)

    assert (failed.value.reason, failed.value.retryable) == (R.BAD_CONTENT, False)
    assert wire.connections == 0


UPLOADS = [
    ("not fetched", 400, graph_error(100, 2018008), R.BAD_CONTENT, True),
    ("wrong type", 400, graph_error(100, 2018047), R.BAD_CONTENT, False),
    ("token", 401, graph_error(190, 463), R.AUTH, False),
    ("no name", 200, {"recipient_id": "7"}, R.TRANSIENT, True),
    ("server error", 500, b"", R.TRANSIENT, True),
]


@pytest.mark.parametrize(("_case", "status", "body", "reason", "again"), UPLOADS, ids=[case[0] for case in UPLOADS])
async def test_a_failed_upload_says_whether_once_more_may_help(
    wired: Wired, _case: str, status: int, body: object, reason: FailureReason, again: bool
) -> None:
    connector, _ = await wired(answers(status, body))

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.upload_media(a_page(), a_file())

    assert (failed.value.reason, failed.value.retryable) == (reason, again)


SIGNALS = [
    (SignalKind.TYPING_ON, "typing_on"),
    (SignalKind.TYPING_OFF, "typing_off"),
    (SignalKind.MARK_READ, "mark_seen"),
]


@pytest.mark.parametrize(("kind", "action"), SIGNALS, ids=[case[1] for case in SIGNALS])
async def test_a_signal_stands_in_place_of_a_message(wired: Wired, kind: SignalKind, action: str) -> None:
    connector, wire = await wired(answers(200, {"recipient_id": "7"}))

    await connector.signal(a_page(), Signal("7", kind))

    assert wire.seen[0].json == {"recipient": {"id": "7"}, "sender_action": action}
