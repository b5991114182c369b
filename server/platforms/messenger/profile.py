"""A customer's name: GET /{PSID} (platforms.md 2.1). Who never wrote has not consented to be told about (230)."""

from __future__ import annotations

from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed, Profile
from server.platforms.wire.http import path
from server.platforms.wire.reading import text

_TOLD_NOTHING = frozenset(
    {FailureReason.NOT_CONNECTED, FailureReason.PRIVACY_BLOCKED, FailureReason.BAD_CONTENT, FailureReason.AMBIGUOUS}
)


async def read_profile(client: GraphClient, page: PageCredentials, person: str) -> Profile | None:
    """Return the person's name as the platform tells it, or None; raise PlatformCallFailed."""
    call = GraphCall("GET", path(person), page.page_token, {"fields": "first_name,last_name"})
    try:
        body = await ask(client, call)
    except PlatformCallFailed as failure:
        if not failure.retryable and failure.reason in _TOLD_NOTHING:
            return None
        raise
    first, last = text(body.get("first_name")), text(body.get("last_name"))
    return Profile(" ".join(part for part in (first, last) if part) or None, first or None)
