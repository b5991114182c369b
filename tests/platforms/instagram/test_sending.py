"""Both logins over the stand-in: every kind of send, the rules of the platform, signals and what comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import (
    Act,
    Button,
    CommentChanged,
    FailureReason,
    Login,
    MediaFile,
    MediaKind,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    OutgoingMessage,
    PlatformCallFailed,
    QuickReply,
    QuotaScope,
    RawEvent,
    Reacted,
    Read,
    Sent,
    Signal,
    SignalKind,
)
from tests.platforms.contract.conftest import Scene, an_id

PNG = b"\x89PNG\r\n\x1a\n"


def a_text(scene: Scene, text: str = "Hello", **more: object) -> OutgoingMessage:
    """A message to the scene's person."""
    return replace(OutgoingMessage(scene.person, text, "sb1:ref:1"), **more)  # type: ignore[arg-type]  # fields by name


async def deed(scene: Scene, name: str, person: str | None = None, **body: object) -> dict[str, str]:
    """Something that a person does."""
    where = f"instagram/customers/{scene.page.page_external_id}/{person or scene.person}/{name}"
    done: dict[str, str] = await scene.platform.control(where, body)
    return done


async def wrote(scene: Scene, person: str, ago: timedelta) -> None:
    """Let a person have written so long ago."""
    about = {"account": scene.page.page_external_id, "person": person, "wrote_s_ago": ago.total_seconds()}
    await scene.platform.control("instagram/customers", [about])


def refused(outcome: object) -> tuple[FailureReason, bool]:
    """What a refusal says."""
    assert isinstance(outcome, NotSent), outcome
    return outcome.reason, outcome.retryable


async def test_no_mark_of_ours_travels_and_the_echo_names_the_message(scene: Scene) -> None:
    outcome = await scene.connector.send(scene.page, a_text(scene, "Grüße 😀"), 5)

    assert isinstance(outcome, Sent)
    assert outcome.recipient_external_id == scene.person
    told = await scene.hearing.until(lambda told: any(isinstance(event, MessageEchoed) for _, event in told))
    [echo] = [event for _, event in told if isinstance(event, MessageEchoed)]
    assert (echo.person, echo.message_id, echo.text) == (scene.person, outcome.platform_message_id, "Grüße 😀")
    assert echo.reference is None
    [entry] = await scene.ledger()
    assert (entry["metadata"], entry["platform"]) == (None, "instagram")


async def test_seen_is_the_only_receipt(scene: Scene) -> None:
    outcome = await scene.connector.send(scene.page, a_text(scene), 5)

    told = await scene.hearing.until(lambda told: any(isinstance(event, Read) for _, event in told))

    assert isinstance(outcome, Sent)
    kinds = {raw.kind for raw, _ in told}
    assert Read(scene.person, (outcome.platform_message_id,), None) in [event for _, event in told]
    assert kinds <= {"echo", "read"}


async def test_the_window_is_a_day_and_a_week_for_what_a_person_wrote(scene: Scene) -> None:
    ages = {timedelta(hours=23): None, timedelta(hours=25): "late", timedelta(days=8): "too late"}
    found = {}
    for ago in ages:
        person = an_id()
        await wrote(scene, person, ago)
        plain = await scene.connector.send(scene.page, a_text(scene, recipient_external_id=person), 5)
        agent = a_text(scene, "Me", recipient_external_id=person, human_agent=True)
        found[ago] = (plain, await scene.connector.send(scene.page, agent, 5))

    assert [type(one) for one in found[timedelta(hours=23)]] == [Sent, Sent]
    assert refused(found[timedelta(hours=25)][0]) == (FailureReason.WINDOW_CLOSED, False)
    assert isinstance(found[timedelta(hours=25)][1], Sent)
    assert {refused(one) for one in found[timedelta(days=8)]} == {(FailureReason.WINDOW_CLOSED, False)}


async def test_nobody_is_written_to_who_never_wrote_or_who_blocked(scene: Scene) -> None:
    stranger = await scene.connector.send(scene.page, a_text(scene, recipient_external_id=an_id()), 5)
    await deed(scene, "block")

    blocked = await scene.connector.send(scene.page, a_text(scene), 5)

    assert refused(stranger) == refused(blocked) == (FailureReason.BLOCKED_BY_CONTACT, False)
    assert await scene.ledger() == []


async def test_a_comment_gets_one_private_reply_and_no_second(scene: Scene) -> None:
    person = an_id()
    comment = (await deed(scene, "comment", person, text="How much?"))["comment_id"]
    reply = a_text(scene, "Two francs", kind=OutgoingKind.PRIVATE_REPLY, comment_id=comment)

    first = await scene.connector.send(scene.page, reply, 5)
    second = await scene.connector.send(scene.page, replace(reply, text="Again"), 5)
    further = await scene.connector.send(scene.page, a_text(scene, recipient_external_id=person), 5)

    assert isinstance(first, Sent)
    assert first.recipient_external_id == person
    assert refused(second) == (FailureReason.POLICY, False)
    assert refused(further) == (FailureReason.WINDOW_CLOSED, False)
    assert len(await scene.ledger()) == 1


async def test_a_live_comment_gets_no_private_reply_after_the_broadcast(scene: Scene) -> None:
    comment = (await deed(scene, "comment", an_id(), text="Hi!", is_live=True))["comment_id"]
    await deed(scene, "end_live")

    late = await scene.connector.send(scene.page, a_text(scene, kind=OutgoingKind.PRIVATE_REPLY, comment_id=comment), 5)

    assert refused(late) == (FailureReason.POLICY, False)


async def test_a_public_reply_is_a_comment_of_the_account(scene: Scene) -> None:
    comment = (await deed(scene, "comment", an_id(), text="How much?"))["comment_id"]

    outcome = await scene.connector.send(
        scene.page, a_text(scene, "Two francs", kind=OutgoingKind.COMMENT_REPLY, comment_id=comment), 5
    )

    assert isinstance(outcome, Sent)
    told = await scene.hearing.until(
        lambda told: len([1 for _, event in told if isinstance(event, CommentChanged)]) >= 2
    )
    [own] = [event for _, event in told if isinstance(event, CommentChanged) and event.is_own]
    assert (own.comment_id, own.parent_id, own.text) == (outcome.platform_message_id, comment, "Two francs")
    [entry] = await scene.ledger()
    assert (entry["mid"], entry["kind"]) == (outcome.platform_message_id, "comment")


@pytest.mark.parametrize("is_flat", [False, True])
async def test_comments_arrive_in_either_form(scene: Scene, is_flat: bool) -> None:
    await scene.platform.control("instagram/app", {"flat_comments": is_flat})

    comment = await deed(scene, "comment", an_id(), text="Nice")

    told = await scene.hearing.until(lambda told: any(isinstance(event, CommentChanged) for _, event in told))
    [event] = [event for _, event in told]
    assert isinstance(event, CommentChanged)
    assert (event.comment_id, event.text, event.is_own) == (comment["comment_id"], "Nice", False)


@pytest.mark.parametrize("as_changes", [False, True])
async def test_what_a_person_does_to_a_message_arrives_in_either_form(scene: Scene, as_changes: bool) -> None:
    await scene.platform.control("instagram/app", {"edits_as_changes": as_changes})
    mid = await scene.says("Helo")

    await deed(scene, "edit", mid=mid, text="Hello")
    await deed(scene, "react", mid=mid)
    await deed(scene, "unsend", mid=mid)

    wanted = {MessageReceived, MessageEdited, Reacted, MessageUnsent}
    told = await scene.hearing.until(lambda told: {type(event) for _, event in told} >= wanted)
    assert len(told) == 4
    assert {raw.mailbox for raw, _ in told} == {scene.person}
    assert {getattr(event, "message_id", None) for _, event in told} == {mid}


async def test_stories_arrive_as_messages_whose_media_are_not_stored(scene: Scene) -> None:
    await deed(scene, "story_reply", text="So nice")
    await deed(scene, "story_mention")

    told = await scene.hearing.until(lambda told: len(told) >= 2)
    found = [event for _, event in told if isinstance(event, MessageReceived)]
    assert sorted(one.attachments[0].kind for one in found) == ["story_mention", "story_reply"]
    assert not any(media.may_be_stored for one in found for media in one.attachments)


async def test_quick_replies_and_buttons_are_taken(scene: Scene) -> None:
    replies = tuple(QuickReply(f"Answer {number}", f"A{number}") for number in range(13))
    buttons = (Button("Yes", "YES"), Button("Menu", url="https://example.org/menu"))

    asked = await scene.connector.send(scene.page, a_text(scene, "Which?", quick_replies=replies), 5)
    offered = await scene.connector.send(scene.page, a_text(scene, "Shall we?", buttons=buttons), 5)

    assert isinstance(asked, Sent)
    assert isinstance(offered, Sent)
    assert [entry["text"] for entry in await scene.ledger()] == ["Which?", "Shall we?"]


async def test_ten_images_go_in_one_message_and_other_media_alone(scene: Scene) -> None:
    page, connector = scene.page, scene.connector
    files = {
        kind: MediaFile(kind, mime, name, PNG, scene.hearing.offer(name, PNG))
        for kind, mime, name in (
            (MediaKind.IMAGE, "image/png", "a.png"),
            (MediaKind.VIDEO, "video/mp4", "a.mp4"),
            (MediaKind.AUDIO, "audio/mp4", "a.m4a"),
            (MediaKind.FILE, "application/pdf", "a.pdf"),
        )
    }
    ids = {kind: (await connector.upload_media(page, file)).platform_media_id for kind, file in files.items()}

    images = tuple(OutgoingMedia(MediaKind.IMAGE, ids[MediaKind.IMAGE]) for _ in range(10))
    outcomes = [await connector.send(page, a_text(scene, "", media=images), 5)]
    for kind in (MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.FILE):
        media = (OutgoingMedia(kind, ids[kind]),)
        outcomes.append(await connector.send(page, a_text(scene, "", media=media), 5))

    assert {type(outcome) for outcome in outcomes} == {Sent}
    assert [len(entry["attachments"]) for entry in await scene.ledger()] == [10, 1, 1, 1]  # type: ignore[arg-type]


async def test_media_of_another_account_are_refused(scene: Scene) -> None:
    other = await scene.rig.an_account(scene.platform, an_id())
    file = MediaFile(MediaKind.IMAGE, "image/png", "b.png", PNG, scene.hearing.offer("b.png", PNG))
    foreign = (await scene.connector.upload_media(other, file)).platform_media_id

    media = (OutgoingMedia(MediaKind.IMAGE, foreign),)
    outcome = await scene.connector.send(scene.page, a_text(scene, "", media=media), 5)

    assert refused(outcome) == (FailureReason.BAD_CONTENT, False)


async def test_what_the_channel_does_not_have_is_refused_as_policy(scene: Scene) -> None:
    for kind in (OutgoingKind.UTILITY, OutgoingKind.MARKETING):
        outcome = await scene.connector.send(scene.page, a_text(scene, kind=kind), 5)

        assert refused(outcome) == (FailureReason.POLICY, False)


async def test_an_owner_who_gives_no_access_and_a_restricted_account_are_told_apart(scene: Scene) -> None:
    where = f"instagram/accounts/{scene.page.page_external_id}"
    await scene.platform.control(f"{where}/access", {"on": False})
    closed = await scene.connector.send(scene.page, a_text(scene), 5)
    await scene.platform.control(f"{where}/access", {"on": True})
    await scene.platform.control(f"{where}/restrict", {})

    restricted = await scene.connector.send(scene.page, a_text(scene), 5)

    assert refused(closed) == (FailureReason.PERMISSION, False)
    assert refused(restricted) == (FailureReason.PAGE_RESTRICTED, True)


async def test_a_signal_to_a_stranger_is_refused(scene: Scene) -> None:
    await scene.connector.signal(scene.page, Signal(scene.person, SignalKind.TYPING_OFF))

    with pytest.raises(PlatformCallFailed):
        await scene.connector.signal(scene.page, Signal(an_id(), SignalKind.TYPING_ON))


async def test_an_app_s_limit_holds_up_the_app_of_its_own_login_alone(scene: Scene) -> None:
    match = {"op": "send", "page": scene.page.page_external_id}
    await scene.platform.control(
        "faults", {"seed": 1, "rules": [{"match": match, "action": "error", "code": 4, "times": 1}]}, method="PUT"
    )

    outcome = await scene.connector.send(scene.page, a_text(scene), 5)

    await scene.platform.control("faults", method="DELETE")
    assert isinstance(outcome, NotSent)
    expected = QuotaScope.APP if scene.page.login is Login.DIRECT else QuotaScope.PAGE
    assert (outcome.reason, outcome.scope) == (FailureReason.RATE_LIMITED, expected)


async def test_a_wait_that_the_headers_ask_for_is_told(scene: Scene) -> None:
    rule = {"match": {"op": "send", "page": scene.page.page_external_id}, "action": "error", "code": 80002}
    plan = {"seed": 1, "rules": [{**rule, "regain_minutes": 3, "times": 1}]}
    await scene.platform.control("faults", plan, method="PUT")

    throttled = await scene.connector.send(scene.page, a_text(scene), 5)
    await scene.platform.control("faults", method="DELETE")
    assert isinstance(throttled, NotSent)
    assert throttled.retry_after_s == 180
    told = {(one.act, one.wait_s) for one in throttled.usage if one.scope is QuotaScope.PAGE}
    assert told == {(Act.SEND, 180), (Act.COMMENT_REPLY, 180)}
    assert await scene.ledger() == []


async def test_a_backfill_brings_comments_and_media_as_their_webhooks_would(scene: Scene) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    await scene.platform.control("faults", {"seed": 1, "rules": [], "webhooks": {"drop_probability": 1}}, method="PUT")
    person = an_id()
    comment = (await deed(scene, "comment", person, text="How much?"))["comment_id"]
    answer = (await deed(scene, "comment", person, text="Well?", parent_id=comment))["comment_id"]
    picture = [{"type": "image", "payload": {"url": "https://cdn.example/1.jpg"}}]
    mid = (await deed(scene, "message", attachments=picture))["mid"]
    await scene.platform.control("faults", method="DELETE")

    filled = await scene.connector.backfill(scene.page, since)

    events = [
        event
        for raw in filled.events
        for event in scene.connector.parse(raw.kind, raw.page_external_id, dict(raw.payload))
    ]
    comments = {one.comment_id: one for one in events if isinstance(one, CommentChanged)}
    assert set(comments) == {comment, answer}
    assert (comments[answer].parent_id, comments[answer].text, comments[answer].person) == (comment, "Well?", person)
    [message] = [one for one in events if isinstance(one, MessageReceived)]
    assert (message.message_id, message.attachments[0].url) == (mid, "https://cdn.example/1.jpg")
    assert scene.hearing.told() == []


async def test_a_backfill_asks_for_the_new_comments_and_answers_that_do_not_come_with_their_post(scene: Scene) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    await scene.platform.control("faults", {"seed": 1, "rules": [], "webhooks": {"drop_probability": 1}}, method="PUT")
    first = (await deed(scene, "comment", an_id(), text="First"))["comment_id"]
    made = [first]
    for number in range(60):
        made.append((await deed(scene, "comment", an_id(), text=f"Number {number}"))["comment_id"])
        made.append((await deed(scene, "comment", an_id(), text=f"Answer {number}", parent_id=first))["comment_id"])

    whole = await scene.connector.backfill(scene.page, since)
    later = await scene.connector.backfill(scene.page, datetime.now(UTC) + timedelta(minutes=1))
    await scene.platform.control("faults", method="DELETE")

    assert sorted(_comment_of(raw) for raw in whole.events) == sorted(made)
    assert (whole.is_complete, later.is_complete, later.events) == (True, True, ())


def _comment_of(raw: RawEvent) -> str:
    return str(raw.payload["value"]["id"])  # type: ignore[index]  # as the platform nests it


async def test_a_comment_has_one_key_by_webhook_and_by_list(scene: Scene) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    await deed(scene, "comment", an_id(), text="How much?")
    told = await scene.hearing.until(lambda told: len(told) >= 1)

    filled = await scene.connector.backfill(scene.page, since)

    assert {(raw.kind, raw.external_id) for raw, _ in told} == {(raw.kind, raw.external_id) for raw in filled.events}


async def test_a_list_older_than_thirty_days_does_not_claim_to_be_whole(scene: Scene) -> None:
    recent = await scene.connector.list_messages(scene.page, datetime.now(UTC) - timedelta(days=29))
    older = await scene.connector.list_messages(scene.page, datetime.now(UTC) - timedelta(days=31))

    assert (recent.is_complete, older.is_complete) == (True, False)


async def test_a_profile_is_told_of_who_wrote_and_of_nobody_else(scene: Scene) -> None:
    commenter = an_id()
    await deed(scene, "comment", commenter, text="Hi")

    known = await scene.connector.read_profile(scene.page, scene.person)

    assert known is not None
    assert known.name == "Grace"
    assert await scene.connector.read_profile(scene.page, commenter) is None
    assert await scene.connector.read_profile(scene.page, an_id()) is None
