"""A customer's name: GET /{IGSID}. Who never wrote has not consented to be told about (230, platforms.md 1.2)."""

from __future__ import annotations

from server.platforms.instagram.hosts import Hosts
from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall
from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed, Profile
from server.platforms.wire.http import path
from server.platforms.wire.reading import text

_TOLD_NOTHING = frozenset({FailureReason.PRIVACY_BLOCKED, FailureReason.BAD_CONTENT, FailureReason.AMBIGUOUS})


async def read_profile(hosts: Hosts, page: PageCredentials, person: str) -> Profile | None:
    """Return the person's name, else the user name, or None; raise PlatformCallFailed."""
    call = GraphCall("GET", path(person), page.page_token, {"fields": "name,username"})
    try:
        body = await ask(hosts.of_page(page), call)
    except PlatformCallFailed as failure:
        if not failure.retryable and failure.reason in _TOLD_NOTHING:
            return None
        raise
    return Profile(text(body.get("name")) or text(body.get("username")) or None, None)
