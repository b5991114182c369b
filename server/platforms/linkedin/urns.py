"""LinkedIn's names of things (URNs), in one form each: the platform writes some of them in two ways (platforms.md 5.4)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from server.platforms.wire.reading import identifier

PREFIX = "urn:li:"
_COMMENT = re.compile(r"(?:urn:li:)?comment:\((?P<thread>[^(),]+),(?P<number>[^(),]+)\)")
_THING = re.compile(r"[A-Za-z][A-Za-z0-9]*:[^\s]+")
_MAX_CHARACTERS = 255


def urn(value: object, kind: str | None = None) -> str | None:
    """Return a URN with its prefix: "activity:7" and "urn:li:activity:7" are the same thing. None where there is none.

    A bare number or name becomes one of `kind`, if that is given. Comments are brought into the form of `comment`.
    """
    given = identifier(value)
    if given is None or len(given) > _MAX_CHARACTERS:
        return None
    given = unquote(given) if "%3a" in given.lower() else given
    found = _COMMENT.fullmatch(given)
    if found is not None:
        return f"{PREFIX}comment:({_prefixed(found['thread'], 'activity')},{found['number'].strip()})"
    if ":" not in given:
        return f"{PREFIX}{kind}:{given}" if kind is not None else None
    return _prefixed(given, None) if _THING.fullmatch(given) else None


def is_comment(value: str) -> bool:
    """Say whether this URN, as `urn` returns it, names a comment."""
    return value.startswith(f"{PREFIX}comment:(")


def thread_of(comment: str) -> str:
    """Return what a comment stands below: the first half of its URN. For anything else the URN itself."""
    found = _COMMENT.fullmatch(comment)
    return _prefixed(found["thread"], "activity") if found is not None else comment


def number_of(value: str) -> str:
    """Return the last part of a URN: the number of a comment, of an organisation or of a person."""
    found = _COMMENT.fullmatch(value)
    return found["number"] if found is not None else value.rpartition(":")[2]


def comment_below(thread: str, number: str) -> str:
    """Return the URN of a comment that the platform named by its number alone."""
    return f"{PREFIX}comment:({thread},{number})"


def _prefixed(value: str, kind: str | None) -> str:
    text = value.strip()
    if text.startswith(PREFIX):
        return text
    return f"{PREFIX}{text}" if ":" in text or kind is None else f"{PREFIX}{kind}:{text}"
