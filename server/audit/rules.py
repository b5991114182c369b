"""The hash chain: each event's hash covers its content and the hash before it. Pure, so that an export verifies offline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import orjson


def link(previous: bytes, content: Mapping[str, object]) -> bytes:
    """Return the hash of an event: SHA-256 over the previous hash and the content as JSON with sorted names."""
    return hashlib.sha256(previous + orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def first_broken(events: Sequence[tuple[Mapping[str, object], bytes, bytes]], start: bytes) -> int | None:
    """Return the index of the first (content, previous hash, hash) that does not continue the chain, or None."""
    expected = start
    for index, (content, previous, found) in enumerate(events):
        if previous != expected or link(previous, content) != found:
            return index
        expected = found
    return None
