"""Which channels are offered, and what they allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.config import Settings
from server.platforms.capabilities.capability import Receipt, Starter, TextUnit, Unsend, text_length
from server.platforms.capabilities.catalogue import CATALOGUE, NoCapability, at
from server.platforms.port import Channel
from server.platforms.registry import ChannelNotOffered, build

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def test_a_configured_channel_is_offered_and_the_others_are_not(surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("MESSENGER_APP_ID", "1")
    surroundings.setenv("MESSENGER_APP_SECRET", "s")
    registry = build(Settings())

    assert registry.channels() == (Channel.MESSENGER,)
    assert registry.of(Channel.MESSENGER).channel is Channel.MESSENGER
    for channel in set(Channel) - {Channel.MESSENGER}:
        with pytest.raises(ChannelNotOffered) as refused:
            registry.of(channel)
        assert refused.value.channel is channel
    await registry.aclose()


def test_a_channel_without_its_app_is_not_offered(surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("MESSENGER_APP_ID", "1")

    with pytest.raises(ChannelNotOffered):
        build(Settings()).of(Channel.MESSENGER)


def test_messenger_allows_what_its_pages_say() -> None:
    now = at(Channel.MESSENGER, NOW)

    assert now.starter is Starter.CONTACT
    assert (now.window, now.human_agent_window) == (timedelta(hours=24), timedelta(days=7))
    assert (now.text_limit, now.text_unit) == (2_000, TextUnit.CHARACTERS)
    assert now.marketing_gap == timedelta(hours=24)
    assert now.offers_marketing
    assert now.receipts == {Receipt.DELIVERED, Receipt.READ}
    assert (now.unsend_by_page, now.unsend_by_contact) == (Unsend.NOT_SUPPORTED, Unsend.UNSEND_FOR_ALL)
    assert now.group_size == 1


def test_a_rule_ends_on_its_day() -> None:
    retired = datetime(2026, 4, 27, tzinfo=UTC)

    assert "ACCOUNT_UPDATE" in at(Channel.MESSENGER, retired - timedelta(microseconds=1)).message_tags
    assert at(Channel.MESSENGER, retired).message_tags == {"HUMAN_AGENT"}


def test_the_periods_of_a_channel_follow_each_other_without_a_gap() -> None:
    for channel, periods in CATALOGUE.items():
        assert all(period.channel is channel and period.source for period in periods)
        assert [period.valid_until for period in periods] == [
            *(period.valid_from for period in periods[1:]),
            None,
        ]


@pytest.mark.parametrize("channel", list(Channel))
def test_every_channel_is_known_now_and_none_in_the_far_past(channel: Channel) -> None:
    assert at(channel, NOW).channel is channel

    with pytest.raises(NoCapability):
        at(channel, datetime(2000, 1, 1, tzinfo=UTC))


def test_a_text_is_measured_in_the_unit_of_the_channel() -> None:
    characters = at(Channel.MESSENGER, NOW)
    in_bytes = type(characters)(
        **{name: getattr(characters, name) for name in characters.__slots__} | {"text_unit": TextUnit.BYTES}
    )

    assert text_length(characters, "Grüße 😀") == 7
    assert text_length(in_bytes, "Grüße 😀") == 12
