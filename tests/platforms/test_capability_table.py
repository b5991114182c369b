"""The data of what channels allow: whole, without gaps, and the same in the docs as in the checks (D-19)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, text_length
from server.platforms.capabilities.table import BEGIN, END, table
from server.platforms.port import Channel

DOCS = Path(__file__).parent.parent.parent / "docs" / "channels" / "README.md"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("channel", list(Channel))
def test_the_periods_of_a_channel_follow_each_other_without_a_gap(channel: Channel) -> None:
    periods = catalogue.CATALOGUE[channel]

    assert [one.valid_until for one in periods] == [*(one.valid_from for one in periods[1:]), None]
    assert all(one.channel is channel and one.source for one in periods)


@pytest.mark.parametrize("channel", list(Channel))
def test_the_clock_over_a_change_date_changes_the_rules_at_that_very_moment(channel: Channel) -> None:
    for before, after in zip(catalogue.CATALOGUE[channel], catalogue.CATALOGUE[channel][1:], strict=False):
        assert catalogue.at(channel, after.valid_from - timedelta(microseconds=1)) is before
        assert catalogue.at(channel, after.valid_from) is after


def test_the_tags_that_were_retired_may_be_used_until_that_day() -> None:
    retired = datetime(2026, 4, 27, tzinfo=UTC)

    assert "ACCOUNT_UPDATE" in catalogue.at(Channel.MESSENGER, retired - timedelta(seconds=1)).message_tags
    assert "ACCOUNT_UPDATE" not in catalogue.at(Channel.MESSENGER, retired).message_tags


def test_a_planned_change_flips_the_verdict_on_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    change = NOW + timedelta(days=10)
    today = catalogue.at(Channel.INSTAGRAM, NOW)
    tomorrow = replace(today, valid_from=change, text_limit=2_000, source="a change that the network announced")
    planned = {**catalogue.CATALOGUE, Channel.INSTAGRAM: (replace(today, valid_until=change), tomorrow)}
    monkeypatch.setattr(catalogue, "CATALOGUE", planned)

    assert not _fits(catalogue.at(Channel.INSTAGRAM, change - timedelta(seconds=1)), "ü" * 600)
    assert _fits(catalogue.at(Channel.INSTAGRAM, change), "ü" * 600)


def _fits(rules: Capability, text: str) -> bool:
    return text_length(rules, text) <= rules.text_limit


def test_the_docs_show_the_data_that_the_checks_read() -> None:
    written = DOCS.read_text()

    shown = written[written.index(BEGIN) : written.index(END) + len(END)]

    assert shown == table(NOW), "write it anew: python -m server.platforms.capabilities.table"
