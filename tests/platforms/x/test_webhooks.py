"""Both generations of X's webhooks, read as documented (platforms.md 4.5)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from server.platforms.port import (
    Attachment,
    BodyMalformed,
    CommentChanged,
    CommentKind,
    GrantWithdrawn,
    MessageEchoed,
    MessageReceived,
    Noticed,
    Read,
    Unplaced,
)
from tests.platforms.x.bodies import (
    ACCOUNT,
    AT_MS,
    MESSAGE_ID,
    PERSON,
    a_message,
    event_of,
    key_of,
    ms,
    newer,
    newer_dm,
    older,
    read,
)
from tests.platforms.x.factory import a_connector

Published = Callable[[str], bytes]
AT = ms(AT_MS)


def test_the_published_message_of_the_older_generation_is_read(published: Published) -> None:
    [(raw, event)] = read(published("x-aaa-dm-text"))

    key = ("4337869213", "dm", "954491830116155396", "3001969357")
    assert (raw.page_external_id, raw.kind, raw.external_id, raw.mailbox) == key
    assert raw.occurred_at == ms(1_516_403_560_557)
    assert event == MessageReceived("3001969357", "954491830116155396", "Hello World!", (), ms(1_516_403_560_557))


def test_the_published_message_of_the_newer_generation_is_read(published: Published) -> None:
    [(raw, event)] = read(published("x-xaa-dm-received"))

    assert (raw.page_external_id, raw.kind, raw.external_id, raw.mailbox) == (ACCOUNT, "dm", MESSAGE_ID, PERSON)
    assert event == MessageReceived(PERSON, MESSAGE_ID, "hello!", (), AT)


def test_one_message_has_one_key_through_both_generations_and_both_types() -> None:
    inbound = {
        key_of(older("direct_message_events", a_message())),
        key_of(newer_dm("dm.received", a_message())),
        key_of(newer_dm("dm.sent", a_message())),
    }

    assert inbound == {(ACCOUNT, "dm", MESSAGE_ID)}


def test_a_message_between_two_of_our_accounts_is_one_event_for_each() -> None:
    between = a_message(sender=PERSON, to=ACCOUNT)

    sent, received = newer_dm("dm.sent", between, account=PERSON), newer_dm("dm.received", between, account=ACCOUNT)

    assert key_of(sent) == (PERSON, "dm", MESSAGE_ID)
    assert key_of(received) == (ACCOUNT, "dm", MESSAGE_ID)
    assert event_of(sent) == MessageEchoed(ACCOUNT, MESSAGE_ID, "hello!", (), AT)
    assert event_of(received) == MessageReceived(PERSON, MESSAGE_ID, "hello!", (), AT)


@pytest.mark.parametrize("tell", [lambda e: older("direct_message_events", e), lambda e: newer_dm("dm.sent", e)])
def test_what_the_account_wrote_is_an_echo_with_its_app(tell: Callable[[dict[str, object]], bytes]) -> None:
    item = a_message(sender=ACCOUNT, to=PERSON)
    item["message_create"]["source_app_id"] = "13090192"  # type: ignore[index]

    [(raw, event)] = read(tell(item))

    assert raw.mailbox == PERSON
    assert event == MessageEchoed(PERSON, MESSAGE_ID, "hello!", (), AT, app_id="13090192")


def test_ids_may_be_numbers_and_the_time_may_be_missing() -> None:
    item = a_message()
    item |= {"id": int(MESSAGE_ID)}
    del item["created_timestamp"]

    event = event_of(older("direct_message_events", item))

    assert isinstance(event, MessageReceived)
    assert event.message_id == MESSAGE_ID
    assert abs((event.occurred_at - AT).total_seconds()) < 0.1


def test_media_is_named_so_that_it_can_be_fetched_signed_in() -> None:
    url = f"https://ton.twitter.com/1.1/ton/data/dm/{MESSAGE_ID}/1083/hhM3.jpg"
    media = {"id": 1083, "id_str": "1083", "type": "photo", "media_url": "http://x/", "media_url_https": url}

    event = event_of(older("direct_message_events", a_message(attachment={"type": "media", "media": media})))

    assert isinstance(event, MessageReceived)
    assert event.attachments == (Attachment("image", url, media_id="1083"),)


def test_a_tapped_quick_reply_brings_its_payload() -> None:
    chosen = {"type": "options", "metadata": "external_id_2"}

    event = event_of(newer_dm("dm.received", a_message(quick_reply_response=chosen)))

    assert isinstance(event, MessageReceived)
    assert (event.quick_reply_payload, event.text) == ("external_id_2", "hello!")


def test_a_message_without_words_and_media_is_kept_as_unsupported() -> None:
    event = event_of(newer_dm("dm.received", a_message(text="")))

    assert isinstance(event, MessageReceived)
    assert (event.text, event.is_unsupported) == (None, True)


def test_a_group_is_one_party_so_that_an_answer_never_reaches_more_people_than_meant() -> None:
    heard, said = a_message(to=None), a_message(sender=ACCOUNT, to=None, message_id="7")
    group = {"dm_conversation_id": "1582103724607971332"}

    [(raw, received)] = read(newer_dm("dm.received", heard | group))
    echoed = event_of(newer_dm("dm.sent", said | group))

    assert raw.mailbox == "1582103724607971332"
    assert isinstance(received, MessageReceived)
    assert (received.person, received.thread_id) == ("1582103724607971332", "1582103724607971332")
    assert isinstance(echoed, MessageEchoed)
    assert (echoed.person, echoed.thread_id) == ("1582103724607971332", "1582103724607971332")
    assert (received.writer, echoed.is_group) == (PERSON, True)


def test_a_conversation_of_two_that_is_named_stays_one_of_two() -> None:
    item = a_message() | {"dm_conversation_id": f"{ACCOUNT}-{PERSON}"}

    assert event_of(newer_dm("dm.received", item)) == MessageReceived(PERSON, MESSAGE_ID, "hello!", (), AT)


def mark(**more: object) -> dict[str, object]:
    """A typing sign, or with last_read_event_id a read mark."""
    return {"created_timestamp": "1784928999000", "sender_id": PERSON, "target": {"recipient_id": ACCOUNT}, **more}


def test_a_read_mark_reaches_up_to_the_moment_in_the_id_of_the_last_message() -> None:
    item = mark(last_read_event_id=MESSAGE_ID)
    tell = older("direct_message_mark_read_events", item)
    again = newer("dm.read", {"direct_message_mark_read_events": [item]})

    [(raw, event)] = read(tell)

    # The message's own time is 30 ms after the moment in its id, so it is named as well.
    assert event == Read(PERSON, (MESSAGE_ID,), ms(AT_MS - 30))
    assert raw.mailbox == PERSON
    assert key_of(tell) == key_of(again)
    assert event_of(again) == event


def test_a_read_mark_of_the_newer_generation_may_stand_in_its_payload_alone() -> None:
    assert event_of(newer("dm.read", mark(last_read_event_id="954491830116155396"))) == Read(
        PERSON, ("954491830116155396",), ms(1_516_403_560_557)
    )


def test_a_read_mark_belongs_to_the_account_it_came_to_though_it_is_neither_party() -> None:
    body = older("direct_message_mark_read_events", mark(last_read_event_id=MESSAGE_ID), account="3284025577")

    [(raw, event)] = read(body)

    assert raw.page_external_id == "3284025577"
    assert isinstance(event, Read)
    assert event.person == PERSON


def test_what_the_account_itself_read_is_only_noticed() -> None:
    item = mark(last_read_event_id=MESSAGE_ID) | {"sender_id": ACCOUNT, "target": {"recipient_id": PERSON}}

    assert event_of(older("direct_message_mark_read_events", item)) == Noticed("read_by_account")


TYPING = [
    ("older", older("direct_message_indicate_typing_events", mark())),
    ("newer, in a list", newer("dm.indicate_typing", {"direct_message_indicate_typing_events": [mark()]})),
    ("newer, alone", newer("dm.indicate_typing", mark())),
]


@pytest.mark.parametrize(("_case", "body"), TYPING, ids=[case[0] for case in TYPING])
def test_typing_is_only_noticed(_case: str, body: bytes) -> None:
    assert event_of(body) == Noticed("typing")
    assert key_of(body) == key_of(TYPING[0][1])


@pytest.mark.parametrize("event_type", ["chat.received", "chat.sent"])
def test_an_encrypted_message_is_a_stub(event_type: str) -> None:
    assert event_of(newer(event_type, {"id": "9", "encrypted": "opaque"})) == Noticed("chat")


OLDER_POST: dict[str, object] = {
    "created_at": "Fri Jul 24 21:23:44 +0000 2026",
    "id": 5555,
    "id_str": "5555",
    "text": "@bakery is it open?",
    "user": {"id_str": PERSON, "name": "Grace", "screen_name": "grace"},
    "in_reply_to_status_id_str": None,
    "in_reply_to_user_id_str": None,
    "entities": {"user_mentions": [{"id_str": ACCOUNT}]},
}
NEWER_POST: dict[str, object] = {
    "id": "5555",
    "text": "@bakery is it open?",
    "author_id": PERSON,
    "created_at": "2026-07-24T21:23:44.000Z",
    "conversation_id": "5555",
}
POSTED_AT = ms(1_784_928_224_000)


def test_a_mention_is_read_alike_from_both_generations() -> None:
    before, after = older("tweet_create_events", OLDER_POST), newer("post.mention.create", NEWER_POST)

    assert key_of(before) == key_of(after) == (ACCOUNT, "post", "5555")
    for body, name in ((before, "Grace"), (after, None)):
        event = event_of(body)
        assert isinstance(event, CommentChanged)
        assert (event.comment_id, event.verb, event.kind) == ("5555", "add", CommentKind.MENTION)
        assert (event.person, event.person_name, event.is_own) == (PERSON, name, False)
        assert (event.text, event.occurred_at) == ("@bakery is it open?", POSTED_AT)


def test_a_reply_to_the_account_is_a_comment_below_its_post() -> None:
    answer = {"in_reply_to_status_id_str": "4444", "in_reply_to_user_id_str": ACCOUNT}
    after = NEWER_POST | {
        "in_reply_to_user_id": ACCOUNT,
        "conversation_id": "4444",
        "referenced_tweets": [{"type": "replied_to", "id": "4444"}],
    }

    for body in (older("tweet_create_events", OLDER_POST | answer), newer("post.reply.create", {"data": after})):
        event = event_of(body)
        assert isinstance(event, CommentChanged)
        assert (event.kind, event.post_id, event.parent_id) == (CommentKind.COMMENT, "4444", "4444")


def test_the_name_of_an_author_may_stand_beside_the_post() -> None:
    includes = {"users": [{"id": PERSON, "name": "Grace", "username": "grace"}]}

    event = event_of(newer("post.mention.create", {"data": NEWER_POST, "includes": includes}))

    assert isinstance(event, CommentChanged)
    assert event.person_name == "Grace"


def test_the_whole_of_a_long_post_is_read() -> None:
    longer = OLDER_POST | {"extended_tweet": {"full_text": "@bakery " + "long " * 60}}

    event = event_of(older("tweet_create_events", longer))

    assert isinstance(event, CommentChanged)
    assert event.text == "@bakery " + "long " * 60


def test_what_the_account_posts_is_its_own_and_retweets_are_only_noticed() -> None:
    own = OLDER_POST | {"user": {"id_str": ACCOUNT}}
    answer = own | {"in_reply_to_status_id_str": "5", "in_reply_to_user_id_str": PERSON}

    reply = event_of(older("tweet_create_events", answer))

    assert event_of(older("tweet_create_events", own)) == Noticed("own_post")
    assert event_of(older("tweet_create_events", OLDER_POST | {"retweeted_status": {"id": 1}})) == Noticed("retweet")
    assert isinstance(reply, CommentChanged)
    assert reply.is_own


def test_a_deleted_post_is_removed() -> None:
    gone = {"status": {"id": "5555", "user_id": PERSON}, "timestamp_ms": str(AT_MS)}

    event = event_of(older("tweet_delete_events", gone))

    assert isinstance(event, CommentChanged)
    assert (event.comment_id, event.verb, event.person, event.occurred_at) == ("5555", "remove", PERSON, AT)


def test_a_person_who_takes_our_rights_back_is_told_without_an_account_in_the_envelope() -> None:
    revoke = {
        "date_time": "2018-05-24T09:48:12+00:00",
        "target": {"app_id": "13090192"},
        "source": {"user_id": ACCOUNT},
    }

    [(raw, event)] = read(json.dumps({"user_event": {"revoke": revoke}}).encode())

    assert (raw.page_external_id, raw.kind) == (ACCOUNT, "revoke")
    assert event == GrantWithdrawn(ACCOUNT)


@pytest.mark.parametrize("payload", [{}, {"user_id": ACCOUNT}, {"revoke": {"source": {"user_id": ACCOUNT}}}])
def test_a_revocation_of_the_newer_generation_is_about_the_account_of_its_filter(payload: object) -> None:
    assert event_of(newer("oauth.revoke", payload)) == GrantWithdrawn(ACCOUNT)


def test_other_events_are_kept_raw_and_counted_by_their_type() -> None:
    follow = {"type": "follow", "created_timestamp": str(AT_MS), "source": {"id": PERSON}, "target": {"id": ACCOUNT}}

    assert event_of(older("follow_events", follow)) == Noticed("unknown:follow_events")
    assert event_of(newer("profile.update.bio", {"before": "a", "after": "b"})) == Noticed("unknown:profile.update.bio")
    assert event_of(older("direct_message_events", {"type": "participants_join", "id": "3"})) == Noticed(
        "unknown:direct_message_events"
    )


def test_several_events_of_one_body_are_kept_in_order_and_a_strange_one_harms_no_other() -> None:
    body = json.loads(older("direct_message_events", a_message(message_id="7"), a_message(message_id="8")))
    body["direct_message_events"].insert(1, "what is this?")
    body["follow_events"] = "none"

    found = read(json.dumps(body).encode())

    assert [raw.external_id for raw, _ in found if raw.kind == "dm"] == ["7", "8"]
    assert [type(event) for _, event in found] == [MessageReceived, Unplaced, MessageReceived, Unplaced]


def test_a_list_of_envelopes_of_several_accounts_is_read_whole() -> None:
    first = json.loads(older("direct_message_events", a_message()))
    second = json.loads(newer_dm("dm.received", a_message(to="42", message_id="9"), account="42"))

    found = read(json.dumps([first, second]).encode())

    assert [(raw.page_external_id, raw.external_id) for raw, _ in found] == [(ACCOUNT, MESSAGE_ID), ("42", "9")]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"data":{}}', b'{"data":5}', b"\xff", b"7"])
def test_a_body_without_an_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        a_connector().split(body)


BROKEN = [
    ("no id", {"type": "message_create", "message_create": {"sender_id": PERSON}}),
    ("no sender", {"id": "7", "type": "message_create", "message_create": {"target": {"recipient_id": ACCOUNT}}}),
    ("an id that holds no moment", a_message(message_id="abc") | {"created_timestamp": "soon"}),
    ("between others", a_message(sender="5", to="6")),
]


@pytest.mark.parametrize(("_case", "item"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_message_that_lacks_what_it_needs_is_unplaced_with_a_reason(_case: str, item: dict[str, object]) -> None:
    event = event_of(older("direct_message_events", item))

    assert isinstance(event, Unplaced)
    assert event.reason
