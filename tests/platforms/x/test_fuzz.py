"""Whatever the JSON is, splitting and reading it never raises, and a second delivery has the same keys."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from server.platforms.port import BodyMalformed
from tests.platforms.nul import has_nul
from tests.platforms.x.factory import a_connector

NAMES = [
    *(
        "for_user_id",
        "user_event",
        "revoke",
        "source",
        "target",
        "user_id",
        "date_time",
        "data",
        "event_type",
        "filter",
    ),
    *("payload", "direct_message_events", "direct_message_mark_read_events", "tweet_create_events", "message_create"),
    *("direct_message_indicate_typing_events", "tweet_delete_events", "sender_id", "recipient_id", "message_data"),
    *("id", "id_str", "type", "text", "created_timestamp", "attachment", "media", "last_read_event_id", "status"),
    *("user", "referenced_tweets", "in_reply_to_user_id", "in_reply_to_status_id_str", "author_id", "created_at", "_x"),
    *("conversation_id", "dm_conversation_id", "event_uuid", "includes", "users", "timestamp_ms", "extended_tweet"),
]
WORDS = [
    *("100", "7", "7-100", "dm.received", "dm.sent", "dm.read", "chat.received", "post.mention.create", "oauth.revoke"),
    *("954491830116155396", "1700000000000", "message_create", "\ud800", "\x00", "Wed Oct 10 20:19:24 +0000 2018"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
OLDER = st.builds(
    lambda account, extra: {"for_user_id": account, **extra},
    SCALARS,
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)
NEWER = st.fixed_dictionaries(
    {"data": st.fixed_dictionaries({"event_type": SCALARS}, optional={"filter": VALUES, "payload": VALUES})}
)
REVOKED = st.fixed_dictionaries({"user_event": VALUES})
KINDS = ["dm", "typing", "read", "post", "post_gone", "revoke", "chat", "unknown", "unreadable", "no such kind"]


@settings(max_examples=200, deadline=None)
@given(OLDER | NEWER | REVOKED | st.lists(OLDER | NEWER, min_size=1, max_size=3))
def test_an_envelope_of_anything_is_split_and_read_without_an_error(envelope: object) -> None:
    connector = a_connector()
    body = json.dumps(envelope).encode()

    first, second = connector.split(body), connector.split(body)

    assert first == second
    for raw in first:
        assert 0 < len(raw.external_id) <= 255
        assert raw.kind in KINDS
        assert raw.occurred_at.tzinfo is not None
        stored = json.dumps(raw.payload)
        assert not has_nul(raw.payload)
        assert "\x00" not in raw.external_id + raw.mailbox + raw.page_external_id
        assert connector.parse(raw.kind, raw.page_external_id, json.loads(stored))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_a_stored_payload_of_anything_is_read_without_an_error(kind: str, payload: dict[str, object]) -> None:
    assert a_connector().parse(kind, "100", json.loads(json.dumps(payload)))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_anything_are_split_or_refused(body: bytes) -> None:
    with suppress(BodyMalformed):
        a_connector().split(body)
