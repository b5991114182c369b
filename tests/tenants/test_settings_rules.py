"""What counts along a line of the tree: never looser than above, whatever was written when and moved where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.kit.errors import InvalidInput
from server.tenants import settings as rules
from server.tenants.hours import DAYS
from server.tenants.settings import (
    DEFAULTS,
    ApprovalPolicy,
    FirstResponse,
    MarketingCap,
    QuietHours,
    SettingName,
    Tone,
    Value,
    strictest,
    tightens,
)

VIENNA = ZoneInfo("Europe/Vienna")
NIGHTS = rules.quiet_hours([(DAYS, "22:00", "07:00")])
_CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 59]))


@st.composite
def _quiet(draw: st.DrawFn) -> QuietHours:
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=6, unique=True))
    start, end = draw(st.lists(_CLOCK, min_size=2, max_size=2, unique=True))
    return rules.quiet_hours([(days, start, end)])


VALUES: dict[SettingName, st.SearchStrategy[Value]] = {
    SettingName.FIRST_RESPONSE_SLA: st.builds(FirstResponse, st.integers(1, 99)),
    SettingName.TONE: st.builds(Tone, st.sampled_from("abc"), st.booleans()),
    SettingName.MARKETING_CAP: st.builds(MarketingCap, st.integers(0, 1), st.integers(24, 99)),
    SettingName.QUIET_HOURS: _quiet(),
    SettingName.APPROVAL_POLICY: st.builds(ApprovalPolicy, st.integers(1, 5)),
}
_PAIRS = st.sampled_from(SettingName).flatmap(lambda name: st.tuples(VALUES[name], VALUES[name], VALUES[name]))


@dataclass
class Tree:
    """Units 0 to n: who stands under whom, and what is set at each."""

    parents: dict[int, int | None]
    values: dict[int, Value] = field(default_factory=dict)

    def line(self, unit: int) -> list[int]:
        """Return the units from the root to this one."""
        parent = self.parents[unit]
        return [unit] if parent is None else [*self.line(parent), unit]

    def effective(self, name: SettingName, unit: int) -> rules.Effective:
        """Return what counts at a unit."""
        line = [(UUID(int=one), self.values[one]) for one in self.line(unit) if one in self.values]
        return rules.effective(name, line, UUID(int=unit))


def _fold(values: Sequence[Value], default: Value) -> Value:
    found = default
    for one in values:
        found = strictest(found, one)
    return found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_child_is_never_looser_than_its_parent_in_any_tree_after_any_writes_and_moves(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SettingName))
    size = data.draw(st.integers(1, 8))
    tree = Tree({unit: data.draw(st.integers(0, unit - 1)) if unit else None for unit in range(size)})
    for _ in range(data.draw(st.integers(0, 12))):
        unit = data.draw(st.integers(0, size - 1))
        act = data.draw(st.sampled_from(["set", "set", "clear", "move"]))
        if act == "set":  # also what set_setting would refuse: a unit may have had it before it was moved
            tree.values[unit] = data.draw(VALUES[name])
        elif act == "clear":
            tree.values.pop(unit, None)
        elif unit:
            target = data.draw(st.integers(0, size - 1))
            if unit not in tree.line(target):
                tree.parents[unit] = target

    for unit, parent in tree.parents.items():
        found = tree.effective(name, unit)
        given_values = [tree.values[one] for one in tree.line(unit) if one in tree.values]
        assert found.value == _fold(given_values, DEFAULTS[name])
        assert found.own == tree.values.get(unit)
        above = DEFAULTS[name] if parent is None else tree.effective(name, parent).value
        assert tightens(above, found.value)
        assert found.limit in (above, None)
        if name is not SettingName.TONE:
            assert all(tightens(one, found.value) for one in given_values)


@given(_PAIRS)
def test_the_strictest_is_as_strict_as_both_and_does_not_depend_on_grouping(
    three: tuple[Value, Value, Value],
) -> None:
    one, two, last = three

    assert strictest(one, one) == one
    assert strictest(strictest(one, two), last) == strictest(one, strictest(two, last))
    if not isinstance(one, Tone):
        assert strictest(one, two) == strictest(two, one)
        assert tightens(two, strictest(one, two))
        assert tightens(DEFAULTS[rules.name_of(one)], one)


@given(_PAIRS)
def test_a_value_is_stored_as_json_and_read_back(three: tuple[Value, Value, Value]) -> None:
    for value in three:
        rules.check(value)

        stored = rules.stored(value)
        assert rules.read(rules.name_of(value), stored) == value
        assert rules.read(rules.name_of(value), stored | {"of a newer release": 1}) == value


def test_stricter_is_less_time_fewer_messages_a_longer_wait_more_quiet_and_more_people() -> None:
    for parent, child in (
        (FirstResponse(60), FirstResponse(30)),
        (FirstResponse(), FirstResponse(30)),
        (MarketingCap(1, 24), MarketingCap(1, 48)),
        (MarketingCap(1, 48), MarketingCap(0, 48)),
        (NIGHTS, rules.quiet_hours([(DAYS, "21:00", "07:00")])),
        (ApprovalPolicy(1), ApprovalPolicy(2)),
        (Tone("warm"), Tone("cool")),
    ):
        assert tightens(parent, child)
        assert tightens(parent, parent)
        assert isinstance(parent, Tone) or not tightens(child, parent)

    assert not tightens(MarketingCap(1, 48), MarketingCap(0, 24))
    assert not tightens(DEFAULTS[SettingName.MARKETING_CAP], MarketingCap(2, 24))
    assert not tightens(DEFAULTS[SettingName.MARKETING_CAP], MarketingCap(1, 23))
    assert not tightens(Tone("warm", is_locked=True), Tone("cool"))


def test_a_value_comes_from_the_unit_that_made_it_so_and_an_overruled_one_is_still_told() -> None:
    root, region, shop = (UUID(int=one) for one in (1, 2, 3))

    found = rules.effective(
        SettingName.FIRST_RESPONSE_SLA,
        [(root, FirstResponse(60)), (region, FirstResponse(20)), (shop, FirstResponse(40))],
        shop,
    )

    assert (found.value, found.source_unit_id) == (FirstResponse(20), region)
    assert (found.limit, found.limit_unit_id) == (FirstResponse(20), region)
    assert (found.own, found.is_overruled) == (FirstResponse(40), True)


def test_a_tone_is_the_nearest_one_until_a_unit_above_locks_its_own() -> None:
    root, shop = UUID(int=1), UUID(int=2)
    own = (shop, Tone("cheeky"))

    free = rules.effective(SettingName.TONE, [(root, Tone("formal")), own], shop)
    bound = rules.effective(SettingName.TONE, [(root, Tone("formal", is_locked=True)), own], shop)

    assert (free.value, free.source_unit_id, free.limit, free.is_overruled) == (own[1], shop, None, False)
    assert (bound.value, bound.source_unit_id) == (Tone("formal", is_locked=True), root)
    assert (bound.limit, bound.limit_unit_id, bound.is_overruled) == (bound.value, root, True)


@pytest.mark.parametrize(
    "value",
    [
        FirstResponse(),
        FirstResponse(0),
        FirstResponse(rules.MAX_RESPONSE + 1),
        Tone(" "),
        Tone("x" * (rules.MAX_TONE + 1)),
        Tone("a\x00b"),
        MarketingCap(-1, 24),
        MarketingCap(1, 0),
        MarketingCap(1, rules.MAX_CAP_HOURS + 1),
        QuietHours(),
        ApprovalPolicy(0),
        ApprovalPolicy(6),
    ],
)
def test_what_no_unit_can_have_is_refused(value: Value) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.check(value, "value")

    assert refused.value.path == ("value",)


@pytest.mark.parametrize(
    "interval",
    [
        (DAYS, "22:00", "22:00"),
        (DAYS, "24:00", "07:00"),
        (DAYS, "22:60", "07:00"),
        (DAYS, "9:00", "10:00"),
        ((), "22:00", "07:00"),
        (("XXX",), "22:00", "07:00"),
        (DAYS, "00:00", "24:00"),
    ],
)
def test_quiet_intervals_that_are_none_or_leave_nothing_are_refused(interval: tuple[Sequence[str], str, str]) -> None:
    with pytest.raises(InvalidInput):
        rules.quiet_hours([interval], "quietHours")


def test_quiet_hours_are_told_by_day_and_the_night_after_sunday_begins_the_week() -> None:
    value = rules.quiet_hours(
        [(("SUN",), "22:00", "07:00"), (("MON",), "06:00", "08:00"), (("MON",), "23:00", "24:00")]
    )

    assert rules.daily(value) == [("MON", "00:00", "08:00"), ("MON", "23:00", "24:00"), ("SUN", "22:00", "24:00")]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-18T23:00:30+01:00", "2026-11-19T07:00:00+01:00"),
        ("2026-11-19T06:59:59+01:00", "2026-11-19T07:00:00+01:00"),
        ("2026-11-19T07:00:00+01:00", None),
        ("2026-11-18T21:59:59+01:00", None),
        # The night of 29 March 2026 has an hour less, the one of 25 October an hour more.
        ("2026-03-28T22:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00+01:00"),
    ],
)
def test_a_night_ends_when_the_clocks_of_the_place_say_so(now: str, end: str | None) -> None:
    assert rules.quiet_until(NIGHTS, VIENNA, _at(now)) == (None if end is None else _at(end))


def test_an_end_in_the_hour_that_is_skipped_is_the_moment_of_the_change() -> None:
    value = rules.quiet_hours([(DAYS, "22:00", "02:30")])

    assert rules.quiet_until(value, VIENNA, _at("2026-03-29T01:30:00+01:00")) == _at("2026-03-29T03:00:00+02:00")


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    value = rules.quiet_hours([(DAYS, "02:00", "02:30")])

    assert rules.quiet_until(value, VIENNA, _at("2026-10-25T02:10:00+02:00")) == _at("2026-10-25T02:30:00+02:00")
    assert rules.quiet_until(value, VIENNA, _at("2026-10-25T02:40:00+02:00")) is None
    assert rules.quiet_until(value, VIENNA, _at("2026-10-25T02:10:00+01:00")) == _at("2026-10-25T02:30:00+01:00")


def test_a_week_without_an_end_is_looked_at_again_after_a_day() -> None:
    value = strictest(rules.quiet_hours([(DAYS, "00:00", "12:00")]), rules.quiet_hours([(DAYS, "12:00", "24:00")]))
    now = _at("2026-11-18T10:00:00+01:00")

    assert isinstance(value, QuietHours)
    assert rules.quiet_until(value, VIENNA, now) == now + timedelta(days=1)


@settings(max_examples=150, deadline=None)
@given(_quiet(), st.sampled_from(["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC"]), st.data())
def test_the_end_is_the_first_moment_that_is_not_quiet(value: QuietHours, name: str, data: st.DataObject) -> None:
    zone = ZoneInfo(name)
    near = data.draw(
        st.sampled_from(["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"])
    )
    now = _at(f"{near}T00:00:00+00:00") + timedelta(seconds=data.draw(st.integers(-90_000, 90_000)))

    until = rules.quiet_until(value, zone, now)

    if until is None:
        assert not rules.is_quiet(value, zone, now)
        return
    assert not rules.is_quiet(value, zone, until) or until - now >= timedelta(days=1)
    wait = int((until - now).total_seconds())
    assert all(rules.is_quiet(value, zone, now + timedelta(seconds=gone)) for gone in range(0, wait, 30))
