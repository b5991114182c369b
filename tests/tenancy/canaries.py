"""Canaries: marked texts in every text column of an organization, and the detector that finds them where they must not be."""

from __future__ import annotations

import base64
import logging
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from server.kit.ids import encode

_GID_BODY = re.compile(r"(?<=_)[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Canary:
    """One mark that occurs nowhere but in the rows it was written into, and the ids of these rows."""

    mark: str
    ids: frozenset[UUID] = frozenset()
    _bodies: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bodies", frozenset(id_body(one) for one in self.ids))

    def of(self, table: str, column: str) -> str:
        """Return the text for one column; a sighting names it."""
        return f"{self.mark}.{table}.{column}."

    def sightings(self, text: str, sent: Iterable[str] = ()) -> set[str]:
        """Return which marked columns and which ids a text shows: plain, as hexadecimal digits, in base64 (cursors).

        `sent` are the ids that the asker gave, which an answer may repeat.
        """
        found = set(re.findall(rf"{self.mark}\.(\w+\.\w+)", text, re.IGNORECASE))
        if not found and self.mark in text.lower():
            found.add("the mark")
        if self.mark.encode().hex() in text.lower():
            found.add("the mark in hexadecimal digits")
        if any(form in text for form in _in_base64(self.mark)):
            found.add("the mark in base64")
        return found | self._ids_in(text, sent)

    def _ids_in(self, text: str, sent: Iterable[str]) -> set[str]:
        allowed = {one.rpartition("_")[2] for one in sent}
        bodies = set(_GID_BODY.findall(text))
        bodies |= {id_body(UUID(one)) for one in _UUID.findall(text)}
        return {f"the id {body}" for body in (bodies & self._bodies) - allowed}


def a_canary(ids: Iterable[UUID] = ()) -> Canary:
    """Make a mark that was never used."""
    return Canary(f"cnry{secrets.token_hex(8)}", frozenset(ids))


def id_body(value: UUID) -> str:
    """Return the part of a global id that does not tell the kind."""
    return encode("x", value).rpartition("_")[2]


def _in_base64(mark: str) -> Iterator[str]:
    """Yield what any base64 of a text around the mark contains: one form for each place of the mark in a group of three."""
    for place in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            written = alphabet(b"\0" * place + mark.encode()).decode().rstrip("=")
            yield written[(0, 2, 3)[place] : -1]


@contextmanager
def listening_to_logs() -> Iterator[list[str]]:
    """Collect everything that is logged in this process, tracebacks included."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(f"{record.msg!r} {record.args!r}")
            if record.exc_info:
                heard.append(logging.Formatter().formatException(record.exc_info))

    ear = Ear(logging.DEBUG)
    root = logging.getLogger()
    root.addHandler(ear)
    try:
        yield heard
    finally:
        root.removeHandler(ear)
