"""Settings of units: what each holds, which of two values is the stricter one, and what counts along a line of the tree.

A value that stands higher is a limit for everything under it: the effective value is the strictest along the line from
headquarters to the unit, whatever was written first and wherever a unit is moved to. Pure, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from server.kit.errors import InvalidInput
from server.tenants.hours import DAYS


class SettingName(StrEnum):
    """What can be set on a unit."""

    FIRST_RESPONSE_SLA = "FIRST_RESPONSE_SLA"
    TONE = "TONE"
    MARKETING_CAP = "MARKETING_CAP"
    QUIET_HOURS = "QUIET_HOURS"
    APPROVAL_POLICY = "APPROVAL_POLICY"


MAX_RESPONSE = 30 * 24 * 60
MAX_TONE = 2_000
DAY_HOURS = 24
MAX_CAP_HOURS = 365 * DAY_HOURS
MAX_QUORUM = 5
MAX_QUIET = 28
_DAY = 24 * 60
_WEEK = 7 * _DAY
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LONGEST_WAIT = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class FirstResponse:
    """Within how many minutes a person who wrote gets an answer; None is no promise, the loosest."""

    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Tone:
    """How people write for the unit: guidance for them. It has no order; a locked one holds for everything under it."""

    text: str = ""
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class MarketingCap:
    """At most so many marketing messages of one page to one person in so many hours; 0 messages is none at all."""

    messages: int = 1
    hours: int = DAY_HOURS


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When campaigns send nothing: spans of minutes of the week, Monday 00:00 is 0, the end is outside.

    Made by `quiet_hours`, so that equal times are equal values: in order, apart, and within one week.
    """

    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """How many people have to approve a campaign."""

    quorum: int = 1


Value = FirstResponse | Tone | MarketingCap | QuietHours | ApprovalPolicy

DEFAULTS: Mapping[SettingName, Value] = {
    SettingName.FIRST_RESPONSE_SLA: FirstResponse(),
    SettingName.TONE: Tone(),
    SettingName.MARKETING_CAP: MarketingCap(),
    SettingName.QUIET_HOURS: QuietHours(),
    SettingName.APPROVAL_POLICY: ApprovalPolicy(),
}
"""What holds where nobody set anything: of all that has an order the loosest."""

_NAMES: Mapping[type[Value], SettingName] = {type(value): name for name, value in DEFAULTS.items()}


def name_of(value: Value) -> SettingName:
    """Return what a value is a value of."""
    return _NAMES[type(value)]


# --------------------------------------------------------------------------- the order


def strictest(above: Value, own: Value) -> Value:
    """Return what counts when `own` stands under `above`: the least that is as strict as both.

    Associative, and for everything but the tone commutative: a tone replaces the one above unless that is locked.
    """
    match above, own:
        case FirstResponse(), FirstResponse():
            promised = [one.minutes for one in (above, own) if one.minutes is not None]
            return FirstResponse(min(promised)) if promised else above
        case Tone(), Tone():
            return above if above.is_locked else own
        case MarketingCap(), MarketingCap():
            return MarketingCap(min(above.messages, own.messages), max(above.hours, own.hours))
        case QuietHours(), QuietHours():
            return QuietHours(_merged([*above.spans, *own.spans]))
        case ApprovalPolicy(), ApprovalPolicy():
            return ApprovalPolicy(max(above.quorum, own.quorum))
        case _:
            raise TypeError("only values of one setting can be compared")


def tightens(parent: Value, child: Value) -> bool:
    """Say whether a child may have this value under that one: it is as strict or stricter, in every respect."""
    return strictest(parent, child) == child


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts at one unit. A source or limit without a unit is the system's default.

    `limit` is what the units above add up to, None for a tone that is not locked; `own` is what is set at the unit
    itself, also if it does not count as it is because a unit above is stricter.
    """

    name: SettingName
    value: Value
    source_unit_id: UUID | None
    limit: Value | None
    limit_unit_id: UUID | None
    own: Value | None

    @property
    def is_overruled(self) -> bool:
        """Say whether the unit's own value does not count as it is."""
        return self.own is not None and self.own != self.value


def effective(name: SettingName, line: Iterable[tuple[UUID, Value]], unit_id: UUID) -> Effective:
    """Fold the values that are set along a line, the root's first, into what counts at the unit at its end."""
    value, source = DEFAULTS[name], None
    limit, limit_source, own = value, source, None
    for at, given in line:
        if at == unit_id:
            own = given
        merged = strictest(value, given)
        if merged != value:
            value, source = merged, at
        if at != unit_id:
            limit, limit_source = value, source
    is_free = isinstance(limit, Tone) and not limit.is_locked
    return Effective(name, value, source, None if is_free else limit, None if is_free else limit_source, own)


# --------------------------------------------------------------------------- values


def check(value: Value, *path: str) -> None:
    """Raise InvalidInput at the path for a value that no unit can have."""
    is_sound, form = _form(value)
    if not is_sound:
        raise InvalidInput(form, path=path)


def _form(value: Value) -> tuple[bool, str]:
    match value:
        case FirstResponse(minutes=minutes):
            is_sound = minutes is not None and 1 <= minutes <= MAX_RESPONSE
            return is_sound, f"A first response takes 1 to {MAX_RESPONSE} minutes."
        case Tone(text=text):
            is_sound = bool(text.strip()) and len(text) <= MAX_TONE and "\x00" not in text
            return is_sound, f"A tone is told in 1 to {MAX_TONE} characters."
        case MarketingCap(messages=messages, hours=hours):
            is_sound = messages >= 0 and 1 <= hours <= MAX_CAP_HOURS
            return is_sound, f"A cap counts 0 or more messages in 1 to {MAX_CAP_HOURS} hours."
        case QuietHours(spans=spans):
            is_sound = bool(spans) and spans != ((0, _WEEK),)
            return is_sound, "Quiet hours have a start and an end, and leave some of the week."
        case ApprovalPolicy(quorum=quorum):
            return 1 <= quorum <= MAX_QUORUM, f"1 to {MAX_QUORUM} people have to approve."
        case _:
            assert_never(value)


def stored(value: Value) -> dict[str, object]:
    """Return a value as it is stored."""
    return asdict(value)


def read(name: SettingName, found: Mapping[str, object]) -> Value:
    """Return a stored value. What a newer release has stored beside it, while both run, is left alone."""
    kind = type(DEFAULTS[name])
    if kind is QuietHours:
        spans = cast("Sequence[Sequence[int]]", found["spans"])
        return QuietHours(tuple((start, end) for start, end in spans))
    known: Value = kind(**{one.name: found[one.name] for one in fields(kind) if one.name in found})  # type: ignore[arg-type]
    return known


def told(value: Value) -> str:
    """Tell a value in a few words, for a refusal."""
    match value:
        case FirstResponse():
            return "no promise" if value.minutes is None else f"{value.minutes} minutes"
        case Tone():
            return "a tone that is locked" if value.is_locked else "a tone"
        case MarketingCap():
            return f"{value.messages} messages in {value.hours} hours"
        case QuietHours():
            return ", ".join(f"{day} {start}-{end}" for day, start, end in daily(value)) or "no quiet hours"
        case ApprovalPolicy():
            return f"a quorum of {value.quorum}"
        case _:
            assert_never(value)


# --------------------------------------------------------------------------- quiet hours


def quiet_hours(intervals: Iterable[tuple[Sequence[str], str, str]], *path: str) -> QuietHours:
    """Return quiet hours from days with a start and an end each, such as (("FRI", "SAT"), "22:00", "07:00").

    A day ends at 24:00; an end that is not after its start is one of the next day. Raises InvalidInput.
    """
    spans: list[tuple[int, int]] = []
    given = list(intervals)
    if len(given) > MAX_QUIET:
        raise InvalidInput(f"Give at most {MAX_QUIET} quiet intervals.", path=path)
    for place, (days, start, end) in enumerate(given):
        first, last = _minute(start), _DAY if end == "24:00" else _minute(end)
        if first is None or last is None or first == last or not days or not set(days) <= set(DAYS):
            raise InvalidInput(
                "A quiet interval has days, and two different times such as 22:00 and 07:00.", path=(*path, str(place))
            )
        for day in days:
            begins = DAYS.index(day) * _DAY + first
            spans.append((begins, begins + (last - first if last > first else last - first + _DAY)))
    value = QuietHours(_merged(_cut(spans)))
    check(value, *path)
    return value


def _minute(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    return None if found is None else int(found[1]) * 60 + int(found[2])


def _cut(spans: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Let what goes on after Sunday begin the week."""
    for start, end in spans:
        yield start, min(end, _WEEK)
        if end > _WEEK:
            yield 0, end - _WEEK


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def daily(value: QuietHours) -> list[tuple[str, str, str]]:
    """Tell quiet hours as (day, start, end), Monday first, cut at midnight; an end of 24:00 is the midnight after."""
    found = []
    for start, end in value.spans:
        for day in range(start // _DAY, (end - 1) // _DAY + 1):
            first, last = max(start - day * _DAY, 0), min(end - day * _DAY, _DAY)
            found.append((DAYS[day], _clock(first), _clock(last)))
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def is_quiet(value: QuietHours, zone: ZoneInfo, moment: datetime) -> bool:
    """Say whether clocks in the zone show a quiet time at the moment."""
    local = moment.astimezone(zone)
    minute = local.weekday() * _DAY + local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in value.spans)


def quiet_until(value: QuietHours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return when the quiet time that `now` lies in ends, a day ahead at most; None if `now` is not quiet.

    Clocks decide: an hour that daylight saving skips is not waited for, and one that comes twice is quiet twice.
    """
    if not is_quiet(value, zone, now):
        return None
    moment = now.replace(second=0, microsecond=0)
    while is_quiet(value, zone, moment) and moment - now < _LONGEST_WAIT:
        moment += _MINUTE  # offsets of time zones are whole minutes, so the first minute that is not quiet is the end
    return moment
