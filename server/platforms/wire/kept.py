"""Taking a body apart without losing anything: its envelopes, and what is kept of an item that cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from server.platforms.port import BodyMalformed
from server.platforms.wire.reading import NotJson, digest, load

_KEPT = 10_000


def envelopes(body: bytes, is_envelope: Callable[[object], bool], wanted: str) -> list[object]:
    """Return the envelopes of a body, of which some may be none; raise BodyMalformed if not one of them is (`wanted`)."""
    try:
        document = load(body)
    except NotJson as error:
        raise BodyMalformed(str(error)) from None
    found = document if isinstance(document, list) else [document]
    if not any(is_envelope(one) for one in found):
        raise BodyMalformed(wanted)
    return found


def printed(raw: object) -> tuple[str, str]:
    """Return the beginning of a value as text, and its digest; a value too deep to print is known by its head alone."""
    try:
        mark, shown = digest(raw), orjson.dumps(raw).decode()
    except TypeError:  # orjson refuses to write what is nested beyond its limit
        head = _head(raw)
        mark, shown = digest(head), orjson.dumps(head).decode()
    return shown[:_KEPT].replace("\\u0000", "\\ufffd"), mark


def _head(value: object, depth: int = 0) -> object:
    if depth >= 8 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return {str(name): _head(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_head(inner, depth + 1) for inner in value]
    return value
