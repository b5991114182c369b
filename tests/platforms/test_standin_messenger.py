"""What only Messenger has, against the stand-in: comments, templates, media, threads of other apps, withdrawn rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from server.platforms.port import (
    Attachment,
    CommentChanged,
    Connector,
    FailureReason,
    GrantWithdrawn,
    MediaFile,
    MediaKind,
    MessageReceived,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    OutgoingMessage,
    PageCredentials,
    PlatformCallFailed,
    QuickReply,
    QuotaScope,
    Sent,
    Signal,
    SignalKind,
    SignatureInvalid,
    UtilityTemplate,
)
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.hearing import Hearing, key, told_by
from tests.platforms.contract.messenger import MessengerRig
from tests.standin_server import Platform

RIG = MessengerRig()


@dataclass(frozen=True, slots=True)
class Scene:
    """A page whose webhooks we hear, and a person who wrote a minute ago."""

    platform: Platform
    connector: Connector
    hearing: Hearing
    page: PageCredentials
    person: str

    def message(self, text: str = "Hello", **more: object) -> OutgoingMessage:
        """A message to the person."""
        return replace(RIG.message(self.page, self.person, text), **more)  # type: ignore[arg-type]  # fields by name

    async def send(self, message: OutgoingMessage) -> Sent | NotSent:
        """Send it, and insist on a certain outcome."""
        outcome = await self.connector.send(self.page, message, 5)
        assert isinstance(outcome, Sent | NotSent), outcome
        return outcome

    async def deed(self, name: str, body: dict[str, object] | None = None) -> dict[str, str]:
        """Let the person do something."""
        path = f"customers/{self.page.page_external_id}/{self.person}/{name}"
        told: dict[str, str] = await self.platform.control(path, body or {})
        return told

    async def backfilled(self) -> list[object]:
        """What the lists of the last minute tell."""
        filled = await self.connector.backfill(self.page, datetime.now(UTC) - timedelta(minutes=1))
        return [event for _, event in told_by(self.connector, filled.events)]


@pytest.fixture
async def scene(platform: Platform, standin_url: str) -> AsyncIterator[Scene]:
    """A fresh page and person."""
    connector = RIG.connector(standin_url)
    hearing = Hearing(connector)
    await hearing.start()
    page = await RIG.an_account(platform, an_id(), callback=hearing.url)
    person = an_id()
    await RIG.a_person(platform, page, person)
    yield Scene(platform, connector, hearing, page, person)
    await platform.settled()
    await connector.aclose()
    await hearing.stop()


async def test_a_private_reply_opens_a_conversation_once_and_names_the_person(scene: Scene) -> None:
    comment_id = (await scene.deed("comment", {"message": "How much?"}))["comment_id"]
    reply = scene.message("See your inbox", kind=OutgoingKind.PRIVATE_REPLY, comment_id=comment_id)

    first, second = await scene.send(reply), await scene.send(reply)

    assert isinstance(first, Sent)
    assert first.recipient_external_id == scene.person
    assert isinstance(second, NotSent)
    assert (second.reason, second.retryable) == (FailureReason.POLICY, False)


async def test_a_public_reply_is_accepted_once_and_comes_back_as_our_own_comment(scene: Scene) -> None:
    comment_id = (await scene.deed("comment", {"message": "How much?"}))["comment_id"]

    outcome = await scene.send(scene.message("3 €", kind=OutgoingKind.COMMENT_REPLY, comment_id=comment_id))

    assert isinstance(outcome, Sent)
    [entry] = await scene.platform.ledger(scene.page.page_external_id)
    assert (entry["kind"], entry["mid"], entry["text"]) == ("comment", outcome.platform_message_id, "3 €")
    told = await scene.hearing.until(lambda told: len(told) >= 2)
    own = [event for _, event in told if isinstance(event, CommentChanged) and event.is_own]
    assert [(event.comment_id, event.parent_id) for event in own] == [(outcome.platform_message_id, comment_id)]


async def test_comments_of_both_sides_are_backfilled_under_the_keys_of_their_webhooks(scene: Scene) -> None:
    comment_id = (await scene.deed("comment", {"message": "How much?"}))["comment_id"]
    await scene.deed("comment", {"message": "And you?", "parent_id": comment_id})
    await scene.send(scene.message("3 €", kind=OutgoingKind.COMMENT_REPLY, comment_id=comment_id))
    heard = await scene.hearing.until(lambda told: len(told) >= 3)

    filled = await scene.connector.backfill(scene.page, datetime.now(UTC) - timedelta(minutes=1))

    listed = told_by(scene.connector, filled.events)
    assert {key(raw) for raw, _ in listed} == {key(raw) for raw, _ in heard}
    as_told = {(event.comment_id, event) for _, event in heard if isinstance(event, CommentChanged)}
    assert {(event.comment_id, event) for _, event in listed if isinstance(event, CommentChanged)} == as_told


async def test_a_page_without_a_right_to_its_comments_still_gets_its_messages(scene: Scene) -> None:
    await scene.deed("message", {"text": "Hello"})
    for right in ("pages_read_user_content", "pages_read_engagement"):
        await scene.platform.control(
            f"people/{scene.page.account_external_id}/permission", {"permission": right, "url": scene.hearing.url}
        )

    told = await scene.backfilled()

    assert [event.text for event in told if isinstance(event, MessageReceived)] == ["Hello"]


async def test_media_in_a_list_has_the_form_that_webhooks_have(scene: Scene) -> None:
    given = [
        {"type": kind, "payload": {"url": f"http://127.0.0.1:1/a.{kind}"}}
        for kind in ("image", "video", "audio", "file")
    ]
    await scene.deed("message", {"attachments": given})

    [event] = [event for event in await scene.backfilled() if isinstance(event, MessageReceived)]

    assert event.text is None
    assert [(one.kind, one.url) for one in event.attachments] == [
        (kind, f"http://127.0.0.1:1/a.{kind}") for kind in ("image", "video", "audio", "file")
    ]


async def test_a_utility_template_goes_outside_the_window_and_only_if_it_is_approved(scene: Scene) -> None:
    page = scene.page.page_external_id
    await scene.platform.control(f"pages/{page}/templates", [{"name": "shipped", "body": "Hi {{1}}, order {{2}}."}])
    stranger = an_id()
    await scene.platform.control("customers", [{"page": page, "psid": stranger, "wrote_s_ago": 90 * 86_400}])
    good = UtilityTemplate("shipped", "en", ("Ada", "5"))
    message = scene.message("", kind=OutgoingKind.UTILITY, utility=good, recipient_external_id=stranger)

    sent = await scene.send(message)
    short = await scene.send(replace(message, utility=UtilityTemplate("shipped", "en", ("Ada",))))
    unknown = await scene.send(replace(message, utility=UtilityTemplate("lost", "en")))

    assert isinstance(sent, Sent)
    for refused in (short, unknown):
        assert isinstance(refused, NotSent)
        assert (refused.reason, refused.retryable) == (FailureReason.BAD_CONTENT, False)
    [entry] = await scene.platform.ledger(page)
    assert (entry["messaging_type"], entry["details"]) == ("UTILITY", {"template": "shipped"})


async def test_thirty_images_go_in_one_message_and_one_from_another_page_in_none(scene: Scene) -> None:
    url = scene.hearing.offer("dot.png", b"png")
    file = MediaFile(MediaKind.IMAGE, "image/png", "dot.png", b"png", url)
    names = [(await scene.connector.upload_media(scene.page, file)).platform_media_id for _ in range(2)]
    media = tuple(OutgoingMedia(MediaKind.IMAGE, names[number % 2]) for number in range(30))
    other = await RIG.an_account(scene.platform, an_id())
    await RIG.a_person(scene.platform, other, scene.person)

    sent = await scene.send(scene.message("", media=media))
    foreign = await scene.connector.send(other, scene.message("", media=media[:1]), 5)

    assert isinstance(sent, Sent)
    [entry] = await scene.platform.ledger(scene.page.page_external_id)
    assert len(entry["attachments"]) == 30
    assert isinstance(foreign, NotSent)
    assert (foreign.reason, foreign.retryable) == (FailureReason.BAD_CONTENT, False)


async def test_a_file_that_the_platform_cannot_fetch_may_be_tried_again(scene: Scene) -> None:
    file = MediaFile(MediaKind.IMAGE, "image/png", "dot.png", b"png", "http://127.0.0.1:1/dot.png")

    with pytest.raises(PlatformCallFailed) as failed:
        await scene.connector.upload_media(scene.page, file)

    assert (failed.value.reason, failed.value.retryable) == (FailureReason.BAD_CONTENT, True)


async def test_quick_replies_and_an_answer_to_one_message_arrive_with_the_message(scene: Scene) -> None:
    mid = (await scene.deed("message", {"text": "Red or blue?"}))["mid"]
    replies = (QuickReply("Red", "R"), QuickReply("Blue", "B"))

    await scene.send(scene.message("We have both", reply_to_message_id=mid, quick_replies=replies))

    [entry] = await scene.platform.ledger(scene.page.page_external_id)
    assert entry["details"]["reply_to"] == mid
    assert [one["payload"] for one in entry["details"]["quick_replies"]] == ["R", "B"]


async def test_typing_and_read_marks_are_seen_by_the_person(scene: Scene) -> None:
    for kind in SignalKind:
        await scene.connector.signal(scene.page, Signal(scene.person, kind))

    shown = await scene.platform.control(f"customers/{scene.page.page_external_id}/{scene.person}", method="GET")
    assert shown["signals"] == ["typing_on", "typing_off", "mark_seen"]


async def test_a_thread_of_another_app_is_no_fault_of_the_page(scene: Scene) -> None:
    await scene.deed("handover", {"app_id": "263902037430900"})

    outcome = await scene.send(scene.message())
    await scene.deed("message", {"text": "Anybody?"})

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.POLICY, False)
    told = await scene.hearing.until(lambda told: any(raw.kind == "standby" for raw, _ in told))
    assert [event.text for _, event in told if isinstance(event, MessageReceived)] == ["Anybody?"]


async def test_an_attachment_of_a_person_is_fetched_where_its_address_says(scene: Scene) -> None:
    attachment = Attachment("image", "https://cdn.example/a.png")

    source = await scene.connector.media_source(scene.page, "m", None, attachment)

    assert source is not None
    assert (source.url, dict(source.headers)) == ("https://cdn.example/a.png", {})
    assert await scene.connector.media_source(scene.page, "m", None, Attachment("fallback", None)) is None


async def test_use_of_the_apps_allowance_is_told_and_a_full_one_stops_all(scene: Scene) -> None:
    await scene.platform.control("app", {"app_percent": 97})

    outcome = await scene.send(scene.message())

    await scene.platform.control("app", {"app_percent": 1})
    assert isinstance(outcome, Sent)
    assert [(usage.scope, usage.wait_s) for usage in outcome.usage] == [(QuotaScope.APP, 60.0)]


async def test_a_page_without_one_of_our_fields_is_not_wholly_subscribed(scene: Scene) -> None:
    await scene.platform.control(f"pages/{scene.page.page_external_id}/subscribe", {"fields": ["messages"]})
    assert not await scene.connector.is_subscribed(scene.page)

    await scene.connector.subscribe(scene.page)

    assert await scene.connector.is_subscribed(scene.page)


@pytest.mark.parametrize("deed", ["deauthorize", "delete_data"])
async def test_a_signed_callback_names_the_person_and_a_forged_one_nobody(scene: Scene, deed: str) -> None:
    path = f"people/{scene.page.account_external_id}/{deed}"
    await scene.platform.control(path, {"url": scene.hearing.url})
    await scene.platform.control(path, {"url": scene.hearing.url, "signature": "bad"})
    true, forged = (
        {name: values[0] for name, values in parse_qs(post.body.decode()).items()} for post in scene.hearing.posts
    )

    callback = scene.connector.read_callback(true)

    assert callback.person_external_id == scene.page.account_external_id
    assert callback.issued_at is not None
    assert abs(callback.issued_at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(SignatureInvalid):
        scene.connector.read_callback(forged)
    scene.hearing.posts.clear()


async def test_who_removes_the_app_ends_the_grant_and_its_pages(scene: Scene) -> None:
    await scene.platform.control(
        f"people/{scene.page.account_external_id}/permission",
        {"permission": "connected", "url": scene.hearing.url},
    )

    told = await scene.hearing.until(lambda told: len(told) > 0)
    outcome = await scene.send(scene.message())
    state = await scene.connector.inspect(RIG.account_of(scene.page))

    assert [event for _, event in told] == [GrantWithdrawn(scene.page.account_external_id or "")]
    assert isinstance(outcome, NotSent)
    assert outcome.reason is FailureReason.AUTH
    assert not state.is_valid
    assert state.detail


async def test_a_right_that_is_missing_is_named(scene: Scene) -> None:
    person = scene.page.account_external_id
    await scene.platform.control(
        f"people/{person}/permission", {"permission": "pages_messaging", "url": scene.hearing.url}
    )

    state = await scene.connector.inspect(RIG.account_of(scene.page))
    outcome = await scene.send(scene.message())
    told = await scene.hearing.until(lambda told: len(told) > 0)

    assert (state.is_valid, state.missing_scopes) == (True, ("pages_messaging",))
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.PERMISSION, False)
    assert [event for _, event in told] == [GrantWithdrawn(person or "", ("pages_messaging",))]


async def test_an_id_longer_than_any_column_of_old_keeps_its_key_short_and_its_name_whole(scene: Scene) -> None:
    mid = "m_" + "x" * 600
    await scene.deed("message", {"text": "Hello", "mid": mid})

    [(raw, event)] = await scene.hearing.until(lambda told: len(told) > 0)

    assert isinstance(event, MessageReceived)
    assert event.message_id == mid
    assert len(raw.external_id) <= 255
    [listed] = (await scene.connector.list_messages(scene.page, datetime.now(UTC) - timedelta(minutes=1))).messages
    assert listed.platform_message_id == mid
