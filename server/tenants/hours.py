"""Opening hours: how they are written, stored and told. Pure, no I/O.

Stored: `{"weekly": {"MON": [["09:00", "12:00"], ["13:00", "18:00"]], "SUN": []}, "special": {"2026-12-24": []}}`. No
interval means closed; a day that is not named is not told. An interval that ends at or before its start ends the next
day. Notation: `Mon-Fri 09:00-12:00,13:00-18:00; Sun closed; 2026-12-24 closed`.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import groupby, pairwise


class Weekday(StrEnum):
    """A day of the week."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"


DAYS = tuple(day.value for day in Weekday)
MAX_INTERVALS = 6
MAX_SPECIAL = 100
_CLOSED = "closed"
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_END = "24:00"
_PART = re.compile(r"(?P<days>[A-Za-z]{3}(-[A-Za-z]{3})?|[0-9]{4}-[0-9]{2}-[0-9]{2})\s+(?P<times>\S.*)")

_WORDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "en": (("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "closed"),
    "de": (("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"), "geschlossen"),
    "fr": (("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."), "fermé"),
    "es": (("lun", "mar", "mié", "jue", "vie", "sáb", "dom"), "cerrado"),
    "it": (("lun", "mar", "mer", "gio", "ven", "sab", "dom"), "chiuso"),
    "nl": (("ma", "di", "wo", "do", "vr", "za", "zo"), "gesloten"),
    "pt": (("seg.", "ter.", "qua.", "qui.", "sex.", "sáb.", "dom."), "fechado"),
}
"""Short names of the days, Monday first, and the word for closed, as CLDR has them. Other languages are told in English."""

Interval = tuple[str, str]
Hours = Mapping[str, object]


class HoursMalformed(ValueError):
    """These are no opening hours; the message says what they should look like."""


def read(value: object) -> dict[str, object]:
    """Return hours that are given in the stored form, in order; raise HoursMalformed."""
    if not isinstance(value, Mapping) or not set(value) <= {"weekly", "special"}:
        raise HoursMalformed("Opening hours are told for days of the week and for special days.")
    weekly, special = value.get("weekly", {}), value.get("special", {})
    if not isinstance(weekly, Mapping) or not isinstance(special, Mapping) or not set(weekly) <= set(DAYS):
        raise HoursMalformed("Opening hours are told for days of the week and for special days.")
    if len(special) > MAX_SPECIAL:
        raise HoursMalformed(f"There are at most {MAX_SPECIAL} special days.")
    if not weekly and not special:
        raise HoursMalformed("Tell the hours of at least one day.")
    return {
        "weekly": {day: _intervals(weekly[day]) for day in DAYS if day in weekly},
        "special": {_date(day): _intervals(special[day]) for day in sorted(map(str, special))},
    }


def _date(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise HoursMalformed("A special day is a date such as 2026-12-24.") from None
    return found.isoformat()


def _intervals(value: object) -> list[list[str]]:
    if not isinstance(value, list | tuple) or len(value) > MAX_INTERVALS:
        raise HoursMalformed(f"A day has at most {MAX_INTERVALS} intervals.")
    found = sorted(_interval(one) for one in value)
    is_apart = all(start < end <= later for (start, end), (later, _) in pairwise(found))
    if len(found) > 1 and (not is_apart or found[0][0] < found[-1][1] <= found[-1][0]):
        raise HoursMalformed("The intervals of a day must not overlap; only the last may end after midnight.")
    return [list(one) for one in found]


def _interval(value: object) -> Interval:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise HoursMalformed("An interval has a start and an end.")
    start, end = value
    if not isinstance(start, str) or not isinstance(end, str) or start == end:
        raise HoursMalformed("An interval starts and ends at two different times such as 09:00 and 17:30.")
    if not _TIME.fullmatch(start) or not (_TIME.fullmatch(end) or end == _END):
        raise HoursMalformed("A time has the form 09:00; a day ends at 24:00.")
    return start, end


@lru_cache(maxsize=1024)
def parse(text: str) -> Mapping[str, object]:
    """Read the notation; raise HoursMalformed. The shops of a chain share their hours, so each text is read once."""
    weekly: dict[str, list[Interval]] = {}
    special: dict[str, list[Interval]] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        found = _PART.fullmatch(part)
        if found is None:
            raise HoursMalformed(
                "Write opening hours like this: Mon-Fri 09:00-12:00,13:00-18:00; Sun closed; 2026-12-24 closed"
            )
        times = _times(found["times"])
        if found["days"][0].isdigit():
            _put(special, [_date(found["days"])], times)
        else:
            _put(weekly, _named(found["days"]), times)
    return read({"weekly": weekly, "special": special})


def _put(days: dict[str, list[Interval]], names: Sequence[str], times: list[Interval]) -> None:
    if any(name in days for name in names):
        raise HoursMalformed("A day is told twice.")
    days.update(dict.fromkeys(names, times))


def _times(text: str) -> list[Interval]:
    if text.strip().lower() == _CLOSED:
        return []
    found = []
    for one in text.split(","):
        start, _, end = one.strip().partition("-")
        found.append((start.strip(), end.strip()))
    return found


def _named(text: str) -> list[str]:
    first, _, last = text.upper().partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise HoursMalformed("The days are Mon, Tue, Wed, Thu, Fri, Sat and Sun.")
    start, end = DAYS.index(first), DAYS.index(last or first)
    if end < start:
        raise HoursMalformed("A range of days goes forward, Monday is the first.")
    return list(DAYS[start : end + 1])


def written(hours: Hours) -> str:
    """Write stored hours in the notation; `parse` reads the same hours back."""
    return "; ".join(_spans(hours, [day.title() for day in DAYS], _CLOSED, "-", ","))


def spoken(hours: Hours, locale: str | None) -> str:
    """Tell stored hours to people: days with the same hours together, special days by their date."""
    names, closed = _words(locale)
    return "; ".join(_spans(hours, names, closed, "–", ", "))


def _words(locale: str | None) -> tuple[Sequence[str], str]:
    return _WORDS.get((locale or "en").partition("-")[0], _WORDS["en"])


def _spans(hours: Hours, names: Sequence[str], closed: str, dash: str, comma: str) -> Iterator[str]:
    weekly, special = _days(hours, "weekly"), _days(hours, "special")
    told = [(place, _said(weekly[day], closed, dash, comma)) for place, day in enumerate(DAYS) if day in weekly]
    # Neighbouring days with the same hours share the difference between their place and their rank.
    for _, group in groupby(enumerate(told), key=lambda one: (one[1][0] - one[0], one[1][1])):
        span = [entry for _, entry in group]
        first, last = span[0][0], span[-1][0]
        days = names[first] if first == last else f"{names[first]}{dash}{names[last]}"
        yield f"{days} {span[0][1]}"
    for day in sorted(special):
        yield f"{day} {_said(special[day], closed, dash, comma)}"


def _days(hours: Hours, part: str) -> Mapping[str, Sequence[Sequence[str]]]:
    found = hours.get(part)
    return found if isinstance(found, Mapping) else {}


def _said(intervals: Sequence[Sequence[str]], closed: str, dash: str, comma: str) -> str:
    return comma.join(f"{start}{dash}{end}" for start, end in intervals) or closed


def today(attributes: Mapping[str, object], now: datetime) -> str | None:
    """Tell the hours of the day that it is at the unit; None when the unit tells no time zone or nothing of that day.

    `now` is the database's. Hours that began yesterday and go on past midnight are yesterday's.
    """
    hours, zone, locale = (attributes.get(name) for name in ("opening_hours", "time_zone", "locale"))
    if not isinstance(hours, Mapping) or not isinstance(zone, str):
        return None
    day = now.astimezone(zoneinfo.ZoneInfo(zone)).date()
    special, weekly = _days(hours, "special"), _days(hours, "weekly")
    name = DAYS[day.weekday()]
    if day.isoformat() not in special and name not in weekly:
        return None
    intervals = special.get(day.isoformat(), weekly.get(name, ()))
    _, closed = _words(locale if isinstance(locale, str) else None)
    return _said(intervals, closed, "–", ", ")
