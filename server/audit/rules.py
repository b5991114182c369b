"""The hash chain, what it is made of, and who may look under a legal basis. Pure, so that an export verifies offline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import orjson

from server.kit.errors import DomainError, InvalidInput

MAX_HOURS = 72
MAX_SECRET = timedelta(days=366)
MAX_REFERENCE = 200
MAX_REASON = 2_000


class LegalBasis(StrEnum):
    """Why the law lets, or makes, somebody look at or keep what people wrote."""

    COURT_ORDER = "COURT_ORDER"
    LAW_ENFORCEMENT = "LAW_ENFORCEMENT"
    SAFETY = "SAFETY"
    DATA_SUBJECT = "DATA_SUBJECT"
    REGULATOR = "REGULATOR"
    LITIGATION = "LITIGATION"


class LegalAccessState(StrEnum):
    """Where a request stands. A GRANTED one is over when its time is; the other three are final."""

    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    ENDED = "ENDED"
    WITHDRAWN = "WITHDRAWN"


def basis_problems(reference: str, reason: str) -> list[DomainError]:
    """Return what is wrong with the record of a legal basis: nothing, or a problem for each text."""
    problems: list[DomainError] = []
    if not reference.strip() or len(reference) > MAX_REFERENCE or not reference.isprintable():
        problems.append(
            InvalidInput(f"A reference has 1 to {MAX_REFERENCE} printable characters.", path=("reference",))
        )
    if not reason.strip() or len(reason) > MAX_REASON:
        problems.append(InvalidInput(f"A reason has 1 to {MAX_REASON} characters.", path=("reason",)))
    return problems


MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps as it is; beyond it a number in a trail is a text."""
_CANONICAL = orjson.OPT_SORT_KEYS


def plain(value: object) -> object:
    """Return a value as it is hashed, stored and exported: texts, integers of 53 bits, true, false, null, lists, objects.

    Everything else becomes text, since JSONB and JSON readers do not agree on how a fraction or a great number is written
    (1e16 comes back as an integer). Only such values have one written form everywhere.
    """
    match value:
        case None | bool():
            return value
        case int():
            return int(value) if abs(value) <= MAX_INTEGER else str(int(value))
        case datetime():
            return moment(value)
        case Mapping():
            return {_text(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _:
            return _text(value)


def _text(value: object) -> str:
    """Return a text that PostgreSQL can store: what is no Unicode, and NUL, is replaced."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def moment(value: datetime) -> str:
    """Write a time in the one form that is hashed: in UTC, to the microsecond."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(value: Mapping[str, object]) -> bytes:
    """Write a plain object in the one form that is hashed: JSON in UTF-8, names sorted, no spaces (docs/audit.md)."""
    return orjson.dumps(value, option=_CANONICAL)


def link(previous: bytes, content: Mapping[str, object]) -> bytes:
    """Return the hash of an event: SHA-256 over the previous hash and the content in its canonical form."""
    return hashlib.sha256(previous + canonical(content)).digest()


def first_broken(events: Sequence[tuple[Mapping[str, object], bytes, bytes]], start: bytes) -> int | None:
    """Return the index of the first (content, previous hash, hash) that does not continue the chain, or None."""
    expected = start
    for index, (content, previous, found) in enumerate(events):
        if previous != expected or link(previous, content) != found:
            return index
        expected = found
    return None
