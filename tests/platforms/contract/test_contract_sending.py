"""Every platform: what a send proves, whatever the answer; and what is refused before anything leaves."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, TextUnit
from server.platforms.port import (
    Button,
    FailureReason,
    MediaFile,
    MediaKind,
    NotOffered,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    OutgoingMessage,
    PlatformCallFailed,
    QuickReply,
    Sent,
    Signal,
    SignalKind,
    Unknown,
    UtilityTemplate,
)
from tests.platforms.contract.conftest import Plan, Scene
from tests.platforms.contract.rig import Refused, Rig

DEADLINE_S = 1.0
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
TRICKY = 'Grüße 😀 "quoted" <b>&amp;</b> \\ 100 %\nsecond line'


def rules_of(rig: Rig) -> Capability:
    """What the channel allows now."""
    return catalogue.at(rig.channel, datetime.now(UTC))


def limit_of(capability: Capability, message: OutgoingMessage) -> int:
    """How long the text of this message may be."""
    return capability.comment_limit if message.kind is OutgoingKind.COMMENT_REPLY else capability.text_limit


def a_message(scene: Scene, text: str = "Hello") -> OutgoingMessage:
    """An answer to the scene's person."""
    return scene.rig.message(scene.page, scene.person, text)


async def test_an_accepted_message_is_one_entry_of_the_platform_with_the_id_that_we_were_told(scene: Scene) -> None:
    outcome = await scene.connector.send(scene.page, a_message(scene, TRICKY), 5)

    assert isinstance(outcome, Sent)
    [entry] = await scene.ledger()
    assert (entry["mid"], entry["text"]) == (outcome.platform_message_id, TRICKY)
    assert entry["person"] in (scene.person, outcome.recipient_external_id)


async def test_messages_to_many_people_at_once_are_each_accepted_once(scene: Scene) -> None:
    people = [f"{scene.person}{number}" for number in range(4)]
    for person in people:
        await scene.rig.a_person(scene.platform, scene.page, person)

    outcomes = await asyncio.gather(
        *(
            scene.connector.send(scene.page, scene.rig.message(scene.page, person, f"To {person}"), 10)
            for person in people
        )
    )

    assert {type(outcome) for outcome in outcomes} == {Sent}
    entries = await scene.ledger()
    assert sorted(str(entry["text"]) for entry in entries) == sorted(f"To {person}" for person in people)
    assert len({entry["mid"] for entry in entries}) == len(people)


BROKEN = [
    ("late", {"action": "late_after_accept", "delay_ms": 3_000}, 1),
    ("dropped after accepting", {"action": "drop_after_accept"}, 1),
    ("dropped before accepting", {"action": "drop_before_accept"}, 0),
    ("garbage", {"action": "garbage_200"}, 1),
    ("cut off", {"action": "truncated_json"}, 1),
    ("without its id", {"action": "no_id_200"}, 1),
    ("huge", {"action": "huge_body"}, 1),
    ("a byte a second", {"action": "slow_body", "delay_ms": 1_000}, 1),
    ("never", {"action": "hang"}, 0),
    ("a redirect", {"action": "redirect"}, 0),
    ("a redirect after accepting", {"action": "redirect", "accept": True}, 1),
    ("a server error after accepting", {"action": "error", "status": 500, "body": "<h1>oops</h1>", "accept": True}, 1),
    ("a gateway that gave up", {"action": "error", "status": 504, "body": "", "accept": True}, 1),
]


@pytest.mark.parametrize(("_case", "fault", "accepted"), BROKEN, ids=[case[0] for case in BROKEN])
async def test_what_nobody_can_know_is_unknown_and_never_late(
    scene: Scene, plan: Plan, _case: str, fault: dict[str, object], accepted: int
) -> None:
    await plan(**fault)
    began = time.monotonic()

    outcome = await scene.connector.send(scene.page, a_message(scene), DEADLINE_S)

    assert time.monotonic() - began < DEADLINE_S + 1
    assert not isinstance(outcome, Sent)
    assert isinstance(outcome, Unknown) or accepted == 0
    assert scene.page.page_token not in repr(outcome)
    assert len(await scene.ledger()) == accepted


async def test_an_answer_of_a_hundred_megabytes_costs_a_few_of_memory(scene: Scene, plan: Plan) -> None:
    await scene.connector.send(scene.page, a_message(scene, "warm"), 5)
    await plan(action="huge_body", size=100_000_000)
    tracemalloc.start()

    outcome = await scene.connector.send(scene.page, a_message(scene), 20)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(outcome, Unknown)
    assert peak < 12_000_000


async def test_a_send_without_time_leaves_nothing(scene: Scene) -> None:
    outcome = await scene.connector.send(scene.page, a_message(scene), 0)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.TRANSIENT, True)
    assert await scene.ledger() == []


async def test_a_platform_that_is_away_was_not_told(rig: Rig, scene: Scene) -> None:
    elsewhere = rig.connector("http://127.0.0.1:1")

    outcome = await elsewhere.send(scene.page, a_message(scene), 2)

    await elsewhere.aclose()
    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.TRANSIENT, True)


async def test_a_token_that_fits_no_header_is_a_refused_token(scene: Scene) -> None:
    for token in ("two\r\nlines: x", "ümlaut", " ", ""):
        page = replace(scene.page, page_token=token, account_token=token)

        outcome = await scene.connector.send(page, a_message(scene), 5)

        assert isinstance(outcome, NotSent)
        assert (outcome.reason, outcome.retryable) == (FailureReason.AUTH, False)
    assert await scene.ledger() == []


async def test_every_documented_refusal_has_its_reason_and_its_rule(
    rig: Rig, scene: Scene, plan: Plan, refused: Refused
) -> None:
    await plan(**refused.rule)

    outcome = await scene.connector.send(scene.page, a_message(scene), 5)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (refused.reason, refused.is_retryable)
    assert scene.page.page_token not in outcome.detail
    assert await scene.ledger() == []


async def test_a_text_goes_whole_up_to_the_limit_and_not_at_all_beyond_it(scene: Scene) -> None:
    capability = rules_of(scene.rig)
    limit = limit_of(capability, a_message(scene))
    letters = limit // 2 if capability.text_unit is TextUnit.BYTES else limit
    whole = "é" * letters

    too_long = await scene.connector.send(scene.page, a_message(scene, whole + "é"), 5)
    before = await scene.calls()
    again = await scene.connector.send(scene.page, a_message(scene, whole + "é"), 5)
    after = await scene.calls()
    fitting = await scene.connector.send(scene.page, a_message(scene, whole), 5)

    assert isinstance(too_long, NotSent)
    assert (too_long.reason, too_long.retryable) == (FailureReason.BAD_CONTENT, False)
    assert again == too_long
    assert before == after
    assert isinstance(fitting, Sent)
    assert [entry["text"] for entry in await scene.ledger()] == [whole]


def not_offered(capability: Capability, message: OutgoingMessage) -> dict[str, OutgoingMessage]:
    """Messages that this channel has no form for, by what is wrong with them."""
    replies = tuple(QuickReply(f"Answer {number}", f"A{number}") for number in range(capability.quick_replies + 1))
    buttons = capability.buttons
    count = 0 if buttons is None else buttons.count
    taps = tuple(Button(f"Button {number}", f"B{number}") for number in range(count + 1))
    images = capability.media_rule(MediaKind.IMAGE)
    media = tuple(
        OutgoingMedia(MediaKind.IMAGE, f"{number}") for number in range(1 if images is None else images.max_count + 1)
    )
    found = {
        "half an emoji": replace(message, text="\ud83d"),
        "nothing to say": replace(message, text=" \n"),
        "too many quick replies": replace(message, quick_replies=replies),
        "too many buttons": replace(message, buttons=taps),
        "too many images": replace(message, text="", media=media),
        "marketing without a token": replace(message, kind=OutgoingKind.MARKETING),
        "a private reply to no comment": replace(message, kind=OutgoingKind.PRIVATE_REPLY, comment_id=None),
        "a public reply to no comment": replace(message, kind=OutgoingKind.COMMENT_REPLY, comment_id=None),
    }
    if capability.quick_replies:
        title = "T" * (capability.quick_reply_title + 1)
        found["a quick reply's long title"] = replace(message, quick_replies=(QuickReply(title, "A"),))
    if buttons is not None:
        found["a button's long title"] = replace(message, buttons=(Button("T" * (buttons.title + 1), "A"),))
    for kind in MediaKind:
        if capability.media_rule(kind) is None:
            found[f"{kind} that it does not take"] = replace(message, text="", media=(OutgoingMedia(kind, "1"),))
    if not capability.offers_utility:
        template = UtilityTemplate("order", "en", ())
        found["a utility template"] = replace(message, kind=OutgoingKind.UTILITY, utility=template)
    if not capability.text_with_media and images is not None:
        found["text with media"] = replace(message, media=media[:1])
    return found


async def test_what_the_channel_has_no_form_for_is_refused_before_anything_leaves(scene: Scene) -> None:
    wrong = not_offered(rules_of(scene.rig), a_message(scene))
    before = await scene.calls()

    outcomes = {case: await scene.connector.send(scene.page, message, 5) for case, message in wrong.items()}

    assert await scene.calls() == before
    allowed = (FailureReason.BAD_CONTENT, FailureReason.POLICY, FailureReason.PERMISSION)
    assert [
        (case, outcome)
        for case, outcome in outcomes.items()
        if not (isinstance(outcome, NotSent) and outcome.reason in allowed and not outcome.retryable)
    ] == []


async def test_an_image_is_uploaded_once_and_sent_twice_where_the_channel_takes_images(scene: Scene) -> None:
    rule = rules_of(scene.rig).media_rule(MediaKind.IMAGE)
    file = MediaFile(MediaKind.IMAGE, "image/png", "dot.png", PNG, scene.hearing.offer("dot.png", PNG))
    if rule is None:
        with pytest.raises(NotOffered):
            await scene.connector.upload_media(scene.page, file)
        return

    uploaded = await scene.connector.upload_media(scene.page, file)
    media = (OutgoingMedia(MediaKind.IMAGE, uploaded.platform_media_id),)
    outcomes = [await scene.connector.send(scene.page, replace(a_message(scene, ""), media=media), 5) for _ in range(2)]

    assert {type(outcome) for outcome in outcomes} == {Sent}
    entries = await scene.ledger()
    assert [len(entry["attachments"]) for entry in entries] == [1, 1]  # type: ignore[arg-type]  # JSON of the ledger
    assert len({entry["mid"] for entry in entries}) == 2


async def test_media_that_the_channel_does_not_take_is_refused_before_anything_leaves(scene: Scene) -> None:
    file = MediaFile(MediaKind.FILE, "application/x-msdownload", "a.exe", b"MZ", scene.hearing.offer("a.exe", b"MZ"))
    before = await scene.calls()

    with pytest.raises(PlatformCallFailed) as refused:
        await scene.connector.upload_media(scene.page, file)

    assert refused.value.reason in (FailureReason.BAD_CONTENT, FailureReason.POLICY)
    assert not refused.value.retryable
    assert await scene.calls() == before


async def test_typing_and_read_marks_are_shown_where_the_channel_has_them(scene: Scene) -> None:
    capability, message = rules_of(scene.rig), a_message(scene)
    offered = {
        SignalKind.TYPING_ON: capability.offers_typing,
        SignalKind.MARK_READ: capability.offers_mark_read,
    }

    for kind, is_offered in offered.items():
        signal = Signal(scene.person, kind, message.thread_external_id)
        if is_offered:
            await scene.connector.signal(scene.page, signal)
        else:
            with pytest.raises(NotOffered):
                await scene.connector.signal(scene.page, signal)
    assert await scene.ledger() == []
