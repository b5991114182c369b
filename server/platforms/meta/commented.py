"""New comments below a page's newest posts, from whichever list of posts the network has (platforms.md 2.6 and 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from server.platforms.meta.asking import TooLong, next_cursor, walk
from server.platforms.meta.client import GraphClient
from server.platforms.port import Backfill, FailureReason, PlatformCallFailed, RawEvent
from server.platforms.wire.reading import Json, items, mapping, moment

# Posts come newest first, and an old one can get a new comment: so many hundreds of posts are looked at.
_MAX_PAGES = 5
# So many more calls are made for one list of comments that is all new.
_MAX_MORE = 20
_GRAIN = timedelta(seconds=1)
# Reading comments is a right of its own; an account without it still has its messages.
_WITHOUT_RIGHT = (FailureReason.PERMISSION, FailureReason.BAD_CONTENT)


@dataclass(frozen=True, slots=True)
class Below:
    """A list of comments that came inside of its post, and how to ask for the rest of it.

    `as_post` puts further rows where `Posts.found` looks for them.
    """

    shown: Json
    where: str
    as_post: Callable[[list[Json]], Json]


@dataclass(frozen=True, slots=True)
class Posts:
    """How one network lists posts with their comments.

    `found` reads the new comments of a post, and `below` the lists inside of it, whose rows carry their time under `time`.
    `more` are the parameters that ask for the rest of such a list in the same order and form.
    """

    where: str
    fields: str
    found: Callable[[Json, datetime], Iterator[RawEvent]]
    below: Callable[[Json], Iterator[Below]]
    more: Mapping[str, str]
    time: str


async def walk_posts(client: GraphClient, token: str, posts: Posts, since: datetime) -> Backfill:
    """Return the new comments below the newest 500 posts; none without the right to them. Raise PlatformCallFailed.

    It is not complete where a post has thousands of new ones, or where the platform refused without saying that a right is
    missing. Posts beyond the 500 are not looked at, which nothing here can tell from having nothing new.
    """
    walked = _Walk(client, token, posts, since - _GRAIN)
    try:
        async for listed in walk(client, posts.where, token, {"fields": posts.fields}, _MAX_PAGES):
            for post in listed:
                await walked.read(post)
    except TooLong:
        pass
    except PlatformCallFailed as problem:
        if problem.retryable or problem.reason not in (*_WITHOUT_RIGHT, FailureReason.AMBIGUOUS):
            raise
        walked.is_complete = problem.reason in _WITHOUT_RIGHT
    return Backfill.of_list(walked.events, walked.is_complete)


@dataclass(slots=True)
class _Walk:
    client: GraphClient
    token: str
    posts: Posts
    floor: datetime
    events: list[RawEvent] = field(default_factory=list)
    is_complete: bool = True

    async def read(self, post: Json) -> None:
        """Take a post's new comments, also those that did not come with it."""
        self.events += self.posts.found(post, self.floor)
        for one in self.posts.below(post):
            after = next_cursor(one.shown)
            if after is not None and self._goes_on([mapping(row) for row in items(one.shown.get("data"))]):
                await self._read_rest(one, after)

    async def _read_rest(self, one: Below, after: str) -> None:
        params = {**self.posts.more, "after": after}
        try:
            async for rows in walk(self.client, one.where, self.token, params, _MAX_MORE):
                await self.read(one.as_post(rows))
                if not self._goes_on(rows):
                    return
        except PlatformCallFailed as problem:  # too long, or a post that was removed meanwhile
            if problem.retryable:
                raise
            self.is_complete = False

    def _goes_on(self, rows: Sequence[Json]) -> bool:
        """Say whether what follows these rows can be new: not after an old one, where the newest come first."""
        times = [at for at in (moment(row.get(self.posts.time)) for row in rows) if at is not None]
        return not times or times[-1] >= self.floor or times[0] < times[-1]
