"""Whether a value holds a NUL character, which no text of the database takes."""

from __future__ import annotations


def has_nul(value: object) -> bool:
    """Say whether any text or key inside of a JSON value has one; the six characters of its escape are none."""
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(has_nul(key) or has_nul(one) for key, one in value.items())
        case list() | tuple():
            return any(map(has_nul, value))
        case _:
            return False
