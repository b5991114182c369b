"""A page's webhooks to our app: /subscribed_apps (platforms.md 1.4).

One Facebook page may serve Messenger and the Instagram account behind it. Both are one row of the page's list of apps, and
a call that subscribes replaces the fields of that row, so each of the two adds its fields and takes away only its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json, identifier, items, mapping

SHARED_FIELDS = ("messages", "message_reactions", "messaging_postbacks")
"""What both want."""
INSTAGRAM_FIELDS = (*SHARED_FIELDS, "name")
"""What an Instagram account wants of its Facebook page. Its own fields are chosen once for the app; the page only has to have
the app. Messenger never asks for `name`, so it tells that an Instagram account hangs on the page."""
_EDGE = "subscribed_apps"


@dataclass(frozen=True, slots=True)
class Place:
    """Our row in a page's list of apps: the page, its token, and which of our apps it is."""

    client: GraphClient
    page: str
    token: str = field(repr=False)
    app_id: str


async def subscribe(place: Place, fields: Collection[str]) -> None:
    """Subscribe the page to exactly these fields; doing it again changes nothing; raise PlatformCallFailed."""
    call = GraphCall("POST", path(place.page, _EDGE), place.token, {"subscribed_fields": ",".join(fields)})
    _confirmed(await ask(place.client, call))


async def join(place: Place, fields: Collection[str]) -> None:
    """Subscribe the page to these fields besides those it has; doing it again changes nothing; raise PlatformCallFailed."""
    others = _fields(await _ours(place)) - set(fields)
    await subscribe(place, [*fields, *sorted(others)])


async def leave(place: Place, fields: Collection[str], beside: Collection[str] | None = None) -> None:
    """End what the page was subscribed for with these fields; raise PlatformCallFailed.

    Fields that somebody else of us set stay: of `beside`, or whatever they are.
    """
    told = _fields(await _ours(place))
    others = (told if beside is None else told.intersection(beside)) - set(fields)
    if others:
        await subscribe(place, sorted(others | told.intersection(SHARED_FIELDS)))
    else:
        await unsubscribe(place)


async def is_subscribed(place: Place, fields: Collection[str] = ()) -> bool:
    """Say whether the page's list of apps has ours, with all of these fields where it tells any; raise PlatformCallFailed."""
    ours = await _ours(place)
    is_untold = any(not isinstance(row.get("subscribed_fields"), list) for row in ours)
    return bool(ours) and (is_untold or set(fields) <= _fields(ours))


async def unsubscribe(place: Place) -> None:
    """End the page's webhooks to this app; doing it again changes nothing; raise PlatformCallFailed."""
    await delete(place.client, path(place.page, _EDGE), place.token)


async def delete(client: GraphClient, where: str, token: str) -> None:
    """Delete an edge and insist on the platform's word for it; raise PlatformCallFailed."""
    _confirmed(await ask(client, GraphCall("DELETE", where, token)))


async def _ours(place: Place) -> list[Json]:
    """Return our rows of the page's list of apps; a row that names no app is ours."""
    body = await ask(place.client, GraphCall("GET", path(place.page, _EDGE), place.token))
    rows = [mapping(row) for row in items(body.get("data"))]
    return [row for row in rows if (identifier(row.get("id")) or identifier(row.get("app_id"))) in (place.app_id, None)]


def _fields(rows: list[Json]) -> set[str]:
    return {name for row in rows for name in items(row.get("subscribed_fields")) if isinstance(name, str)}


def _confirmed(body: Json) -> None:
    if body.get("success") is not True:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the platform did not confirm it", retryable=True)
