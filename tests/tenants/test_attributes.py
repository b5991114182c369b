"""What is told about a unit: which values are taken, what all is wrong at once, and how templates say it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.kit.errors import InvalidInput
from server.tenants import hours
from server.tenants.attributes import changed, customs, variables


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("country", "at", "AT"),
        ("phone", "+43 1 234-5678", "+4312345678"),
        ("locale", "DE-at", "de-AT"),
        ("locale", "zh-hant-tw", "zh-Hant-TW"),
        ("time_zone", "Europe/Vienna", "Europe/Vienna"),
        ("postal_code", " SW1A 1AA ", "SW1A 1AA"),
        ("city", "Linz ", "Linz"),
        ("parking", "Behind the house.\nTwo places.", "Behind the house.\nTwo places."),
    ],
)
def test_a_value_is_stored_in_one_form(name: str, given: str, stored: str) -> None:
    assert changed({}, {name: given}) == ({name: stored}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("country", "XX"),
        ("country", "AUT"),
        ("phone", "0043 1 2345678"),
        ("phone", "+1234567890123456"),
        ("phone", "+43 (0)1 2345"),
        ("phone", "+٤٣١٢٣٤٥٦٧"),
        ("locale", "german"),
        ("locale", "de_AT"),
        ("locale", "x-private"),
        ("time_zone", "CEST"),
        ("time_zone", "../etc/passwd"),
        ("city", "Li\x00nz"),
        ("city", "\u2028"),
        ("city", " "),
        ("city", "x" * 201),
        ("postal_code", "1010; DROP"),
        ("address_line_1", 7),
        ("opening_hours", "always"),
        ("opening_hours", 7),
        ("name", "hides the unit's name"),
        ("opening_hours_today", "never"),
        ("9lives", "x"),
        ("a-b", "x"),
        ("n" * 41, "x"),
        ("note", "x" * 1_001),
        ("note", "\ud800"),
        ("note", "bell\a"),
        ("note", {"nested": "x"}),
        ("note", True),
    ],
)
def test_a_value_of_another_form_is_refused_at_its_name(name: str, value: object) -> None:
    after, (problem,) = changed({"city": "Linz"}, {name: value})

    assert isinstance(problem, InvalidInput)
    assert problem.path == (name[:40],)
    assert after == {"city": "Linz"}


def test_all_that_is_wrong_is_told_at_once() -> None:
    _, problems = changed({}, {"country": "XX", "phone": "1", "city": "Linz", "locale": "-"})

    assert [one.path for one in problems] == [("country",), ("phone",), ("locale",)]


def test_what_is_not_named_stays_and_none_takes_away() -> None:
    before = {"city": "Linz", "parking": "yes"}

    assert changed(before, {"parking": None, "phone": "+4312345678"}) == ({"city": "Linz", "phone": "+4312345678"}, [])


def test_there_are_at_most_fifty_texts_of_ones_own() -> None:
    fifty = {f"note_{number}": "x" for number in range(50)}

    _, nothing = changed({"city": "Linz"}, fifty)
    _, (problem,) = changed(fifty, {"one_more": "x"})

    assert nothing == []
    assert problem.path == ("custom",)


@pytest.mark.parametrize(
    ("notation", "same"),
    [
        ("Mon-Fri 09:00-12:00,13:00-18:00; Sat 10:00-14:00; Sun closed", None),
        ("mon 13:00-18:00, 09:00-12:00", "Mon 09:00-12:00,13:00-18:00"),
        ("Fri-Sat 18:00-02:00", None),
        ("Mon-Sun 00:00-24:00", None),
        ("2026-12-31 closed;2026-12-24 09:00-12:00", "2026-12-24 09:00-12:00; 2026-12-31 closed"),
        ("Mon 09:00-10:00; Wed 09:00-10:00; Thu 09:00-10:00", "Mon 09:00-10:00; Wed-Thu 09:00-10:00"),
    ],
)
def test_hours_that_are_read_are_written_as_the_same_hours(notation: str, same: str | None) -> None:
    stored = hours.parse(notation)

    assert hours.written(stored) == (same or notation)
    assert hours.parse(hours.written(stored)) == stored
    assert hours.read(stored) == stored


@pytest.mark.parametrize(
    "notation",
    [
        "",
        ";",
        "Mon",
        "Mon 9:00-12:00",
        "Mon 09:00",
        "Mon 09:00-25:00",
        "Mon 24:00-25:00",
        "Mon 09:00-09:00",
        "Mon 09:00-12:00,11:00-13:00",
        "Mon 18:00-02:00,20:00-22:00",
        "Mon 01:00-05:00,18:00-02:00",
        "Mon 01:00-05:00,06:00-02:00,20:00-22:00",
        "Mon 09:00-12:00; Mon-Tue closed",
        "Fri-Mon 09:00-12:00",
        "Day 09:00-12:00",
        "2026-02-30 closed",
        "Mon " + ",".join(f"{hour:02}:00-{hour:02}:30" for hour in range(7)),
    ],
)
def test_hours_that_make_no_sense_are_refused(notation: str) -> None:
    with pytest.raises(hours.HoursMalformed):
        hours.parse(notation)


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"daily": {}},
        {"weekly": []},
        {"weekly": {"Monday": []}},
        {"weekly": {"MON": "09:00-10:00"}},
        {"weekly": {"MON": [["09:00"]]}},
        {"weekly": {"MON": [[9, 10]]}},
        {"special": {f"20{year:02}-01-01": [] for year in range(100)} | {"1999-01-01": []}},
    ],
)
def test_a_stored_form_of_another_shape_is_refused(stored: object) -> None:
    with pytest.raises(hours.HoursMalformed):
        hours.read(stored)


def test_templates_get_texts_for_people() -> None:
    stored, _ = changed(
        {},
        {
            "address_line_1": "Landstraße 1",
            "postal_code": "4020",
            "city": "Linz",
            "locale": "de-AT",
            "opening_hours": "Mon-Fri 09:00-12:00,13:00-18:00; Sat closed; 2026-12-24 closed",
            "parking": "yes",
        },
    )

    told = variables(stored)

    assert told["address"] == "Landstraße 1, 4020 Linz"
    assert told["opening_hours"] == "Mo–Fr 09:00–12:00, 13:00–18:00; Sa geschlossen; 2026-12-24 geschlossen"
    assert (told["city"], told["parking"], "time_zone" in told) == ("Linz", "yes", False)
    assert customs(stored) == {"parking": "yes"}


def test_the_hours_of_today_are_those_of_the_units_own_day() -> None:
    stored, _ = changed(
        {},
        {
            "time_zone": "Pacific/Auckland",
            "opening_hours": "Mon 09:00-12:00; Tue 10:00-11:00; 2026-11-25 closed",
        },
    )

    def at(day: int, hour: int) -> str | None:
        return hours.today(stored, datetime(2026, 11, day, hour, tzinfo=UTC))

    assert at(23, 10) == "09:00–12:00"
    assert at(23, 11) == "10:00–11:00"
    assert at(24, 12) == "closed"
    assert at(25, 12) is None
    assert hours.today({**stored, "time_zone": None}, datetime(2026, 11, 23, tzinfo=UTC)) is None
