"""Every Facebook page that a grant reaches: the person's own, and those of the person's businesses (platforms.md 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from server.platforms.meta.asking import ask, walk
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json, identifier, items, mapping, text

_MAX_PAGES = 200
# A person without these rights still has pages to offer, so their lists may fail without harm.
_OPTIONAL = (FailureReason.PERMISSION, FailureReason.BAD_CONTENT)


async def walk_pages(client: GraphClient, token: str, fields: str) -> AsyncIterator[tuple[str | None, Json]]:
    """Yield (business or None, page) from the person's own list and from those of the businesses; raise PlatformCallFailed.

    Pages of agencies and franchises hang on a business and are missing in /me/accounts, so one page may come twice.
    """
    for page in await _all(client, path("me", "accounts"), token, fields):
        yield None, page
    for business in await optional_list(client, path("me", "businesses"), token, "id,name"):
        business_id = identifier(business.get("id"))
        for edge in ("owned_pages", "client_pages") if business_id else ():
            for page in await optional_list(client, path(business_id or "", edge), token, fields):
                yield business_id, page


async def optional_list(client: GraphClient, where: str, token: str, fields: str) -> list[Json]:
    """Return a whole list, empty where the grant has no right to it; raise PlatformCallFailed."""
    try:
        return await _all(client, where, token, fields)
    except PlatformCallFailed as problem:
        if problem.reason in _OPTIONAL:
            return []
        raise


async def granted_scopes(client: GraphClient, token: str) -> tuple[str, ...]:
    """Return the permissions that the person granted and did not take back; raise PlatformCallFailed."""
    body = await ask(client, GraphCall("GET", path("me", "permissions"), token))
    granted = [mapping(one) for one in items(body.get("data"))]
    return tuple(text(one.get("permission")) or "" for one in granted if one.get("status") == "granted")


async def _all(client: GraphClient, where: str, token: str, fields: str) -> list[Json]:
    return [one async for batch in walk(client, where, token, {"fields": fields}, _MAX_PAGES) for one in batch]
