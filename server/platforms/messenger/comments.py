"""The comments on a page's posts, as its own list shows them, in the form of the webhooks that should have told them.

The edge /{page}/feed is the Graph API's (reference of Page Feed and of Comment, v25.0); platforms.md 2.6 has the webhook.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.platforms.meta.client import GraphClient
from server.platforms.meta.commented import Below, Posts, walk_posts
from server.platforms.meta.items import ENTRY, describe_change
from server.platforms.port import Backfill, PageCredentials, RawEvent
from server.platforms.wire.http import path
from server.platforms.wire.reading import EPOCH, Json, identifier, items, mapping, moment, text

_NESTED = 100
_COMMENT_FIELDS = "id,message,from,parent{id},created_time"
_FIELDS = f"id,comments.filter(stream).order(reverse_chronological).limit({_NESTED}){{{_COMMENT_FIELDS}}}"
_MORE = {"fields": _COMMENT_FIELDS, "filter": "stream", "order": "reverse_chronological"}


async def comments_since(client: GraphClient, page: PageCredentials, since: datetime) -> Backfill:
    """List new comments on the newest 500 posts; none where the page has no right to them.

    Edits, removals and hidden comments are in no list. Raise PlatformCallFailed.
    """

    def _found(post: Json, floor: datetime) -> Iterator[RawEvent]:
        return _of_post(page.page_external_id, post, floor)

    posts = Posts(path(page.page_external_id, "feed"), _FIELDS, _found, _below, _MORE, "created_time")
    return await walk_posts(client, page.page_token, posts, since)


def _below(post: Json) -> Iterator[Below]:
    name = identifier(post.get("id"))
    if name is not None:
        comments = mapping(post.get("comments"))
        yield Below(comments, path(name, "comments"), lambda rows: {"id": name, "comments": {"data": rows}})


def _of_post(page: str, post: Json, floor: datetime) -> Iterator[RawEvent]:
    post_id = identifier(post.get("id"))
    for comment in map(mapping, items(mapping(post.get("comments")).get("data"))):
        at, comment_id = moment(comment.get("created_time")), identifier(comment.get("id"))
        if at is not None and comment_id and at >= floor:
            yield _as_event(page, post_id, comment, at)


def _as_event(page: str, post_id: str | None, comment: Json, at: datetime) -> RawEvent:
    author = mapping(comment.get("from"))
    value: Json = {
        "item": "comment",
        "verb": "add",
        "comment_id": identifier(comment.get("id")),
        "post_id": post_id,
        "parent_id": identifier(mapping(comment.get("parent")).get("id")) or post_id,
        "message": text(comment.get("message")),
        "created_time": round((at - EPOCH).total_seconds()),
    }
    if author:
        value["from"] = {"id": identifier(author.get("id")), "name": text(author.get("name"))}
    item: Json = {"field": "feed", "value": value}
    described = describe_change(item)
    note: Json = {"id": page, "time": value["created_time"], "object": "page", "slot": "changes", "listed": True}
    return RawEvent(page, described.kind, described.external_id, described.mailbox, at, {**item, ENTRY: note})
