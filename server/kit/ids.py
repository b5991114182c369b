"""Identifiers: UUIDv7 inside, opaque prefixed strings outside.

A UUIDv7 (RFC 9562) sorts by creation time, so indexes grow at one end and no sequence tells anybody our volume.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Two letters for each ten bits: an id is written in 13 steps instead of 26, and a page of the API writes hundreds."""
_SHIFTS = range(120, -1, -10)
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_BODY_LENGTH = 26
_PREFIX_MAX = 12

_lock = threading.Lock()
_last_ms = 0
_counter = 0


class MalformedId(ValueError):
    """The text is not an id that this service could have made."""


def new_id() -> UUID:
    """Make a UUIDv7; later calls of one process sort after earlier ones, also within one millisecond."""
    global _last_ms, _counter  # noqa: PLW0603 - the monotonic counter is the process's own
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _counter = now_ms, int.from_bytes(os.urandom(2)) & 0x7FF
        else:
            _counter += 1
            if _counter > 0xFFF:
                _last_ms, _counter = _last_ms + 1, 0
        stamp, counter = _last_ms, _counter
    tail = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(stamp & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | tail)


def new_ids(count: int) -> list[UUID]:
    """Make `count` UUIDv7 in rising order, with one look at the clock and at the source of randomness for all of them."""
    global _last_ms, _counter  # noqa: PLW0603 - the monotonic counter is the process's own
    noise = os.urandom(8 * count)
    made = []
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _counter = now_ms, int.from_bytes(os.urandom(2)) & 0x7FF
        for place in range(0, 8 * count, 8):
            _counter += 1
            if _counter > 0xFFF:
                _last_ms, _counter = _last_ms + 1, 0
            head = (_last_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | _counter << 64 | 0b10 << 62
            made.append(UUID(int=head | int.from_bytes(noise[place : place + 8]) & 0x3FFF_FFFF_FFFF_FFFF))
    return made


def encode(prefix: str, value: UUID) -> str:
    """Write `value` as `<prefix>_<26 letters>`."""
    number = value.int
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


def decode(text: str) -> tuple[str, UUID]:
    """Read an id back into its prefix and UUID; raise MalformedId for anything `encode` would not write."""
    prefix, mark, body = text.rpartition("_")
    if not mark or len(body) != _BODY_LENGTH or not 0 < len(prefix) <= _PREFIX_MAX:
        raise MalformedId
    number = 0
    for letter in body:
        value = _VALUES.get(letter)
        if value is None:
            raise MalformedId
        number = number << 5 | value
    if number >> 128:
        raise MalformedId
    return prefix, UUID(int=number)


def decode_as(prefix: str, text: str) -> UUID:
    """Read an id of one kind; raise MalformedId for every other."""
    found, value = decode(text)
    if found != prefix:
        raise MalformedId
    return value
