"""Whose event it is, which key it has, and that one strange item harms no other."""

from __future__ import annotations

import json

from server.platforms.port import MessageReceived, Noticed
from tests.platforms.instagram.items import ACCOUNT, AT_MS, PERSON, change, entry_of, message, messaging, read


def an_item(**parts: object) -> dict[str, object]:
    """A messaging item from the person to the account."""
    return {"sender": {"id": PERSON}, "recipient": {"id": ACCOUNT}, "timestamp": AT_MS, **parts}


def test_the_account_is_the_entry_s_unless_that_is_no_party() -> None:
    text = {"mid": "m_1", "text": "Hi"}
    ours = entry_of(ACCOUNT, messaging=[an_item(message=text)])
    placeholder = entry_of("0", messaging=[an_item(message=text)])
    echo = {"sender": {"id": ACCOUNT}, "recipient": {"id": PERSON}, "timestamp": AT_MS}
    sent = entry_of("0", messaging=[{**echo, "message": {**text, "is_echo": True}}])

    for told in (ours, placeholder, sent):
        [(raw, _)] = told
        assert (raw.page_external_id, raw.mailbox) == (ACCOUNT, PERSON)


def test_one_mid_has_a_key_for_each_kind() -> None:
    told = [
        *message(text="Hi"),
        *message(is_deleted=True),
        *messaging(message_edit={"mid": "m_1", "text": "x", "num_edit": 1}),
        *messaging(message_edit={"mid": "m_1", "text": "y", "num_edit": 2}),
        *messaging(reaction={"mid": "m_1", "action": "react", "emoji": "x"}),
        *messaging(postback={"mid": "m_1", "payload": "x"}),
        *messaging(read={"mid": "m_1"}),
    ]

    assert len({(raw.kind, raw.external_id) for raw, _ in told}) == len(told)


def test_a_long_mid_stays_a_key_of_its_own() -> None:
    mids = ["aWdfZAG1faXRlbTox" + "A" * 160 + end for end in "ab"]

    keys = {message(mid=mid, text="x")[0][0].external_id for mid in mids}

    assert keys == set(mids)


def test_a_comment_s_life_stands_in_one_mailbox_also_where_its_media_is_not_told() -> None:
    told = [*change("comments", id="c_1", media={"id": "p"}, text="x"), *change("comments", id="c_1", verb="removed")]

    assert {raw.mailbox for raw, _ in told} == {"comment:c_1"}
    assert len({raw.external_id for raw, _ in told}) == 2


def test_a_comment_that_comes_twice_has_one_key_whatever_else_is_told() -> None:
    one = change("comments", id="c_1", text="x", media={"id": "p"})
    other = change("comments", id="c_1", text="x", verb="add", created_time=1)

    assert one[0][0].external_id == other[0][0].external_id


def test_events_of_several_accounts_in_one_body_go_their_own_ways() -> None:
    entries = [
        {
            "id": account,
            "time": AT_MS,
            "messaging": [an_item(recipient={"id": account}, message={"mid": f"m{account}"})],
        }
        for account in ("1", "2", "3")
    ]

    told = read(json.dumps({"object": "instagram", "entry": entries}).encode())

    assert [raw.page_external_id for raw, _ in told] == ["1", "2", "3"]


def test_messages_and_changes_of_one_entry_are_all_read() -> None:
    edit = {"mid": "m_1", "text": "y", "num_edit": 2, "timestamp": 1723680010, "from": {"id": PERSON}}
    told = entry_of(
        messaging=[an_item(message={"mid": "m_1", "text": "x"})],
        changes=[{"field": "message_edit", "value": edit}, {"field": "comments", "value": {"id": "c", "text": "z"}}],
    )

    assert [raw.kind for raw, _ in told] == ["message", "edit", "comment"]


def test_a_strange_item_harms_no_other() -> None:
    strange = [None, 5, "x", [], {}, {"field": 3}, {"sender": 1, "recipient": [], "message": None}]
    told = entry_of(messaging=[*strange, an_item(message={"mid": "m_1", "text": "Hi"})])

    assert [event for _, event in told if isinstance(event, MessageReceived)]
    assert len(told) == len(strange) + 1


def test_a_body_of_a_page_is_kept_and_not_read() -> None:
    entry = {"id": ACCOUNT, "time": AT_MS, "messaging": [an_item(message={"mid": "m_1", "text": "Hi"})]}

    [(raw, event)] = read(json.dumps({"object": "page", "entry": [entry]}).encode())

    assert raw.kind == "unknown"
    assert isinstance(event, Noticed)


def test_the_payload_is_kept_as_it_came() -> None:
    value = {"mid": "m_1", "action": "react", "reaction": "love", "timestamp": 1723680020, "from": {"id": PERSON}}

    [(raw, _)] = change("message_reactions", **value)

    assert raw.payload["field"] == "message_reactions"
    assert raw.payload["value"] == value
