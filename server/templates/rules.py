"""What may stand in a template, which values are fit to be sent, and how a local text drifts. Pure decisions."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from enum import StrEnum

import orjson

from server.templates.models import TemplatePurpose

MAX_BODY = 10_000
"""Characters of a body: the longest direct message that any channel takes."""
MAX_NAME_VALUE = 80
PAGE_OF_PLACEMENTS = 1_000

_FIXED = frozenset({"contact.name", "contact.first_name", "page.name", "unit.name", "agent.name"})
_NOT_IN_CAMPAIGNS = frozenset({"agent.name", "unit.opening_hours_today"})
_FREE = re.compile(r"(unit|custom)\.[A-Za-z][A-Za-z0-9_]{0,39}")
_NAMES_OF_PEOPLE = frozenset({"contact.name", "contact.first_name"})
_URL = re.compile(
    r"://|\bwww\.|@\S+\.|\.[a-z]{2,24}/|[\w-]\.(com|net|org|info|biz|io|co|me|ru|cn|xyz|top|shop|site|online|app|link|ly)\b",
    re.IGNORECASE,
)
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, but part of how names are written in Indic and Arabic scripts."""


class Drift(StrEnum):
    """How the text of a unit stands to what was released to it."""

    INHERITS = "INHERITS"
    OVERRIDDEN = "OVERRIDDEN"
    STALE_OVERRIDE = "STALE_OVERRIDE"
    """Overridden, and a newer version was released since."""


def is_variable(name: str, purpose: TemplatePurpose | None = None) -> bool:
    """Say whether templates may use the variable.

    A campaign has no agent, and its texts are written before the day on which they are sent: MARKETING has neither
    agent.name nor unit.opening_hours_today.
    """
    if purpose is TemplatePurpose.MARKETING and name in _NOT_IN_CAMPAIGNS:
        return False
    return name in _FIXED or _FREE.fullmatch(name) is not None


def is_fit(name: str, value: str | None) -> bool:
    """Say whether a value may be sent in place of the variable; an unfit one counts as missing.

    Blank values and control characters never are. The name of a person, which strangers choose for themselves, must
    also have a letter, at most 80 characters, nothing that looks like an address, and no invisible formatting.
    """
    if value is None or not value.strip() or any(_is_control(letter) for letter in value):
        return False
    if name not in _NAMES_OF_PEOPLE:
        return True
    return (
        len(value) <= MAX_NAME_VALUE
        and any(letter.isalpha() for letter in value)
        and not any(letter in "\n\r\t" for letter in value)
        and not any(unicodedata.category(letter) == "Cf" for letter in value if letter not in _JOINERS)
        and _URL.search(value) is None
    )


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\r\t"


def has_control(text: str) -> bool:
    """Say whether the text has a character that no message may have: controls but line ends and tab, and surrogates."""
    return any(_is_control(letter) for letter in text)


def canonical(body: str) -> str:
    """Return the body as it is stored: line ends are LF, no blanks around it."""
    return body.replace("\r\n", "\n").replace("\r", "\n").strip()


def content_digest(body: str, purpose: TemplatePurpose) -> bytes:
    """Return the SHA-256 of what a version says: its canonical body and what it may be used for."""
    content = {"body": canonical(body), "purpose": purpose.value}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def drift(override_base: int | None, released: int) -> Drift:
    """Compare the version number an override was made from (None: no override) with the one released now."""
    if override_base is None:
        return Drift.INHERITS
    return Drift.STALE_OVERRIDE if released > override_base else Drift.OVERRIDDEN
