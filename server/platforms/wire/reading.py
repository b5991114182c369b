"""Careful readers for JSON that somebody else wrote: nothing here trusts a type, a size or a depth.

Used for webhooks and for answers of the Graph API. It leaves the meaning of fields to the modules beside it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import orjson

Json = dict[str, object]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DEPTH = 64
MAX_ID_CHARACTERS = 1_000
MAX_KEY_CHARACTERS = 255
_FIRST_YEAR, _LAST_YEAR = 1971, 2100
_LATEST_S = 4_102_444_800.0
_NUMBER = re.compile(r"[0-9]{1,17}(\.[0-9]{1,9})?")
# Either a whole surrogate pair, or half of one, or any other escape (so that an escaped backslash is never misread).
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class NotJson(ValueError):
    """The bytes are not a JSON document that we are willing to read."""


class TooDeep(ValueError):
    """The value is nested deeper than MAX_DEPTH."""


def load(body: bytes) -> object:
    """Read JSON; raise NotJson for anything else (too deep, NaN, not UTF-8).

    Half an emoji, which platforms produce when they cut a text, becomes U+FFFD instead of losing the whole body.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in str(error):
            raise NotJson(str(error)) from None
    try:
        return orjson.loads(_ESCAPE.sub(lambda found: b"\\ufffd" if found.group(1) else found.group(0), body))
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None


def clean(value: object, depth: int = 0) -> object:
    """Give a JSON value in a form that PostgreSQL stores (no NUL); raise TooDeep beyond MAX_DEPTH.

    What needs no change, as nearly everything, is given back as it is and not copied.
    """
    return value if _is_clean(value, depth) else _cleaned(value, depth)


def _is_clean(value: object, depth: int) -> bool:
    kind = type(value)
    if kind is str:
        return "\x00" not in value  # type: ignore[operator]
    if kind is dict:
        if depth >= MAX_DEPTH:
            return False
        for key, inner in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or "\x00" in key or not _is_clean(inner, depth + 1):
                return False
    elif kind is list:
        if depth >= MAX_DEPTH:
            return False
        for inner in value:  # type: ignore[attr-defined]
            if not _is_clean(inner, depth + 1):
                return False
    return True


def _cleaned(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise TooDeep
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {str(_cleaned(key, 0)): _cleaned(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, depth + 1) for inner in value]
    return value


def mapping(value: object) -> Json:
    """Return the object, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return the list, or an empty one where something else stands."""
    return value if isinstance(value, list) else []


def identifier(value: object) -> str | None:
    """Normalise an id, which platforms write as a number or as a string; None where there is no usable one."""
    if isinstance(value, str):  # first: nearly all of them are
        text = value.strip().replace("\x00", "\ufffd")
        return text if text and len(text) <= MAX_ID_CHARACTERS else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**40 else None
    return None


def text(value: object) -> str | None:
    """Return a text, with NUL made harmless; None where something else stands."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else None


def whole(value: object) -> int | None:
    """Read a number that may be written as a numeric string; None where there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**31 else None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value, re.ASCII):
        return int(value)
    return None


def moment(value: object) -> datetime | None:
    """Read a time given in seconds, ms or microseconds (told apart by magnitude) or as an ISO string; None if unreadable."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _instant(float(value)) if abs(value) < 1e17 else None
    if not isinstance(value, str):
        return None
    if _NUMBER.fullmatch(value):
        return _instant(float(value))
    return _iso(value)


def key(*parts: object) -> str:
    """Return a short, unambiguous key of its parts: the part itself if it is one text, else a JSON list, else its digest."""
    only = parts[0] if len(parts) == 1 else None
    plain = only if isinstance(only, str) else orjson.dumps(list(parts)).decode()
    return plain if len(plain) <= MAX_KEY_CHARACTERS else digest(plain)


def digest(value: object) -> str:
    """Return the digest of a JSON value, the same for every order of its keys."""
    return "sha256:" + hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _instant(number: float) -> datetime | None:
    if number >= 1e14:
        seconds = number / 1e6
    elif number >= 1e11:
        seconds = number / 1e3
    else:
        seconds = number
    if not 0 < seconds < _LATEST_S:
        return None
    return EPOCH + timedelta(microseconds=round(seconds * 1e6))


def _iso(value: str) -> datetime | None:
    if len(value) > 40:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    if not _FIRST_YEAR <= read.year < _LAST_YEAR:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
