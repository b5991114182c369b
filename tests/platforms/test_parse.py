"""Every documented shape of an item, and what it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from server.platforms.port import (
    Attachment,
    CommentChanged,
    CommentKind,
    Delivered,
    DeliveryFailed,
    Event,
    GrantWithdrawn,
    MarketingEchoed,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    Noticed,
    OptedIn,
    OptedOut,
    PageRestricted,
    Postback,
    RawEvent,
    Reacted,
    Read,
    ReviewChanged,
    Unplaced,
)
from tests.platforms.factory import a_connector
from tests.platforms.items import AT, AT_MS, MARKETING, change, events_of, messaging, raw_of

OPTIN = {"type": "notification_messages", "payload": "offers", "notification_messages_token": "tok", "title": "Offers"}
RATING = {"item": "rating", "open_graph_story_id": 5, "reviewer_id": 7, "created_time": 1_700_000_000}
COMMENT = {"item": "comment", "comment_id": "c1", "post_id": "p1", "created_time": 1_700_000_000}
SECONDS = datetime.fromtimestamp(1_700_000_000, UTC)

CASES = [
    (
        "quick reply to a message, with a referral inside",
        messaging(
            message={
                "mid": "m",
                "text": "Yes",
                "quick_reply": {"payload": "YES"},
                "reply_to": {"mid": "m0"},
                "referral": {"ref": "r", "source": "ADS"},
            }
        ),
        "message",
        [
            MessageReceived("7", "m", "Yes", (), AT, reply_to_message_id="m0", quick_reply_payload="YES"),
            Noticed("referral"),
        ],
    ),
    (
        "unsupported",
        messaging(message={"mid": "m", "is_unsupported": True}),
        "message",
        [MessageReceived("7", "m", None, (), AT, is_unsupported=True)],
    ),
    (
        "attachments of all shapes",
        messaging(
            message={
                "mid": "m",
                "attachments": [
                    {"type": "location", "payload": {"coordinates": {"lat": 52.5, "long": 13.4}}},
                    {"type": "fallback", "title": "A link", "url": "https://x.test/", "payload": "null"},
                    {"type": "fallback", "payload": "https://y.test/"},
                    {"type": "audio"},
                    "nonsense",
                ],
            }
        ),
        "message",
        [
            MessageReceived(
                "7",
                "m",
                None,
                (
                    Attachment("location", None, "52.5, 13.4"),
                    Attachment("fallback", "https://x.test/", "A link"),
                    Attachment("fallback", "https://y.test/"),
                    Attachment("audio", None),
                ),
                AT,
            )
        ],
    ),
    ("unsent", messaging(message={"mid": "m", "is_deleted": True}), "unsent", [MessageUnsent("7", "m", AT)]),
    (
        "edited, with a number that is a text",
        messaging(message_edit={"mid": "m", "text": "New", "num_edit": "2"}),
        "edit",
        [MessageEdited("7", "m", "New", 2, AT)],
    ),
    (
        "edited to nothing",
        messaging(message_edit={"mid": "m", "text": None, "num_edit": 1}),
        "edit",
        [MessageEdited("7", "m", None, 1, AT)],
    ),
    (
        "echo of a message written by hand",
        {
            "sender": {"id": "100"},
            "recipient": {"id": "7"},
            "timestamp": AT_MS,
            "message": {"mid": "m", "is_echo": True, "text": "Hi", "app_id": 263902037430900},
        },
        "echo",
        [MessageEchoed("7", "m", "Hi", (), AT, "263902037430900")],
    ),
    ("delivery without ids", messaging(delivery={"watermark": AT_MS}), "delivery", [Delivered("7", (), AT)]),
    ("read of one message", messaging(read={"mid": "m"}), "read", [Read("7", ("m",), None)]),
    (
        "reaction",
        messaging(reaction={"mid": "m", "action": "react", "reaction": "love", "emoji": "❤"}),
        "reaction",
        [Reacted("7", "m", "❤", AT)],
    ),
    (
        "reaction taken back",
        messaging(reaction={"mid": "m", "action": "unreact"}),
        "reaction",
        [Reacted("7", "m", None, AT)],
    ),
    (
        "button tapped, with a referral inside",
        messaging(postback={"mid": "m", "title": "Start", "payload": "GO", "referral": {"ref": "x"}}),
        "postback",
        [Postback("7", "m", "Start", "GO", AT), Noticed("referral")],
    ),
    ("referral", messaging(referral={"ref": "x", "type": "OPEN_THREAD"}), "referral", [Noticed("referral")]),
    (
        "opt-in that ends at a time in ms",
        messaging(optin={**OPTIN, "token_expiry_timestamp": AT_MS}),
        "optin",
        [OptedIn("7", "offers", "Offers", "tok", AT, AT)],
    ),
    (
        "opt-in that ends at a time in seconds",
        messaging(optin={**OPTIN, "token_expiry_timestamp": "1700000000"}),
        "optin",
        [OptedIn("7", "offers", "Offers", "tok", SECONDS, AT)],
    ),
    (
        "opt-out",
        messaging(optin={**OPTIN, "notification_messages_status": "STOP NOTIFICATIONS"}),
        "optin",
        [OptedOut("7", "offers", AT)],
    ),
    (
        "opt-out as one implementation writes it, of everything",
        messaging(optin={"type": "notification_messages", "notification_messages_status": "STOP"}),
        "optin",
        [OptedOut("7", None, AT)],
    ),
    (
        "opt-in again",
        messaging(optin={**OPTIN, "notification_messages_status": "RESUME NOTIFICATIONS"}),
        "optin",
        [OptedIn("7", "offers", "Offers", "tok", None, AT)],
    ),
    (
        "opt-in without a token is no consent",
        messaging(optin={"type": "notification_messages", "payload": "offers"}),
        "optin",
        [Unplaced("optin: a subscription without its token or its topic")],
    ),
    ("older plugin", {"recipient": {"id": "100"}, "optin": {"ref": "x"}}, "optin", [Noticed("optin:plugin")]),
    (
        "handover",
        messaging(pass_thread_control={"previous_owner_app_id": None, "new_owner_app_id": 1}),
        "handover",
        [Noticed("handover:pass_thread_control")],
    ),
    (
        "policy",
        {"recipient": {"id": "100"}, "timestamp": AT_MS, "policy_enforcement": {"action": "block", "reason": "spam"}},
        "policy",
        [PageRestricted("block", "spam", AT)],
    ),
    (
        "policy in its other spelling",
        {"recipient": {"id": "100"}, "timestamp": AT_MS, "policy-enforcement": {"action": "unblock"}},
        "policy",
        [PageRestricted("unblock", None, AT)],
    ),
    ("feedback", messaging(messaging_feedback={"feedback_screens": []}), "feedback", [Noticed("feedback")]),
    ("unknown", messaging(teleport={"to": "Mars"}), "unknown", [Noticed("unknown:teleport")]),
    ("message without an id", messaging(message={"text": "x"}), "message", [Unplaced("message: no message id")]),
    (
        "message without a person",
        {"recipient": {"id": "100"}, "timestamp": AT_MS, "message": {"mid": "m", "text": "x"}},
        "message",
        [Unplaced("message: no person")],
    ),
    (
        "receipt of nothing",
        messaging(delivery={}),
        "delivery",
        [Unplaced("delivery: neither message ids nor a watermark")],
    ),
    (
        "comment without an author",
        change("feed", **COMMENT, verb="hide"),
        "feed",
        [CommentChanged("c1", "p1", None, "hide", None, None, False, None, SECONDS)],
    ),
    (
        "comment that is shown again",
        change("feed", **COMMENT, verb="unhide"),
        "feed",
        [CommentChanged("c1", "p1", None, "unhide", None, None, False, None, SECONDS)],
    ),
    ("post", change("feed", item="post", verb="add", post_id="p1"), "feed", [Noticed("feed:post:add")]),
    (
        "review taken back",
        change("ratings", **RATING, verb="remove"),
        "rating",
        [ReviewChanged("5", "remove", "7", None, None, None, None, SECONDS)],
    ),
    (
        "template status",
        change("messenger_template_status_update", event="APPROVED"),
        "template_status",
        [Noticed("template_status")],
    ),
    ("unknown field", change("Warp Drive", x=1), "unknown", [Noticed("unknown:warp_drive")]),
    (
        "marketing message left",
        change("marketing_message_echoes", **MARKETING),
        "marketing_echo",
        [MarketingEchoed("7", "t_1", "c_1", AT)],
    ),
    (
        "marketing message delivered",
        change("marketing_message_deliveries", **MARKETING),
        "marketing_delivery",
        [Delivered("7", ("t_1", "m_1"), None)],
    ),
    (
        "marketing message read",
        change("marketing_message_reads", **MARKETING),
        "marketing_read",
        [Read("7", ("t_1", "m_1"), None)],
    ),
    (
        "marketing message failed",
        change("marketing_message_delivery_failed", **MARKETING, error_message="blocked"),
        "marketing_failed",
        [DeliveryFailed("7", "t_1", "c_1", "blocked")],
    ),
    (
        "marketing link clicked",
        change("marketing_message_clicks", **MARKETING),
        "marketing_click",
        [Noticed("marketing_click")],
    ),
    (
        "a post elsewhere that names the page",
        change("mention", item="post", verb="add", post_id="9_1", sender_id="7", sender_name="Bo", message="@Page hi"),
        "mention",
        [CommentChanged("9_1", "9_1", None, "add", "7", "Bo", False, "@Page hi", AT, kind=CommentKind.MENTION)],
    ),
    (
        "a mention of nothing",
        change("mention", item="post", verb="add"),
        "mention",
        [Unplaced("mention: neither a comment nor a post")],
    ),
    (
        "a template's fate",
        change("messenger_template_status_update", event="APPROVED", message_template_id=1),
        "template_status",
        [Noticed("template_status")],
    ),
    (
        "what a person thinks of an answer",
        messaging(response_feedback={"mid": "m", "feedback": "Good"}),
        "feedback",
        [Noticed("feedback")],
    ),
    (
        "a visitor's post",
        change("feed", item="status", verb="add", post_id="9_2", message="Hi"),
        "feed",
        [Noticed("feed:status:add")],
    ),
    (
        "a button in standby, whose payload is left out",
        messaging(postback={"mid": "m", "title": "Start"}),
        "postback",
        [Postback("7", "m", "Start", None, AT)],
    ),
    (
        "a person without a sender, by the old plugin",
        {"recipient": {"id": "100"}, "timestamp": AT_MS, "optin": {"ref": "r", "user_ref": "u"}},
        "optin",
        [Noticed("optin:plugin")],
    ),
    (
        "test button of the dashboard",
        change("messages", **messaging(message={"mid": "m", "text": "test"})),
        "message",
        [MessageReceived("7", "m", "test", (), AT)],
    ),
]


@pytest.mark.parametrize(("_case", "item", "kind", "expected"), CASES, ids=[case[0] for case in CASES])
def test_an_item_is_read_as_documented(_case: str, item: dict[str, object], kind: str, expected: list[Event]) -> None:
    [raw] = raw_of(item, "changes" if "field" in item else "messaging")

    assert raw.kind == kind
    assert raw.page_external_id == "100"
    assert events_of(raw) == expected


def test_what_another_app_received_is_read_like_a_message_and_keeps_its_own_key() -> None:
    item = messaging(message={"mid": "m", "text": "Hi"})

    [standby], [direct] = raw_of(item, "standby"), raw_of(item)

    assert standby.kind == "standby"
    assert standby.external_id != direct.external_id
    assert events_of(standby) == events_of(direct) == [MessageReceived("7", "m", "Hi", (), AT)]


def test_an_envelope_of_another_kind_is_noticed_and_not_read_as_ours() -> None:
    [raw] = raw_of(change("feed", item="comment"), "changes", object_name="user")

    assert raw.kind == "unknown"
    assert events_of(raw) == [Noticed("unknown:user.feed")]


RIGHTS = [
    ("all of them", change("connected", verb="revoked"), [GrantWithdrawn("100")]),
    ("one", change("pages_messaging", verb="revoked", target_ids=["5"]), [GrantWithdrawn("100", ("pages_messaging",))]),
    ("one, refused", change("pages_messaging", verb="denied"), [GrantWithdrawn("100", ("pages_messaging",))]),
    ("given", change("pages_messaging", verb="granted"), [Noticed("permission:granted")]),
    ("nothing", change("pages_messaging", verb=None), [Unplaced("permission: no permission or no verb")]),
]


@pytest.mark.parametrize(("_case", "item", "expected"), RIGHTS, ids=[case[0] for case in RIGHTS])
def test_a_right_that_a_person_takes_back_is_about_that_person(
    _case: str, item: dict[str, object], expected: list[Event]
) -> None:
    [raw] = raw_of(item, "changes", object_name="permissions")

    assert (raw.kind, raw.page_external_id, raw.mailbox) == ("permission", "100", "grant:100")
    assert events_of(raw) == expected


def test_a_right_that_is_taken_back_twice_is_two_events_and_one_that_is_told_twice_is_one() -> None:
    def told(time: int) -> RawEvent:
        entry = {"uid": "7", "id": "app", "time": time, "changes": [change("connected", verb="revoked")]}
        [raw] = a_connector().split(json.dumps({"object": "permissions", "entry": [entry]}).encode())
        return raw

    assert told(AT_MS).external_id == told(AT_MS).external_id != told(AT_MS + 60_000).external_id
    assert told(AT_MS).page_external_id == "7"


def test_a_right_of_nobody_is_a_dead_letter() -> None:
    body = {"object": "permissions", "entry": [{"time": AT_MS, "changes": [change("connected", verb="revoked")]}]}

    [raw] = a_connector().split(json.dumps(body).encode())

    assert events_of(raw) == [Unplaced("permission: no person")]


def test_a_new_comment_is_known_by_its_id_alone_and_its_edits_by_what_they_say() -> None:
    def key_of(verb: str, message: str) -> str:
        [raw] = raw_of(change("feed", **COMMENT | {"verb": verb, "message": message}), "changes")
        return raw.external_id

    assert key_of("add", "as listed") == key_of("add", "as told")
    assert len({key_of("add", "a"), key_of("edited", "a"), key_of("edited", "b"), key_of("remove", "b")}) == 4


def test_an_item_without_any_time_is_no_message_of_1970() -> None:
    body = {"object": "page", "entry": [{"id": "100", "messaging": [{"sender": {"id": "7"}, "message": {"mid": "m"}}]}]}

    [raw] = a_connector().split(json.dumps(body).encode())

    assert events_of(raw) == [Unplaced("message: no time")]
