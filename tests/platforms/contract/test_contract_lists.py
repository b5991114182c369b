"""Every platform: its own lists are witnesses of what was said, under the very keys that its webhooks have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.port import Sent
from tests.platforms.contract.conftest import HeldClock, Plan, Scene, an_id, named
from tests.platforms.contract.hearing import is_said, key, told_by, words


def a_minute_ago() -> datetime:
    """Before anything of a test happened."""
    return datetime.now(UTC) - timedelta(minutes=1)


async def test_a_list_shows_what_both_sides_said(scene: Scene) -> None:
    since = a_minute_ago()
    heard = await scene.says("How much is it?")
    outcome = await scene.connector.send(scene.page, scene.rig.message(scene.page, scene.person, "Two francs."), 5)

    listing = await scene.connector.list_messages(scene.page, since)

    assert isinstance(outcome, Sent)
    shown = {
        message.platform_message_id: (message.from_external_id, message.to_external_id, message.text)
        for message in listing.messages
    }
    page = scene.page.page_external_id
    assert shown[heard][0] == scene.person
    assert shown[heard][1:] == (page, "How much is it?")
    assert shown[outcome.platform_message_id][0] == page
    assert shown[outcome.platform_message_id][2] == "Two francs."
    assert listing.is_complete is getattr(scene.rig, "lists_prove", True)
    assert all(message.created_at >= since - timedelta(seconds=2) for message in listing.messages)


async def test_a_list_since_later_is_empty(scene: Scene) -> None:
    await scene.says("Before")

    listing = await scene.connector.list_messages(scene.page, datetime.now(UTC) + timedelta(hours=1))

    assert listing.messages == ()


async def test_a_backfill_tells_what_was_said_under_the_keys_of_the_webhooks(scene: Scene) -> None:
    since = a_minute_ago()
    ids = [await scene.says(f"Question {number}") for number in range(3)]
    await scene.connector.send(scene.page, scene.rig.message(scene.page, scene.person, "Answer"), 5)
    await scene.hearing.until(lambda told: len([1 for _, event in told if words(event)]) >= len(ids))
    await scene.platform.settled()

    filled = await scene.connector.backfill(scene.page, since)

    told = told_by(scene.connector, filled.events)
    said = [found for _, event in told if (found := words(event))]
    assert sorted(said) == sorted(
        (message_id, scene.person, f"Question {number}") for number, message_id in enumerate(ids)
    )
    by_webhook = {key(raw) for raw, event in scene.hearing.told() if is_said(event)}
    by_list = {key(raw) for raw, event in told if is_said(event)}
    assert by_webhook
    assert by_webhook <= by_list
    assert filled.is_complete


async def test_what_was_said_within_one_moment_comes_back_in_the_order_in_which_it_was_said(
    scene: Scene, held_clock: HeldClock
) -> None:
    since = a_minute_ago()
    async with held_clock():
        ids = [await scene.says(f"Line {number}") for number in range(4)]

    filled = await scene.connector.backfill(scene.page, since)

    told = [found[0] for _, event in told_by(scene.connector, filled.events) if (found := words(event))]
    assert told == ids
    assert len({event.occurred_at for event in filled.events}) == 1


async def test_who_spoke_last_within_one_moment_is_listed_first(scene: Scene, held_clock: HeldClock) -> None:
    other = named(scene.rig, "person", an_id())
    await scene.rig.a_person(scene.platform, scene.page, other)
    since = a_minute_ago()
    async with held_clock():
        await scene.says("First", other)
        await scene.says("Second")
        last_of_other = await scene.says("Third", other)
    then = await scene.connector.list_messages(scene.page, since)
    async with held_clock():
        await scene.says("Fourth", other)
        last = await scene.says("Fifth")
    now = await scene.connector.list_messages(scene.page, since)

    assert then.messages[0].platform_message_id == last_of_other
    assert now.messages[0].platform_message_id == last


async def test_a_backfill_gives_back_what_the_webhooks_lost(scene: Scene, plan: Plan) -> None:
    since = a_minute_ago()
    await plan(webhooks={"drop_probability": 1.0})
    lost = await scene.says("Nobody hears me")
    await plan()
    heard = await scene.says("Now you do")
    await scene.hearing.until(lambda told: any(words(event) for _, event in told))

    filled = await scene.connector.backfill(scene.page, since)

    by_list = {found[0] for _, event in told_by(scene.connector, filled.events) if (found := words(event))}
    by_webhook = {found[0] for _, event in scene.hearing.told() if (found := words(event))}
    assert by_list == {lost, heard}
    assert by_webhook == {heard}
