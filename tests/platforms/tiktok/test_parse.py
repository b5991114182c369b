"""Every event of platforms.md 6.4, read to one meaning or kept with the reason why not."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platforms.port import (
    Attachment,
    BodyMalformed,
    CommentChanged,
    Event,
    GrantWithdrawn,
    MessageEchoed,
    MessageReceived,
    Noticed,
    Reacted,
    Read,
    Unplaced,
)
from tests.platforms.items import ms
from tests.platforms.tiktok.factory import (
    ACCOUNT,
    AT_MS,
    KEY,
    PERSON,
    THREAD,
    a_body,
    a_connector,
    inbound,
    outbound,
    read,
)

AT = ms(AT_MS)
MID = "u5B+/1=="


def one(event: str, content: object, **more: object) -> Event:
    """The one event of a body."""
    [(_, found)] = read(a_body(event, content, **more))
    return found


@pytest.mark.parametrize(
    ("part", "attachment"),
    [
        ({"type": "image", "image": {"media_id": "m1+/=="}}, Attachment("image", None, media_id="m1+/==")),
        ({"type": "video", "video": {"media_id": "v1"}}, Attachment("video", None, media_id="v1")),
        ({"type": "sticker", "sticker": {"url": "https://s/1"}}, Attachment("sticker", "https://s/1")),
        ({"type": "emoji", "emoji": {"url": "https://e/1"}}, Attachment("emoji", "https://e/1")),
        (
            {
                "type": "share_post",
                "share_post": {"video_id": "74", "embed_url": "https://www.tiktok.com/player/v1/74"},
            },
            Attachment("share_post", "https://www.tiktok.com/player/v1/74", "74"),
        ),
    ],
)
def test_what_is_not_words_is_an_attachment(part: dict[str, object], attachment: Attachment) -> None:
    found = one("im_receive_msg", inbound(**part))

    assert found == MessageReceived(PERSON, MID, None, (attachment,), AT, thread_id=THREAD)


def test_an_answer_to_a_message_and_a_tapped_button_are_told() -> None:
    found = one(
        "im_receive_msg",
        inbound(
            type="text",
            text={"body": "Monday"},
            referenced_message_info={"referenced_message_id": "u5B+/0=="},
            reply_source_payload={"reply_source_msg_id": "u5B+/2==", "reply_source_unique_id": "day:1"},
        ),
    )

    assert isinstance(found, MessageReceived)
    assert (found.text, found.reply_to_message_id, found.quick_reply_payload) == ("Monday", "u5B+/0==", "day:1")


def test_a_message_of_a_type_nobody_knows_is_kept_as_unsupported() -> None:
    found = one("im_receive_msg", inbound(type="hologram", hologram={"id": 1}))

    assert found == MessageReceived(PERSON, MID, None, (), AT, is_unsupported=True, thread_id=THREAD)


@pytest.mark.parametrize(("source", "app"), [("API", KEY), ("APP", None), ("WEB", None), ("OTHERS", None)])
def test_an_echo_of_the_api_is_ours_and_one_by_hand_is_not(source: str, app: str | None) -> None:
    found = one("im_send_msg", outbound(type="text", text={"body": "hi"}, message_tag={"source": source}))

    assert found == MessageEchoed(PERSON, MID, "hi", (), AT, app_id=app, thread_id=THREAD)


def test_an_echo_that_names_no_receiver_belongs_to_nobody_even_if_its_unique_identifier_does() -> None:
    found = one("im_send_msg", outbound(type="text", text={"body": "hi"}, to_user=None, unique_identifier=PERSON))

    assert found == Unplaced("echo: no person")


def test_a_card_that_we_sent_is_read_by_its_title() -> None:
    card = {"type": "qa_button_card", "elements": [{"title": "Which day?", "buttons": [{"text": "Mon", "id": "1"}]}]}

    found = one("im_send_msg", outbound(type="template", template=card))

    assert isinstance(found, MessageEchoed)
    assert found.text == "Which day?"


def test_a_reaction_belongs_to_its_own_unique_identifier() -> None:
    mark = {
        "operation": "ADD",
        "type": "EMOJI",
        "emoji": "👍",
        "unique_identifier": "someone-else",
        "timestamp": AT_MS + 5,
        "original_msg_id": "u5B+/9==",
    }
    body = a_body("im_receive_msg", inbound(type="reaction", reaction=[mark]))

    [(raw, found)] = read(body)

    assert (raw.kind, raw.mailbox) == ("reaction", PERSON)
    assert found == Reacted("someone-else", "u5B+/9==", "👍", ms(AT_MS + 5))


def test_several_reactions_of_one_event_are_all_told_and_taking_one_back_has_no_emoji() -> None:
    marks = [
        {"operation": "ADD", "type": "AI_EMOJI", "ai_emoji_url": "https://e", "unique_identifier": PERSON},
        {"operation": "REMOVE", "type": "EMOJI", "emoji": "👍", "unique_identifier": PERSON},
        {"operation": "ADD", "type": "EMOJI", "emoji": "👍", "unique_identifier": ACCOUNT},
        {"operation": "SHAKE", "type": "EMOJI", "emoji": "👍", "unique_identifier": PERSON},
    ]
    told = [{**mark, "original_msg_id": "u5B+/9=="} for mark in marks]

    found = [event for _, event in read(a_body("im_receive_msg", inbound(type="reaction", reaction=told)))]

    assert found[:3] == [
        Reacted(PERSON, "u5B+/9==", "other", AT),
        Reacted(PERSON, "u5B+/9==", None, AT),
        Noticed("reaction:own"),
    ]
    assert isinstance(found[3], Unplaced)


def test_a_reaction_of_the_business_to_a_person_is_our_own() -> None:
    mark = {"operation": "ADD", "type": "EMOJI", "emoji": "👍", "unique_identifier": ACCOUNT, "original_msg_id": "m"}

    assert one("im_send_msg", outbound(type="reaction", reaction=[mark])) == Noticed("reaction:own")


def test_a_read_mark_is_a_watermark() -> None:
    found = one("im_mark_read_msg", inbound(message_id=None, read={"last_read_timestamp": AT_MS - 10}))

    assert found == Read(PERSON, (), ms(AT_MS - 10))


def test_a_message_from_europe_is_only_noticed() -> None:
    content = {"to": "bakery", "to_user": {"id": ACCOUNT, "role": "business_account"}, "timestamp": AT_MS}

    [(raw, found)] = read(a_body("im_receive_msg_eu", content))

    assert (raw.kind, raw.mailbox, raw.page_external_id) == ("message_eu", "", ACCOUNT)
    assert found == Noticed("message_eu")


@pytest.mark.parametrize(
    ("event", "content", "kind"),
    [
        ("im_referral_msg", inbound(referral={"source": "ad", "ad": {"ad_id": "1"}}), "referral"),
        ("im_auto_message_config_update", {"auto_message_id": "1", "timestamp": AT_MS}, "auto_message"),
        ("im_auto_message_audit_update", {"audit_status": "APPROVED", "timestamp": AT_MS}, "auto_message"),
        ("tiktok.ping", {"reason": "testing Webhook"}, "unknown:tiktok.ping"),
        ("im_new_thing", {}, "unknown:im_new_thing"),
        ("\u0000 Ünheard of", {}, "unknown:___nheard_of"),
    ],
)
def test_what_changes_nothing_for_us_is_kept_and_counted(event: str, content: dict[str, object], kind: str) -> None:
    assert one(event, content) == Noticed(kind)


def test_a_comment_with_the_wish_to_buy_can_be_answered_in_private() -> None:
    content = inbound(comment_id="7400000000000000001", comment_text="How much?", conversation_id=None)

    found = one("im_receive_high_intent_comment", content)

    assert found == CommentChanged(
        "7400000000000000001", None, None, "add", PERSON, "grace", is_own=False, text="How much?", occurred_at=AT
    )


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        ("insert", "add"),
        ("delete", "remove"),
        ("set_to_hidden", "hide"),
        ("set_to_friends_only", "hide"),
        ("set_to_public", "unhide"),
    ],
)
def test_a_comment_has_numbers_as_ids_and_a_time_in_seconds(action: str, verb: str) -> None:
    content = {
        "comment_id": 7_400_000_000_000_000_111,
        "video_id": 7_400_000_000_000_000_009,
        "parent_comment_id": 7_400_000_000_000_000_110,
        "comment_type": "reply",
        "comment_action": action,
        "timestamp": 1_723_680_000,
        "unique_identifier": "u1",
        "text": "Nice!",
    }

    [(raw, found)] = read(a_body("comment.update", content))

    assert raw.mailbox == "post:7400000000000000009"
    assert found == CommentChanged(
        comment_id="7400000000000000111",
        post_id="7400000000000000009",
        parent_id="7400000000000000110",
        verb=verb,
        person="u1",
        person_name=None,
        is_own=False,
        text="Nice!",
        occurred_at=datetime.fromtimestamp(1_723_680_000, UTC),
    )


def test_our_own_comment_is_known_as_such_and_a_new_action_is_noticed() -> None:
    content = {"comment_id": 1, "video_id": 9, "comment_action": "insert", "timestamp": 1_723_680_000, "text": "x"}

    own = one("comment.update", content | {"unique_identifier": ACCOUNT})
    new = one("comment.update", content | {"comment_action": "set_on_fire"})

    assert isinstance(own, CommentChanged)
    assert (own.is_own, own.parent_id) == (True, None)
    assert new == Noticed("comment:set_on_fire")


def test_an_account_that_takes_its_rights_back_withdraws_its_grant() -> None:
    assert one("authorization.removed", {"reason": 1}) == GrantWithdrawn(ACCOUNT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{not json", "the content is not JSON"),
        ("", "the content is not JSON"),
        ("[]", "the content is not an object"),
        ('"text"', "the content is not an object"),
        ("null", "the content is not an object"),
        ('{"a":' * 70 + "1" + "}" * 70, "the content is nested too deeply"),
    ],
)
def test_a_content_that_cannot_be_read_is_kept_with_the_reason(content: str, reason: str) -> None:
    [(raw, found)] = read(a_body("im_receive_msg", content))

    assert (raw.kind, raw.page_external_id, raw.mailbox) == ("unreadable", ACCOUNT, "")
    assert raw.payload["event"] == "im_receive_msg"
    assert found == Unplaced(reason)


def test_a_content_that_is_an_object_already_is_read_all_the_same() -> None:
    envelope = json.loads(a_body("im_receive_msg", inbound(type="text", text={"body": "hello"})))
    envelope["content"] = json.loads(envelope["content"])

    [(_, found)] = read(json.dumps(envelope).encode())

    assert isinstance(found, MessageReceived)
    assert found.text == "hello"


def test_an_envelope_without_its_account_is_routed_by_the_business_account_inside() -> None:
    [(raw, _)] = read(a_body("im_receive_msg", inbound(type="text", text={"body": "x"}), user_openid=None))
    [(echo, _)] = read(a_body("im_send_msg", outbound(type="text", text={"body": "x"}), user_openid=None))

    assert (raw.page_external_id, echo.page_external_id) == (ACCOUNT, ACCOUNT)


def test_a_message_without_a_time_of_its_own_has_that_of_its_envelope_and_without_any_none() -> None:
    with_envelope = one("im_receive_msg", inbound(type="text", text={"body": "x"}, timestamp=None))
    without = one("im_receive_msg", inbound(type="text", text={"body": "x"}, timestamp=None), create_time=None)

    assert isinstance(with_envelope, MessageReceived)
    assert with_envelope.occurred_at == ms(AT_MS // 1000 * 1000)
    assert without == Unplaced("message: no time")


@pytest.mark.parametrize(
    ("event", "content", "reason"),
    [
        ("im_receive_msg", inbound(from_user=None, unique_identifier=None), "message: no person"),
        ("im_receive_msg", inbound(message_id=None), "message: no message id"),
        ("im_receive_msg", inbound(reaction=[]), "reaction: no reactions"),
        ("im_mark_read_msg", inbound(read={}), "read: no time up to which it was read"),
        ("comment.update", {"comment_action": "insert"}, "comment: no action or no comment id"),
        ("im_receive_high_intent_comment", inbound(), "intent: no comment id"),
    ],
)
def test_an_event_that_lacks_what_it_needs_says_so(event: str, content: dict[str, object], reason: str) -> None:
    assert one(event, content) == Unplaced(reason)


def test_a_duplicate_in_another_envelope_has_the_same_key_and_no_two_kinds_share_one() -> None:
    content = inbound(type="text", text={"body": "x"})
    connector = a_connector()

    [first] = connector.split(a_body("im_receive_msg", content))
    [again] = connector.split(a_body("im_receive_msg", content, create_time=1))
    [echo] = connector.split(a_body("im_send_msg", outbound(type="text", text={"body": "x"})))
    [seen] = connector.split(a_body("im_mark_read_msg", inbound(read={"last_read_timestamp": AT_MS})))
    [later] = connector.split(a_body("im_mark_read_msg", inbound(read={"last_read_timestamp": AT_MS + 1})))

    assert (first.kind, first.external_id) == (again.kind, again.external_id)
    assert len({(raw.kind, raw.external_id) for raw in (first, echo, seen, later)}) == 4


NAMES = [
    *(
        "from_user",
        "to_user",
        "id",
        "role",
        "type",
        "text",
        "body",
        "image",
        "media_id",
        "reaction",
        "read",
        "message_id",
    ),
    *(
        "last_read_timestamp",
        "unique_identifier",
        "timestamp",
        "template",
        "elements",
        "title",
        "comment_id",
        "share_post",
    ),
    *("comment_action", "video_id", "parent_comment_id", "operation", "original_msg_id", "emoji", "conversation_id"),
    *("reply_source_payload", "referenced_message_info", "message_tag", "source", "url", "embed_url", "video"),
]
WORDS = ["reaction", "text", "insert", "ADD", "REMOVE", ACCOUNT, PERSON, "1700000000000", "\ud800", "\x00", "API", ""]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
EVENTS = st.sampled_from(
    [
        *(
            "im_receive_msg",
            "im_send_msg",
            "im_mark_read_msg",
            "im_receive_msg_eu",
            "im_referral_msg",
            "comment.update",
        ),
        *("im_receive_high_intent_comment", "im_auto_message_config_update", "authorization.removed", "nothing"),
    ]
)


@given(EVENTS, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8), SCALARS, SCALARS)
def test_whatever_the_content_is_it_is_read_and_a_second_delivery_has_its_key(
    event: str, parts: dict[str, object], account: object, time: object
) -> None:
    connector = a_connector()
    body = json.dumps(
        {"event": event, "user_openid": account, "create_time": time, "content": json.dumps(inbound() | parts)}
    ).encode()

    with suppress(BodyMalformed):
        raws = connector.split(body)
        assert raws == connector.split(body)
        for raw in raws:
            assert 0 < len(raw.external_id) <= 255
            assert "\x00" not in raw.external_id + raw.mailbox + raw.page_external_id
            assert connector.parse(raw.kind, raw.page_external_id, raw.payload)
