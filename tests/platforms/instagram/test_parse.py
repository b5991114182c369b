"""Every documented event of Instagram (platforms.md 3.4), in every form in which it has been seen."""

from __future__ import annotations

import pytest

from server.platforms.port import (
    Attachment,
    CommentChanged,
    CommentKind,
    GrantWithdrawn,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    Noticed,
    OptedIn,
    Postback,
    Reacted,
    Read,
    Unplaced,
)
from tests.platforms.instagram.items import (
    ACCOUNT,
    AT,
    AT_MS,
    AT_S,
    PERSON,
    change,
    entry_of,
    message,
    messaging,
    only,
    read,
)


def test_a_text_that_answers_a_message_or_taps_a_quick_reply() -> None:
    event = only(message(text="Yes", reply_to={"mid": "m_0"}, quick_reply={"payload": "YES"}))

    assert event == MessageReceived(PERSON, "m_1", "Yes", (), AT, "m_0", "YES")


def test_a_story_mention_is_a_message_whose_media_must_not_be_stored() -> None:
    event = only(message(attachments=[{"type": "story_mention", "payload": {"url": "https://cdn/x"}}]))

    assert event == MessageReceived(
        PERSON, "m_1", None, (Attachment("story_mention", "https://cdn/x", may_be_stored=False),), AT
    )


def test_an_echo_of_a_story_mention_must_not_be_stored_either() -> None:
    item = {"mid": "m_1", "is_echo": True, "attachments": [{"type": "story_mention", "payload": {"url": "https://x"}}]}
    event = only(
        entry_of(
            messaging=[
                {"sender": {"id": ACCOUNT}, "recipient": {"id": PERSON}, "timestamp": AT_MS, "message": item},
            ]
        )
    )

    assert isinstance(event, MessageEchoed)
    assert (event.person, event.attachments[0].may_be_stored) == (PERSON, False)


def test_ephemeral_media_have_no_address_and_are_not_stored() -> None:
    event = only(message(attachments=[{"type": "ephemeral"}]))

    assert isinstance(event, MessageReceived)
    assert event.attachments == (Attachment("ephemeral", None, may_be_stored=False),)


SHARED = [
    ("image", {"url": "https://cdn/1"}, Attachment("image", "https://cdn/1")),
    ("video", {"url": "https://cdn/1"}, Attachment("video", "https://cdn/1")),
    ("audio", {"url": "https://cdn/1"}, Attachment("audio", "https://cdn/1")),
    ("file", {"url": "https://cdn/1"}, Attachment("file", "https://cdn/1")),
    ("share", {"url": "https://cdn/1"}, Attachment("share", "https://cdn/1")),
    ("ig_post", {"ig_post_media_id": "1", "title": "A", "url": "https://c"}, Attachment("ig_post", "https://c", "A")),
    ("ig_reel", {"reel_video_id": "1", "title": "A", "url": "https://c"}, Attachment("ig_reel", "https://c", "A")),
    ("reel", {"url": "https://cdn/1"}, Attachment("reel", "https://cdn/1")),
    ("story", {"url": "https://cdn/1"}, Attachment("story", "https://cdn/1", may_be_stored=False)),
    ("ig_story", {"url": "https://cdn/1"}, Attachment("ig_story", "https://cdn/1", may_be_stored=False)),
    ("unsupported_type", {"url": "https://cdn/1"}, Attachment("unsupported_type", "https://cdn/1")),
    ("something_new", {}, Attachment("something_new", None)),
    ("fallback", None, Attachment("fallback", None)),
]


@pytest.mark.parametrize(("kind", "payload", "expected"), SHARED, ids=[case[0] for case in SHARED])
def test_every_kind_of_attachment_is_read_and_unknown_ones_break_nothing(
    kind: str, payload: dict[str, object] | None, expected: Attachment
) -> None:
    event = only(message(attachments=[{"type": kind, "payload": payload}]))

    assert isinstance(event, MessageReceived)
    assert event.attachments == (expected,)


def test_what_the_api_cannot_show_is_a_message_without_content() -> None:
    event = only(message(is_unsupported=True))

    assert isinstance(event, MessageReceived)
    assert (event.is_unsupported, event.text, event.attachments) == (True, None, ())


def test_an_unsent_message_takes_its_content_back() -> None:
    assert only(message(is_deleted=True)) == MessageUnsent(PERSON, "m_1", AT)


def test_an_account_that_writes_to_itself_is_only_noticed() -> None:
    item = {
        "sender": {"id": ACCOUNT},
        "recipient": {"id": ACCOUNT},
        "timestamp": AT_MS,
        "message": {"mid": "m_1", "text": "test", "is_self": True, "is_echo": True},
    }

    assert only(entry_of(messaging=[item])) == Noticed("message:self")
    assert isinstance(only(message(text="test", is_self=True)), MessageReceived)


def test_an_ad_and_a_shop_are_noticed_beside_the_message() -> None:
    for referral in ({"ref": "r", "ad_id": "1", "source": "ADS", "type": "OPEN_THREAD"}, {"product": {"id": "9"}}):
        events = [event for _, event in message(text="Hi", referral=referral)]

        assert isinstance(events[0], MessageReceived)
        assert events[1:] == [Noticed("referral")]


def test_seen_names_a_message_and_has_no_watermark() -> None:
    told = messaging(read={"mid": "m_9"})

    assert only(told) == Read(PERSON, ("m_9",), None)
    assert told[0][0].kind == "read"


def test_a_button_a_link_and_an_opt_in() -> None:
    tapped = only(messaging(postback={"mid": "m_2", "title": "Start", "payload": "START"}))
    optin = {
        "type": "notification_messages",
        "payload": "news",
        "notification_messages_token": "tok",
        "token_expiry_timestamp": AT_MS,
        "title": "News",
    }

    assert tapped == Postback(PERSON, "m_2", "Start", "START", AT)
    assert only(messaging(referral={"ref": "r", "source": "SHORTLINKS", "type": "OPEN_THREAD"})) == Noticed("referral")
    assert only(messaging(optin=optin)) == OptedIn(PERSON, "news", "News", "tok", AT, AT)
    assert only(messaging(pass_thread_control={"new_owner_app_id": 1})) == Noticed("handover:pass_thread_control")


def test_an_edit_reads_the_same_in_both_forms() -> None:
    edit = {"mid": "m_1", "text": "Better", "num_edit": 2}

    plain = messaging(message_edit=edit)
    changed = change("message_edit", **edit, **{"timestamp": AT_MS // 1000, "from": {"id": PERSON, "username": "a"}})

    assert only(plain) == MessageEdited(PERSON, "m_1", "Better", 2, AT)
    assert only(changed) == MessageEdited(PERSON, "m_1", "Better", 2, AT_S)
    [(one, _)], [(other, _)] = plain, changed
    assert (one.kind, one.external_id, one.mailbox) == (other.kind, other.external_id, other.mailbox)


def test_a_reaction_reads_the_same_in_both_forms() -> None:
    reaction = {"mid": "m_1", "action": "react", "reaction": "love", "emoji": "❤"}

    plain = messaging(reaction=reaction)
    changed = change("message_reactions", **reaction, **{"timestamp": AT_MS // 1000, "from": {"id": PERSON}})
    undone = change(
        "message_reactions", mid="m_1", action="unreact", timestamp=AT_MS // 1000, **{"from": {"id": PERSON}}
    )

    assert only(plain) == Reacted(PERSON, "m_1", "❤", AT)
    assert only(changed) == Reacted(PERSON, "m_1", "❤", AT_S)
    assert only(undone) == Reacted(PERSON, "m_1", None, AT_S)
    assert {told[0][0].kind for told in (plain, changed, undone)} == {"reaction"}


def test_a_reaction_of_the_account_itself_is_only_noticed() -> None:
    told = change("message_reactions", mid="m_1", action="react", timestamp=1, **{"from": {"id": ACCOUNT}})

    assert only(told) == Noticed("reaction:own")


def test_a_whole_messaging_item_inside_a_change_is_read() -> None:
    parties = {"sender": {"id": PERSON}, "recipient": {"id": ACCOUNT}, "timestamp": str(AT_MS // 1000)}

    event = only(change("messages", **parties, message={"mid": "m_1", "text": "Hi"}))
    seen = only(change("messaging_seen", **parties, read={"mid": "m_1"}))

    assert event == MessageReceived(PERSON, "m_1", "Hi", (), AT_S)
    assert seen == Read(PERSON, ("m_1",), None)


def test_what_another_app_received_is_read_as_well() -> None:
    item = {
        "sender": {"id": PERSON},
        "recipient": {"id": ACCOUNT},
        "timestamp": AT_MS,
        "message": {"mid": "m_1", "text": "Hi"},
    }

    assert only(entry_of(standby=[item])) == MessageReceived(PERSON, "m_1", "Hi", (), AT)


VALUE = {
    "id": "c_1",
    "text": "Love it",
    "from": {"id": "u_1", "username": "alice"},
    "media": {"id": "p_1", "media_product_type": "FEED"},
}


def test_a_comment_reads_the_same_with_and_without_a_list_of_changes() -> None:
    listed, flat = change("comments", **VALUE), entry_of(field="comments", value=VALUE)

    expected = CommentChanged("c_1", "p_1", None, "add", "u_1", "alice", False, "Love it", AT)
    assert only(listed) == only(flat) == expected
    assert listed[0][0].external_id == flat[0][0].external_id


def test_a_comment_with_its_own_time_and_verb() -> None:
    removed = only(change("comments", id="c_1", verb="removed", created_time=AT_MS // 1000))

    assert removed == CommentChanged("c_1", None, None, "remove", None, None, False, None, AT_S)
    assert only(change("comments", id="c_1", verb="blessed")) == Noticed("comment:blessed")


def test_a_comment_of_the_account_itself_is_known_as_its_own() -> None:
    own = only(change("comments", **{**VALUE, "from": {"id": ACCOUNT, "username": "us"}, "parent_id": "c_0"}))

    assert isinstance(own, CommentChanged)
    assert (own.is_own, own.parent_id) == (True, "c_0")


def test_a_comment_without_author_or_media_is_read() -> None:
    for field in ("comments", "live_comments"):
        event = only(change(field, id="c_1", text="Hi"))

        assert event == CommentChanged("c_1", None, None, "add", None, None, False, "Hi", AT)


def test_a_mention_is_told_by_its_ids_alone() -> None:
    in_comment = only(change("mentions", comment_id="c_1", media_id="p_1"))
    in_caption = only(change("mentions", media_id="p_1"))

    assert in_comment == CommentChanged(
        "c_1", "p_1", None, "add", None, None, False, None, AT, kind=CommentKind.MENTION
    )
    assert isinstance(in_caption, CommentChanged)
    assert (in_caption.comment_id, in_caption.kind) == ("p_1", CommentKind.MENTION)


def test_numbers_of_a_story_are_noticed_and_unknown_fields_kept() -> None:
    assert only(change("story_insights", media_id="p_1", reach=44)) == Noticed("story_insights")
    assert only(change("horoscope", sign="leo")) == Noticed("unknown:instagram.horoscope")
    assert only(messaging(hologram={"mid": "m_1"})) == Noticed("unknown:instagram.hologram")


def test_a_right_that_was_taken_back_is_told() -> None:
    body = b'{"object":"permissions","entry":[{"uid":"77","id":"77","time":1700000000,"changes":'
    body += b'[{"field":"instagram_manage_messages","value":{"verb":"revoked"}}]}]}'

    assert only(read(body)) == GrantWithdrawn("77", ("instagram_manage_messages",))


@pytest.mark.parametrize(
    "told",
    [
        message(text="no id", mid=None),
        messaging(read={}),
        messaging(reaction={"mid": "m_1", "action": "juggle"}),
        change("message_edit", text="x", **{"from": {"id": PERSON}}),
        change("comments", text="no id"),
        change("mentions"),
    ],
)
def test_what_lacks_its_parts_becomes_a_dead_letter_and_no_error(told: list[tuple[object, object]]) -> None:
    [(_, event)] = told

    assert isinstance(event, Unplaced)
    assert event.reason
