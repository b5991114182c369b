"""What no argument may hold, whatever it is for: texts and times that the database cannot keep or nobody can compute with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime

from strawberry.utils.str_converters import to_camel_case

from server.kit.errors import InvalidInput
from server.schema.scalars import FIRST_YEAR, LAST_YEAR


def refuse_unstorable(arguments: dict[str, object]) -> None:
    """Raise InvalidInput for the first such value in a root field's arguments. `input` itself is no part of its path."""
    for path, value in _leaves(arguments):
        problem = _text_problem(value) if isinstance(value, str) else _time_problem(value)
        if problem is not None:
            raise InvalidInput(problem, path=path)


def _leaves(value: object, *path: str) -> Iterator[tuple[tuple[str, ...], str | date]]:
    match value:
        case str() | date():
            yield path, value
        case dict():
            for name, one in value.items():
                yield from _leaves(one, *path, *([] if name == "input" else [to_camel_case(str(name).rstrip("_"))]))
        case list():
            for place, one in enumerate(value):
                yield from _leaves(one, *path, str(place))
        case _ if is_dataclass(value) and not isinstance(value, type):
            yield from _leaves({one.name: getattr(value, one.name) for one in fields(value)}, *path)


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "A text must not contain the character NUL."
    if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
        return "A text must be valid Unicode; this one holds half of a surrogate pair."
    return None


def _time_problem(given: date) -> str | None:
    years = f"Give a time in the years {FIRST_YEAR} to {LAST_YEAR}."
    if not isinstance(given, datetime):
        return None if FIRST_YEAR <= given.year <= LAST_YEAR else years
    if given.tzinfo is None:
        return "A time needs its offset from UTC, such as 2026-12-01T09:00:00Z."
    try:
        year = given.astimezone(UTC).year
    except OverflowError:
        return years
    return None if FIRST_YEAR <= year <= LAST_YEAR else years
