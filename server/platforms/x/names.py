"""Ids of X: conversations of two people, and the moment that an id holds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from server.platforms.wire.reading import EPOCH

# A snowflake counts its milliseconds from here; the low 22 bits tell machines and messages apart.
_BORN_MS = 1_288_834_974_657
_LOW_BITS = 22
_ID = re.compile(r"[0-9]{1,19}", re.ASCII)
_PAIR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


def born_at(event_id: str) -> datetime | None:
    """Return the moment an id was given out, to the millisecond; None for what is no such id or one of the old, small ones.

    Both published messages hold it: their `created_timestamp` is 0 and 30 ms after the moment in their id.
    """
    if not _ID.fullmatch(event_id):
        return None
    since_ms = int(event_id) >> _LOW_BITS
    return EPOCH + timedelta(milliseconds=_BORN_MS + since_ms) if since_ms > 0 else None


def is_person(external_id: str) -> bool:
    """Say whether this names one user; groups have ids too, but are only ever told as conversations."""
    return _ID.fullmatch(external_id) is not None


def other_of(conversation_id: str, account: str) -> str | None:
    """Return who else is in a one-to-one conversation; None for a group, or for one that is not the account's.

    One-to-one conversations are named by both ids with a hyphen between (platforms.md 4.2).
    """
    pair = _PAIR.fullmatch(conversation_id)
    if pair is None or account not in pair.groups():
        return None
    return pair[2] if pair[1] == account else pair[1]
