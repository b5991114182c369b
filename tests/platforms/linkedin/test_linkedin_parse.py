"""Every action of LinkedIn's notifications, in the documented shape and in those that others have met."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import BodyMalformed, CommentChanged, CommentKind, Noticed, Unplaced
from tests.platforms.linkedin.factory import (
    ACTIVITY,
    AT,
    AT_MS,
    COMMENT,
    ORGANISATION,
    PERSON,
    SHARE,
    a_body,
    a_connector,
    a_notification,
    event_of,
    read,
)

Published = Callable[[str], bytes]
TEXT = "Nice bread"


def a_change(verb: str = "add", **more: object) -> CommentChanged:
    """What a notification about the comment means."""
    parts: dict[str, object] = {
        "comment_id": COMMENT,
        "post_id": SHARE,
        "parent_id": None,
        "verb": verb,
        "person": PERSON,
        "person_name": None,
        "is_own": False,
        "text": TEXT,
        "occurred_at": AT,
    }
    return CommentChanged(**(parts | more))  # type: ignore[arg-type]  # written by hand above


def test_the_published_comment_is_read_as_its_index_says(published: Published) -> None:
    [(raw, event)] = read(published("linkedin-comment-real"))

    assert (raw.page_external_id, raw.kind, raw.external_id) == (ORGANISATION, "comment", "5603453321")
    assert raw.mailbox == f"post:{ACTIVITY}"
    assert raw.occurred_at == AT
    assert event == a_change(text="Commenting as Example Person...")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("COMMENT", a_change()),
        ("ADMIN_COMMENT", a_change(is_own=True)),
        ("COMMENT_EDIT", a_change("edited")),
        ("COMMENT_DELETE", a_change("remove", text=None)),
        ("LIKE", Noticed("like")),
        ("SHARE", Noticed("share")),
        ("POLL_VOTE", Noticed("unknown:POLL_VOTE")),
    ],
)
def test_every_action_has_its_meaning(action: str, expected: object) -> None:
    assert event_of(a_notification(action)) == expected


def test_a_comment_of_the_organisation_itself_is_its_own_whatever_the_action_says() -> None:
    told = {"entity": COMMENT, "owner": ORGANISATION, "object": ACTIVITY, "text": TEXT}

    event = event_of(a_notification("COMMENT", decoratedGeneratedActivity={"comment": told}))

    assert event == a_change(person=ORGANISATION, is_own=True)


def test_a_deleted_comment_needs_no_decoration() -> None:
    event = event_of(a_notification("COMMENT_DELETE", decoratedGeneratedActivity=None))

    assert event == a_change("remove", text=None, person=None)


def test_a_post_that_mentions_the_organisation_is_a_mention() -> None:
    made = "urn:li:activity:7094999999999999999"
    share = {"entity": "urn:li:share:7094999999999999990", "owner": PERSON, "text": "Try this bakery"}
    parts = {"generatedActivity": made, "decoratedGeneratedActivity": {"share": share}}

    [(raw, event)] = read(a_body(a_notification("SHARE_MENTION", sourcePost=made, **parts)))

    assert raw.kind == "share_mention"
    assert event == a_change(comment_id=made, post_id=share["entity"], text="Try this bakery", kind=CommentKind.MENTION)


def test_a_mention_whose_words_stand_with_the_source_post_is_read_there() -> None:
    made = "urn:li:share:7094999999999999990"
    source = {"entity": made, "owner": PERSON, "text": "Try this bakery"}
    parts = {"generatedActivity": None, "decoratedGeneratedActivity": None, "decoratedSourcePost": source}

    event = event_of(a_notification("SHARE_MENTION", sourcePost=made, **parts))

    assert event == a_change(comment_id=made, post_id=made, text="Try this bakery", kind=CommentKind.MENTION)


@pytest.mark.parametrize(
    "told",
    [
        {"entity": COMMENT, "owner": PERSON, "text": TEXT},
        {"entity": COMMENT, "owner": PERSON, "message": {"text": TEXT}},
        {"entity": COMMENT, "owner": PERSON, "message": TEXT},
        {"entity": COMMENT, "actor": PERSON, "text": TEXT},
        {"entity": COMMENT, "actor": "zLqTygBP8S", "text": {"text": TEXT}},
        {"entity": COMMENT.replace("urn:li:activity", "activity"), "owner": {"urn": PERSON}, "commentary": TEXT},
        {"actor": "person:zLqTygBP8S", "message": {"text": TEXT, "attributes": []}},
    ],
)
def test_the_shapes_of_the_wild_mean_the_same(told: dict[str, object]) -> None:
    assert event_of(a_notification("COMMENT", decoratedGeneratedActivity={"comment": told})) == a_change()


def test_a_decoration_without_its_name_is_read_too() -> None:
    told = {"entity": COMMENT, "owner": PERSON, "text": TEXT}

    assert event_of(a_notification("COMMENT", decoratedGeneratedActivity=told)) == a_change()


@pytest.mark.parametrize(
    "written",
    [
        COMMENT,
        COMMENT.replace("urn:li:activity", "activity"),
        COMMENT.removeprefix("urn:li:"),
        COMMENT.replace(":", "%3A").replace("(", "%28").replace(")", "%29").replace(",", "%2C"),
        None,
    ],
)
def test_both_spellings_of_a_comment_are_one_comment_in_one_mailbox(written: str | None) -> None:
    [(raw, event)] = read(a_body(a_notification("COMMENT", generatedActivity=written)))

    assert raw.mailbox == f"post:{ACTIVITY}"
    assert event == a_change()


def test_the_parent_of_a_reply_is_told_where_the_platform_names_it() -> None:
    above = f"urn:li:comment:({ACTIVITY},7094900000000000000)"
    short = above.replace("urn:li:activity", "activity")
    for slot, value in (("parentComment", above), ("parentComment", short), ("object", above)):
        told = {"entity": COMMENT, "owner": PERSON, "text": TEXT, slot: value}

        event = event_of(a_notification("COMMENT", decoratedGeneratedActivity={"comment": told}))

        assert event == a_change(parent_id=above)


def test_an_organisation_that_is_a_number_is_the_one_with_the_urn() -> None:
    for written in (96072893, "96072893", "organization:96072893", ORGANISATION):
        [(raw, _)] = read(a_body(a_notification("COMMENT", organizationalEntity=written)))

        assert raw.page_external_id == ORGANISATION


def test_the_comments_own_number_tells_the_time_that_is_missing() -> None:
    for written, expected in ((AT_MS, AT), (str(AT_MS), AT), (AT_MS // 1000, AT.replace(microsecond=0))):
        [(raw, _)] = read(a_body(a_notification("COMMENT", lastModifiedAt=written)))
        assert raw.occurred_at == expected

    [(raw, _)] = read(a_body(a_notification("COMMENT", lastModifiedAt=None)))
    assert abs(raw.occurred_at - AT) < timedelta(minutes=1)


def test_a_comment_without_any_time_is_kept_and_is_of_now() -> None:
    comment = f"urn:li:comment:({ACTIVITY},12345)"
    told = {"entity": comment, "owner": PERSON, "message": {"text": TEXT}}
    parts = {"generatedActivity": comment, "decoratedGeneratedActivity": {"comment": told}, "lastModifiedAt": None}

    event = event_of(a_notification("COMMENT", **parts))

    assert isinstance(event, CommentChanged)
    assert event.text == TEXT
    assert abs(event.occurred_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_batch_over_organisations_is_split_in_order_and_one_strange_item_harms_none() -> None:
    other = "urn:li:organization:1"
    body = a_body(
        a_notification("COMMENT", notificationId=1),
        "not an object",
        a_notification("COMMENT", notificationId="2", organizationalEntity=other),
        {"organizationalEntity": other},
        a_notification("COMMENT", notificationId=3, generatedActivity=7, decoratedGeneratedActivity=[]),
    )

    found = read(body)

    assert [(raw.page_external_id, raw.kind) for raw, _ in found] == [
        (ORGANISATION, "comment"),
        ("", "unreadable"),
        (other, "comment"),
        (other, "unreadable"),
        (ORGANISATION, "comment"),
    ]
    assert [type(event) for _, event in found] == [CommentChanged, Unplaced, CommentChanged, Unplaced, Unplaced]
    assert found[0][0].external_id == "1"
    assert found[2][0].external_id == "2"


def test_one_notification_for_two_actions_is_two_events_and_delivered_twice_is_one() -> None:
    once, edited = a_notification("COMMENT"), a_notification("COMMENT_EDIT")
    decorated_later = {**once, "subscriber": "urn:li:person:other", "lastModifiedAt": AT_MS + 1}

    keys = {(raw.kind, raw.external_id) for raw, _ in read(a_body(once, once, decorated_later, edited))}

    assert keys == {("comment", "5603453321"), ("comment_edit", "5603453321")}


def test_a_notification_without_an_id_is_known_by_what_happened_and_when() -> None:
    first = a_notification("COMMENT", notificationId=None)
    again = a_notification("COMMENT", notificationId=None, subscriber="urn:li:person:other")
    later = a_notification("COMMENT", notificationId=None, lastModifiedAt=AT_MS + 1)

    ids = [raw.external_id for raw, _ in read(a_body(first, again, later))]

    assert ids[0] == ids[1] != ids[2]


def test_webhooks_of_other_kinds_are_kept_as_unknown() -> None:
    lead = b'{"type":"LEAD_ACTION","leadGenFormResponse":"urn:li:leadGenFormResponse:1","occurredAt":1691574506310}'

    [(raw, event)] = read(lead)

    assert (raw.page_external_id, raw.kind) == ("", "unknown")
    assert event == Noticed("unknown:LEAD_ACTION")
    [(raw, event)] = read(a_body(a_notification("COMMENT"), type_="SOMETHING_ELSE"))
    assert (raw.page_external_id, raw.kind) == (ORGANISATION, "unknown")
    assert event == Noticed("unknown:COMMENT")


def test_a_notification_that_came_without_its_envelope_is_read() -> None:
    bare = json.dumps(a_notification("COMMENT")).encode()

    assert [event for _, event in read(bare)] == [a_change()]


def test_a_body_without_anything_of_an_envelope_is_malformed() -> None:
    for body in (b"{}", b"[]", b"null", b'{"notifications":{}}', b'{"events":[]}'):
        with pytest.raises(BodyMalformed):
            a_connector().split(body)
