"""Whatever the JSON is, splitting and reading it never raises, and a second delivery has the same keys."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from server.platforms.port import BodyMalformed
from tests.platforms.factory import a_connector
from tests.platforms.nul import has_nul

NAMES = [
    *("sender", "recipient", "timestamp", "message", "message_edit", "delivery", "read", "reaction", "postback"),
    *("optin", "referral", "policy_enforcement", "policy-enforcement", "app_roles", "field", "value", "mid", "text"),
    *("id", "is_echo", "is_deleted", "attachments", "payload", "url", "watermark", "mids", "num_edit", "action"),
    *("item", "verb", "comment_id", "post_id", "from", "created_time", "open_graph_story_id", "recipient_id"),
    *("message_id", "marketing_message_tracking_id", "type", "notification_messages_token", "coordinates", "lat"),
    *("token_expiry_timestamp", "notification_messages_status", "_entry", "time", "object", "quick_reply", "long"),
]
WORDS = [
    *("100", "7", "comment", "rating", "add", "react", "STOP", "notification_messages", "1700000000000", "m_1"),
    *("feed", "ratings", "marketing_message_echoes", "marketing_message_delivery_failed", "messages", "\ud800", "\x00"),
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
    max_leaves=20,
)
PARTY = st.fixed_dictionaries({"id": st.sampled_from(["100", 100, "7", 7, None])})
ITEMS = st.builds(
    lambda base, extra: {**base, **extra},
    st.fixed_dictionaries({}, optional={"sender": PARTY, "recipient": PARTY, "timestamp": SCALARS}),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)
CHANGES = st.fixed_dictionaries({"field": st.sampled_from(WORDS), "value": VALUES | ITEMS})
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "id": SCALARS,
        "time": SCALARS,
        "messaging": st.lists(ITEMS | VALUES, max_size=3) | VALUES,
        "standby": st.lists(ITEMS, max_size=2),
        "changes": st.lists(CHANGES | VALUES, max_size=3) | VALUES,
    },
)
ENVELOPES = st.fixed_dictionaries({"object": st.sampled_from(["page", "page", "user", 5]), "entry": st.lists(ENTRIES)})
KINDS = [
    *("message", "echo", "unsent", "edit", "delivery", "read", "reaction", "postback", "optin", "policy", "handover"),
    *("referral", "feed", "rating", "marketing_echo", "marketing_delivery", "marketing_read", "marketing_failed"),
    *("standby", "unknown", "unreadable", "template_status", "marketing_click", "no such kind"),
]


@settings(max_examples=150, deadline=None)
@given(ENVELOPES)
def test_an_envelope_of_anything_is_split_and_read_without_an_error(envelope: dict[str, object]) -> None:
    connector = a_connector()
    body = json.dumps(envelope).encode()

    first, second = connector.split(body), connector.split(body)

    assert first == second
    for raw in first:
        assert len(raw.external_id) <= 255
        assert raw.external_id
        assert raw.kind == raw.kind.lower()
        assert raw.occurred_at.tzinfo is not None
        stored = json.dumps(raw.payload)
        assert not has_nul(raw.payload)
        assert connector.parse(raw.kind, raw.page_external_id, json.loads(stored))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
def test_any_payload_under_any_kind_is_read_without_an_error(kind: str, payload: dict[str, object]) -> None:
    assert a_connector().parse(kind, "100", payload)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,\\u d8009aeN', max_size=80).map(str.encode))
def test_any_bytes_are_split_or_called_malformed(body: bytes) -> None:
    with suppress(BodyMalformed):
        assert isinstance(a_connector().split(body), list)
