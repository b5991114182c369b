"""Pure decisions about connections: addresses we return people to, lifetimes, and what a jsonb column can hold."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit

from server.platforms.port import Channel, RawEvent

STATE_LIFETIME = timedelta(minutes=15)
CHOICE_LIFETIME = timedelta(hours=1)
MAX_URL = 2_000
MAX_CHOICES = 1_000
MAX_LIST = 10_000
MAX_CODE = 4_096
MAX_KEY_BYTES = 1_000
"""A row of a PostgreSQL index holds about 2,700 bytes; a key has at most two such texts."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ODD_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\]|[^\x00-\x7f]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def callback_uri(public_url: str, channel: Channel) -> str:
    """Return the address that the platform sends people back to; the exchange of the code must repeat it exactly."""
    return f"{public_url.rstrip('/')}/oauth/{channel.value.lower()}/callback"


def is_return_url(url: str) -> bool:
    """Say whether a browser may be sent there: absolute https, or http on the loopback, no user part, plain ASCII."""
    if len(url) > MAX_URL or _ODD_CHARACTERS.search(url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def is_origin_of(issuer: str, url: str) -> bool:
    """Say whether an issuer that a callback names is where the dialogue stands."""
    parts = urlsplit(url)
    return issuer.rstrip("/") == f"{parts.scheme}://{parts.netloc}"


def with_query(url: str, added: Mapping[str, str]) -> str:
    """Add parameters to an address and keep those it has."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(added)) if part)
    return urlunsplit(parts._replace(query=query))


@dataclass(frozen=True, slots=True)
class Unstorable:
    """Why PostgreSQL would refuse the row of an item."""

    detail: str


def as_stored(event: RawEvent) -> str | Unstorable:
    """Write an item's payload for a jsonb column, or say why PostgreSQL would refuse the row.

    PostgreSQL refuses NUL and half surrogate pairs in jsonb and text, and numbers without a finite value.
    """
    detail = _trouble(event)
    if detail is not None:
        return Unstorable(detail)
    try:
        text = json.dumps(event.payload, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        return Unstorable("the payload holds half a surrogate pair")
    except (RecursionError, TypeError, ValueError) as error:
        return Unstorable(f"the payload cannot be written as JSON: {type(error).__name__}")
    if _ESCAPED_NUL.search(text):
        return Unstorable("the payload holds a NUL character")
    return text


def as_kept(event: RawEvent) -> bytes | None:
    """Write a whole item in lossless ASCII, enough to take it up again; None if it cannot be written at all."""
    try:
        return json.dumps(
            {
                "page_external_id": event.page_external_id,
                "kind": event.kind,
                "external_id": event.external_id,
                "mailbox": event.mailbox,
                "occurred_at": event.occurred_at.isoformat(),
                "payload": event.payload,
            }
        ).encode()
    except (RecursionError, TypeError, ValueError):
        return None


def mark_of(event: RawEvent) -> bytes:
    """Return the digest that is the same for every delivery of one item; half surrogate pairs are no obstacle."""
    return hashlib.sha256(json.dumps([event.page_external_id, event.kind, event.external_id]).encode()).digest()


def _trouble(event: RawEvent) -> str | None:
    keys = (
        ("page", event.page_external_id),
        ("kind", event.kind),
        ("external id", event.external_id),
        ("mailbox", event.mailbox),
    )
    for name, value in keys:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            return f"the {name} holds half a surrogate pair"
        if "\x00" in value:
            return f"the {name} holds a NUL character"
        if size > MAX_KEY_BYTES:
            return f"the {name} is longer than {MAX_KEY_BYTES} bytes"
    if event.occurred_at.tzinfo is None:
        return "the time has no zone"
    return None


def storable_text(value: str, limit: int = 2_000) -> str:
    """Return the text without what a text column refuses, cut to `limit` characters."""
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]


WEEK = timedelta(days=7)
URGENT = timedelta(seconds=90)
"""A token that ends sooner is renewed before it is used."""
SYNC_REACH = timedelta(days=30)
"""How far back a page is compared at most; X, the shortest memory of all, keeps that long (platforms.md 4.2)."""
_LONGEST_PAUSE = timedelta(hours=1)


def refresh_due(tokens_at: datetime, expires_at: datetime | None) -> datetime | None:
    """Return when a token is renewed ahead of its end: with a quarter of its life left, and weekly; None if it has no end.

    Instagram's must be renewed weekly and be a day old for it (platforms.md 3.1).
    """
    if expires_at is None:
        return None
    return min(expires_at - (expires_at - tokens_at) / 4, tokens_at + WEEK)


def is_urgent(expires_at: datetime | None, now: datetime) -> bool:
    """Say whether a token must not be used any more without being renewed."""
    return expires_at is not None and expires_at - now <= URGENT


def pause_after(failures: int, first: timedelta = timedelta(seconds=2)) -> timedelta:
    """Return how long to wait after so many failures in a row: doubling, up to an hour."""
    pause: timedelta = first * 2 ** min(max(0, failures - 1), 20)
    return min(pause, _LONGEST_PAUSE)


def ends_soon(expires_at: datetime | None, refresh_expires_at: datetime | None, now: datetime, *, renews: bool) -> bool:
    """Say whether a grant ends within a week and nothing of ours can prevent it."""
    end = refresh_expires_at if renews else expires_at
    return end is not None and end - now <= WEEK


def sync_since(
    since: datetime, complete_until: datetime | None, now: datetime, skew: timedelta
) -> tuple[datetime, bool]:
    """Return from when a page is compared, and whether that leaves no time out that was not compared before."""
    wanted = since if complete_until is None else max(since, complete_until - skew)
    floor = now - SYNC_REACH
    return (wanted, True) if wanted >= floor else (floor, False)
