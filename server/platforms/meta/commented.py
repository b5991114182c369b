"""The comments below an account's posts, as its own lists show them: a walk through the posts, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from server.platforms.meta.asking import TooLong, walk
from server.platforms.meta.client import GraphClient
from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed, RawEvent
from server.platforms.wire.reading import Json

# Posts come newest first, and an old one can get a new comment: so many hundreds of posts are looked at.
_MAX_PAGES = 5
_GRAIN = timedelta(seconds=1)
# Reading comments is a right of its own; an account without it still has its messages.
_WITHOUT_RIGHT = (FailureReason.PERMISSION, FailureReason.BAD_CONTENT, FailureReason.AMBIGUOUS)
OfPost = Callable[[Json, datetime], Iterator[RawEvent]]


async def walk_posts(
    client: GraphClient, page: PageCredentials, where: str, fields: str, since: datetime, of_post: OfPost
) -> tuple[RawEvent, ...]:
    """Return what `of_post` finds since then in the newest 500 posts; nothing without the right. Raise PlatformCallFailed."""
    floor = since - _GRAIN
    found: list[RawEvent] = []
    try:
        async for posts in walk(client, where, page.page_token, {"fields": fields}, _MAX_PAGES):
            found += [event for post in posts for event in of_post(post, floor)]
    except TooLong:
        pass
    except PlatformCallFailed as problem:
        if problem.retryable or problem.reason not in _WITHOUT_RIGHT:
            raise
    return tuple(found)
