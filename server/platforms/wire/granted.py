"""What a token endpoint answers (RFC 6749 sections 5.1 and 3.3), as far as the platforms keep to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from server.platforms.port import FailureReason, PlatformCallFailed, Tokens
from server.platforms.wire.reading import Json, items, text, whole

_APART = re.compile(r"[\s,]+")


def tokens_of(body: Json) -> Tokens:
    """Read tokens and their ends, which the fields decide; without a lifetime none is known. Raise PlatformCallFailed."""
    token = text(body.get("access_token"))
    if not token:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer holds no token", retryable=True)
    now = datetime.now(UTC)
    return Tokens(
        access_token=token,
        expires_at=_after(now, body.get("expires_in")),
        refresh_token=text(body.get("refresh_token")) or None,
        refresh_expires_at=_after(now, body.get("refresh_token_expires_in")),
    )


def scopes_of(given: object) -> tuple[str, ...]:
    """Return the scopes of a text, whether blanks or commas are between them, or of a list."""
    named = _APART.split(given) if isinstance(given, str) else items(given)
    return tuple(one.strip() for one in named if isinstance(one, str) and one.strip())


def _after(now: datetime, lifetime_s: object) -> datetime | None:
    seconds = whole(lifetime_s)
    return now + timedelta(seconds=seconds) if seconds is not None and seconds > 0 else None
