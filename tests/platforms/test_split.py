"""Bodies as they come: envelopes, keys, strange entries, hostile JSON."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from server.platforms.port import BodyMalformed, MessageReceived, Unplaced
from tests.platforms.factory import a_connector
from tests.platforms.items import AT_MS, MARKETING, change, events_of, messaging, raw_of
from tests.platforms.nul import has_nul


def body_of(*entries: object) -> bytes:
    return json.dumps({"object": "page", "entry": list(entries)}).encode()


MALFORMED = [
    ("empty", b""),
    ("not JSON", b"hello"),
    ("not UTF-8", b'{"object":"page","entry":["\xff"]}'),
    ("NaN", b'{"object":"page","entry":[NaN]}'),
    ("Infinity", b'{"object":"page","entry":[1e999]}'),
    ("a million deep", b"[" * 1_000_000 + b"]" * 1_000_000),
    ("a million deep inside an entry", b'{"object":"page","entry":[' + b'{"a":' * 500_000),
    ("a number", b"42"),
    ("null", b"null"),
    ("an empty list", b"[]"),
    ("a list of numbers", b"[1,2]"),
    ("no entry", b'{"object":"page"}'),
    ("an entry that is no list", b'{"object":"page","entry":{"id":"1"}}'),
    ("two documents", body_of() + body_of()),
]


@pytest.mark.parametrize(("_case", "body"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_a_body_without_an_envelope_is_malformed(_case: str, body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        a_connector().split(body)


def test_a_list_of_envelopes_is_one_body() -> None:
    item = messaging(message={"mid": "m", "text": "Hi"})
    envelope = {"object": "page", "entry": [{"id": "100", "messaging": [item]}]}
    other = {"object": "page", "entry": [{"id": 200, "messaging": [item]}]}

    raw = a_connector().split(json.dumps([envelope, "nonsense", other]).encode())

    assert [(one.page_external_id, one.kind) for one in raw] == [
        ("100", "message"),
        ("", "unreadable"),
        ("200", "message"),
    ]


def test_one_strange_item_never_refuses_its_batch() -> None:
    deep: object = "x"
    for _ in range(500):
        deep = {"a": deep}
    good = messaging(message={"mid": "m", "text": "Hi"})
    entries = [
        7,
        {"id": "100", "messaging": "nonsense"},
        {"id": "100", "messaging": [None, {"message": deep}, messaging(), good]},
        {"id": "100"},
        {"id": "100", "changes": [{"value": {}}]},
    ]

    raw = a_connector().split(body_of(*entries))

    assert [one.kind for one in raw] == ["unreadable"] * 5 + ["message"] + ["unreadable"] * 2
    assert len({one.external_id for one in raw}) == len(raw)
    for one in raw:
        if one.kind == "unreadable":
            [event] = events_of(one)
            assert isinstance(event, Unplaced)
    assert isinstance(events_of(raw[5])[0], MessageReceived)


def test_half_an_emoji_costs_one_character_and_not_the_body() -> None:
    text = rb"cut \ud83d off, whole \ud83d\ude00, and a backslash \\ud83d"
    body = body_of({"id": "100", "messaging": [messaging(message={"mid": "m", "text": "TEXT"})]})

    [raw] = a_connector().split(body.replace(b"TEXT", text))

    [event] = events_of(raw)
    assert isinstance(event, MessageReceived)
    assert event.text == "cut \ufffd off, whole 😀, and a backslash \\ud83d"


def test_a_nul_never_reaches_the_database() -> None:
    [raw] = raw_of(messaging(message={"mid": "m\x00", "text": "a\x00b"}))

    assert not has_nul(raw.payload)
    assert "\x00" not in raw.external_id
    assert raw.payload["message"] == {"mid": "m\ufffd", "text": "a\ufffdb"}


def test_an_entry_that_names_no_page_finds_it_in_the_item() -> None:
    [inbound] = a_connector().split(body_of({"messaging": [messaging(message={"mid": "m"})]}))
    [paid] = a_connector().split(body_of({"changes": [change("marketing_message_reads", **MARKETING)]}))

    assert (inbound.page_external_id, inbound.mailbox) == ("100", "7")
    assert paid.page_external_id == "100"


SAME_MID = [
    messaging(message={"mid": "m", "text": "Hi"}),
    messaging(message={"mid": "m", "is_echo": True, "text": "Hi"}),
    messaging(message={"mid": "m", "is_deleted": True}),
    messaging(message_edit={"mid": "m", "text": "a", "num_edit": 1}),
    messaging(message_edit={"mid": "m", "text": "b", "num_edit": 2}),
    messaging(reaction={"mid": "m", "action": "react", "reaction": "love"}),
    messaging(reaction={"mid": "m", "action": "react", "reaction": "love"}) | {"timestamp": AT_MS + 1},
    messaging(reaction={"mid": "m", "action": "unreact"}),
    messaging(reaction={"mid": "m", "action": "unreact"}) | {"sender": {"id": "8"}},
    messaging(delivery={"mids": ["m"], "watermark": AT_MS}),
    messaging(delivery={"mids": ["m", "n"], "watermark": AT_MS}),
    messaging(read={"watermark": AT_MS}),
    messaging(read={"watermark": AT_MS + 1}),
    messaging(read={"mid": "m"}),
    messaging(postback={"mid": "m", "payload": "x"}),
    messaging(optin={"type": "notification_messages", "payload": "x", "notification_messages_token": "t"}),
    messaging(
        optin={
            "type": "notification_messages",
            "payload": "x",
            "notification_messages_token": "t",
            "notification_messages_status": "STOP NOTIFICATIONS",
        }
    ),
]


def test_events_with_the_same_message_id_never_collide() -> None:
    keys = [(raw.kind, raw.external_id) for item in SAME_MID for raw in raw_of(item)]

    assert len(keys) == len(SAME_MID)
    assert all(one != other for one, other in combinations(keys, 2))


def test_a_second_delivery_has_the_same_key_though_its_entry_has_another_time() -> None:
    for item in [*SAME_MID, messaging(teleport=1)]:
        first, second = (
            a_connector().split(body_of({"id": "100", "time": time, "messaging": [shown]}))[0]
            for time, shown in ((AT_MS, item), (AT_MS + 5_000, dict(reversed(item.items()))))
        )

        assert (first.kind, first.external_id, first.mailbox) == (second.kind, second.external_id, second.mailbox)


def test_a_time_is_read_by_its_magnitude() -> None:
    for written in (1_700_000_000, "1700000000", 1_700_000_000_000, "1700000000000", "2023-11-14T22:13:20+0000"):
        [raw] = raw_of(messaging(message={"mid": "m"}) | {"timestamp": written})

        assert raw.occurred_at.timestamp() == 1_700_000_000


def test_an_absurd_time_gives_way_to_the_time_of_the_entry() -> None:
    absurdities: list[object] = [-1, 0, True, 10**30, "soon", "9999-12-31T23:59:59-23:59", [], None]
    for absurd in absurdities:
        [raw] = raw_of(messaging(message={"mid": "m"}) | {"timestamp": absurd})

        assert raw.occurred_at.timestamp() == AT_MS / 1000
