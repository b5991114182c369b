"""GraphQL of what is told about a unit: address, phone, locale, hours, and texts of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import strawberry

from server.kit.errors import InvalidInput, Problems
from server.schema.cost import held
from server.schema.declarations import readable
from server.schema.enums import Weekday
from server.tenants import hours
from server.tenants.attributes import ADDRESS_LINES, HOURS, TEXTS, customs

_PLAIN = tuple(name for name in TEXTS if name not in ADDRESS_LINES)


@readable(None)
@strawberry.type(description="From when to when a unit is open.")
class OpeningInterval:
    """A span of a day."""

    opens: str = strawberry.field(description="Local time such as 09:00.")
    closes: str = strawberry.field(
        description="Local time such as 17:30, at most 24:00; of the next day if it is not after `opens`."
    )

    @classmethod
    def of(cls, one: Sequence[str]) -> OpeningInterval:
        """Show an interval."""
        return cls(opens=one[0], closes=one[1])


@readable(None)
@strawberry.type(description="The hours of one day of the week.")
class OpeningDay:
    """A day."""

    weekday: Weekday = strawberry.field(description="The day.")
    intervals: list[OpeningInterval] = strawberry.field(
        description="When it is open, in order; empty for closed.", directives=held(10)
    )


@readable(None)
@strawberry.type(description="The hours of one date, in place of those of its weekday.")
class SpecialDay:
    """A date."""

    date: date = strawberry.field(description="The date.")
    intervals: list[OpeningInterval] = strawberry.field(
        description="When it is open, in order; empty for closed.", directives=held(10)
    )


@readable(None)
@strawberry.type(description="Opening hours in the unit's own time zone. A day that is not named is not told.")
class OpeningHours:
    """Hours."""

    weekly: list[OpeningDay] = strawberry.field(description="The week, Monday first.", directives=held(7))
    special: list[SpecialDay] = strawberry.field(
        description="Dates with other hours, in order; at most 100.", directives=held(100)
    )
    text: str = strawberry.field(description="The same for people, as templates write it.")

    @classmethod
    def of(cls, stored: Mapping[str, Mapping[str, list[list[str]]]], locale: str | None) -> OpeningHours:
        """Show stored hours."""
        return cls(
            weekly=[
                OpeningDay(weekday=day, intervals=[OpeningInterval.of(one) for one in stored["weekly"][day]])
                for day in Weekday
                if day in stored["weekly"]
            ],
            special=[
                SpecialDay(date=date.fromisoformat(day), intervals=[OpeningInterval.of(one) for one in intervals])
                for day, intervals in sorted(stored["special"].items())
            ],
            text=hours.spoken(stored, locale),
        )


@readable(None)
@strawberry.type(description="A text of your own.")
class UnitAttribute:
    """A name and a text."""

    name: str = strawberry.field(description="Templates call it unit.<name>.")
    value: str = strawberry.field(description="The text.")


@readable(None)
@strawberry.type(description="What is told about a unit. Templates write it as {{ unit.city }} and so on.")
class UnitAttributes:
    """Attributes."""

    address_lines: list[str] = strawberry.field(
        description="Street and number and the like, up to 3 lines.", directives=held(3)
    )
    postal_code: str | None = strawberry.field(description="The postal code.")
    city: str | None = strawberry.field(description="The city.")
    country: str | None = strawberry.field(description="ISO 3166-1 code of two letters.")
    phone: str | None = strawberry.field(description="E.164, for example +4312345678.")
    locale: str | None = strawberry.field(description="BCP 47 language tag, for example de-AT.")
    time_zone: str | None = strawberry.field(description="IANA time zone.")
    opening_hours: OpeningHours | None = strawberry.field(description="When it is open.")
    custom: list[UnitAttribute] = strawberry.field(
        description="Texts of your own, by name; at most 50.", directives=held(50)
    )

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> UnitAttributes:
        """Show stored attributes."""
        texts = {name: str(stored[name]) for name in TEXTS if name in stored}
        told = stored.get(HOURS)
        return cls(
            address_lines=[texts[name] for name in ADDRESS_LINES if name in texts],
            opening_hours=OpeningHours.of(told, texts.get("locale")) if isinstance(told, dict) else None,
            custom=[UnitAttribute(name=name, value=value) for name, value in sorted(customs(stored).items())],
            **{name: texts.get(name) for name in _PLAIN},
        )


@strawberry.input(description="From when to when a unit is open.")
class OpeningIntervalInput:
    """A span of a day."""

    opens: str = strawberry.field(description="Local time such as 09:00.")
    closes: str = strawberry.field(
        description="Local time such as 17:30, at most 24:00; of the next day if it is not after `opens`."
    )


@strawberry.input(description="The hours of one day of the week.")
class OpeningDayInput:
    """A day."""

    weekday: Weekday = strawberry.field(description="The day.")
    intervals: list[OpeningIntervalInput] = strawberry.field(description="When it is open, at most 6; none for closed.")


@strawberry.input(description="The hours of one date, in place of those of its weekday.")
class SpecialDayInput:
    """A date."""

    date: date = strawberry.field(description="The date.")
    intervals: list[OpeningIntervalInput] = strawberry.field(description="When it is open, at most 6; none for closed.")


@strawberry.input(description="All opening hours, in the unit's own time zone; a day that is not named is not told.")
class OpeningHoursInput:
    """Hours."""

    weekly: list[OpeningDayInput] = strawberry.field(default_factory=list, description="Days of the week, each once.")
    special: list[SpecialDayInput] = strawberry.field(
        default_factory=list, description="Dates with other hours, each once; at most 100."
    )

    def read(self) -> dict[str, object]:
        """Return the stored form; raise Problems for a day that is named twice."""
        weekly = [(one.weekday.value, one.intervals) for one in self.weekly]
        special = [(one.date.isoformat(), one.intervals) for one in self.special]
        twice = [
            InvalidInput("A day is told twice.", path=("attributes", "openingHours", name))
            for name, days in (("weekly", weekly), ("special", special))
            if len(dict(days)) < len(days)
        ]
        if twice:
            raise Problems(twice)
        return {
            name: {day: [[one.opens, one.closes] for one in intervals] for day, intervals in days}
            for name, days in (("weekly", weekly), ("special", special))
        }


@strawberry.input(description="A text of your own.")
class UnitAttributeInput:
    """A name and a text."""

    name: str = strawberry.field(
        description="1 to 40 letters, digits and underscores, beginning with a letter. Templates call it unit.<name>."
    )
    value: str | None = strawberry.field(description="1 to 1,000 characters; null takes it away.")


@strawberry.input(description="What changes about a unit. What is left out stays as it is, null takes it away.")
class UnitAttributesInput:
    """Attributes to set or to take away."""

    address_lines: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="All lines of the address above city, at most 3, of 1 to 200 characters."
    )
    postal_code: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 16 letters, digits, blanks and hyphens."
    )
    city: str | None = strawberry.field(default=strawberry.UNSET, description="1 to 200 characters.")
    country: str | None = strawberry.field(default=strawberry.UNSET, description="ISO 3166-1 code of two letters.")
    phone: str | None = strawberry.field(default=strawberry.UNSET, description="E.164; blanks and hyphens are ignored.")
    locale: str | None = strawberry.field(default=strawberry.UNSET, description="BCP 47 language tag.")
    time_zone: str | None = strawberry.field(default=strawberry.UNSET, description="IANA time zone.")
    opening_hours: OpeningHoursInput | None = strawberry.field(
        default=strawberry.UNSET, description="All opening hours."
    )
    custom: list[UnitAttributeInput] = strawberry.field(
        default_factory=list, description="Texts of your own to set or to take away; others stay. At most 50 in all."
    )

    def read(self) -> dict[str, object]:
        """Return what changes, None where it goes; raise Problems for what cannot be told apart."""
        return dict(self._read())

    def _read(self) -> Iterator[tuple[str, object]]:
        if self.address_lines is not strawberry.UNSET:
            lines = self.address_lines or []
            if len(lines) > len(ADDRESS_LINES):
                message = f"An address has at most {len(ADDRESS_LINES)} lines."
                raise Problems([InvalidInput(message, path=("attributes", "addressLines"))])
            yield from zip(ADDRESS_LINES, [*lines, *[None] * (len(ADDRESS_LINES) - len(lines))], strict=True)
        for name in _PLAIN:
            value = getattr(self, name)
            if value is not strawberry.UNSET:
                yield name, value
        if self.opening_hours is not strawberry.UNSET:
            yield HOURS, None if self.opening_hours is None else self.opening_hours.read()
        known = {*TEXTS, HOURS}
        for place, one in enumerate(self.custom):
            if one.name in known:
                message = "This has a field of its own."
                raise Problems([InvalidInput(message, path=("attributes", "custom", str(place), "name"))])
            yield one.name, one.value
