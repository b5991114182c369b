"""What LinkedIn's own list of notifications shows: the witness for unknown replies, and what webhooks missed (5.3, 5.4).

LinkedIn lists no comments by their author. What lists them is the organisation's notifications: they tell the comments of
others, and every comment that was made in its name; each of those is then read with its parent, to know whom it answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from server.platforms.linkedin.asking import read, walk
from server.platforms.linkedin.client import Call, LinkedInClient, encoded, listed, query_of
from server.platforms.linkedin.items import comment_of, decorated, kind_of, occurred_at, post_of
from server.platforms.linkedin.parse import author, parent, words
from server.platforms.linkedin.split import event_of
from server.platforms.linkedin.urns import number_of, thread_of
from server.platforms.port import Backfill, FailureReason, ListedMessage, Listing, PageCredentials, PlatformCallFailed
from server.platforms.wire.reading import Json, mapping, moment

RETENTION = timedelta(days=60)
"""How long LinkedIn keeps notifications to be asked for."""
TOLD = ("COMMENT", "ADMIN_COMMENT", "COMMENT_EDIT", "COMMENT_DELETE", "SHARE_MENTION")
"""What is worth asking for after a gap: likes and shares change nothing here, and calls are few."""
_MAX_PAGES = 50
# Clocks differ, and a notification may bear a time just before that of the call that caused it.
_GRAIN = timedelta(seconds=1)
_AHEAD = timedelta(minutes=5)


async def list_messages(client: LinkedInClient, page: PageCredentials, since: datetime) -> Listing:
    """List the comments below the organisation's posts since then, its own with whom they answer; raise PlatformCallFailed.

    The list proves what it holds and nothing else: notifications come late, and only of public posts (platforms.md 5.4).
    """
    told: dict[str, Json] = {}
    async for batch in _notifications(client, page, since, ("COMMENT", "ADMIN_COMMENT")):
        told |= {comment: item for item in batch if (comment := comment_of(item)) is not None}
    seen: dict[str, Json | None] = {}
    found = [await _as_listed(client, page, comment, item, seen) for comment, item in told.items()]
    listed_since = tuple(one for one in found if one is not None and one.created_at >= since - _GRAIN)
    return Listing(listed_since, is_complete=False)


async def backfill(client: LinkedInClient, page: PageCredentials, since: datetime) -> Backfill:
    """List the comments and mentions since then as the webhooks that should have told them; raise PlatformCallFailed."""
    events = [
        event_of(item)
        async for batch in _notifications(client, page, since, TOLD)
        for item in batch
        if (occurred_at(item) or since) >= since - _GRAIN
    ]
    return Backfill.of_list(events, is_complete=since >= datetime.now(UTC) - RETENTION)


async def _notifications(
    client: LinkedInClient, page: PageCredentials, since: datetime, actions: Sequence[str]
) -> AsyncIterator[list[Json]]:
    now = datetime.now(UTC)
    start = max(since - _GRAIN, now - RETENTION)
    query = query_of(
        q="criteria",
        actions=listed(actions),
        organizationalEntity=encoded(page.page_external_id),
        timeRange=f"(start:{_ms(start)},end:{_ms(now + _AHEAD)})",
    )
    call = Call("GET", "rest/organizationalEntityNotifications", page.page_token, query)
    async for batch in walk(client, call, _MAX_PAGES):
        # The platform names the organisation in each of them; one that does not is still of the one we asked for.
        yield [{"organizationalEntity": page.page_external_id, **item} for item in batch]


async def _as_listed(
    client: LinkedInClient, page: PageCredentials, comment: str, item: Json, seen: dict[str, Json | None]
) -> ListedMessage | None:
    told, organisation = decorated(item, "comment"), page.page_external_id
    writer, at = author(told), occurred_at(item)
    if kind_of(item) == "comment" and writer is not None and writer != organisation:
        return None if at is None else ListedMessage(comment, writer, organisation, words(told), at)
    whole_comment = await _comment(client, page, comment, seen) or told
    above = parent(whole_comment) or parent(told)
    answered = await _comment(client, page, above, seen) if above is not None else None
    at = moment(mapping(whole_comment.get("created")).get("time")) or at
    if at is None:
        return None
    to = author(answered or {}) or author(mapping(item.get("decoratedSourcePost"))) or post_of(item) or ""
    return ListedMessage(comment, organisation, to, words(whole_comment) or words(told), at)


async def _comment(
    client: LinkedInClient, page: PageCredentials, comment: str, seen: dict[str, Json | None]
) -> Json | None:
    """Read one comment; None for one that is gone or hidden from us. Each is asked for once."""
    if comment not in seen:
        path = f"rest/socialActions/{encoded(thread_of(comment))}/comments/{encoded(number_of(comment))}"
        try:
            seen[comment] = await read(client, Call("GET", path, page.page_token))
        except PlatformCallFailed as problem:
            if problem.reason not in (FailureReason.BAD_CONTENT, FailureReason.PERMISSION):
                raise
            seen[comment] = None
    return seen[comment]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
