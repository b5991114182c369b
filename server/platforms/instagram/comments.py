"""The comments below an account's posts, as its own list shows them, in the form of the webhooks that should have told them.

The edges /{account}/media and comments are the Instagram Graph API's (reference of IG User Media and of IG Comment, v25.0);
platforms.md 3.4 has the webhook.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from server.platforms.instagram.hosts import Hosts
from server.platforms.instagram.items import OBJECT, describe
from server.platforms.meta.commented import Below, Posts, walk_posts
from server.platforms.meta.items import ENTRY
from server.platforms.port import Backfill, PageCredentials, RawEvent
from server.platforms.wire.http import path
from server.platforms.wire.reading import EPOCH, Json, identifier, items, mapping, moment, text

_NESTED = 50
_COMMENT_FIELDS = "id,text,from,username,timestamp,parent_id"
_MORE = f"{_COMMENT_FIELDS},replies.limit({_NESTED}){{{_COMMENT_FIELDS}}}"
_FIELDS = f"id,media_product_type,comments.limit({_NESTED}){{{_MORE}}}"


async def comments_since(hosts: Hosts, page: PageCredentials, since: datetime) -> Backfill:
    """List new comments on the newest 500 posts and their answers; none without the right to them.

    What was removed or hidden is in no list. Raise PlatformCallFailed.
    """

    def _found(post: Json, floor: datetime) -> Iterator[RawEvent]:
        return (_as_event(page.page_external_id, *one) for one in _of_post(post, floor))

    posts = Posts(path(page.page_external_id, "media"), _FIELDS, _found, _below, {"fields": _MORE}, "timestamp")
    return await walk_posts(hosts.of_page(page), page.page_token, posts, since)


def _below(post: Json) -> Iterator[Below]:
    """Yield a post's own comments and the answers to each."""
    name, comments = identifier(post.get("id")), mapping(post.get("comments"))
    if name is not None:
        yield Below(comments, path(name, "comments"), lambda rows: {**post, "comments": {"data": rows}})
    for comment in map(mapping, items(comments.get("data"))):
        above = identifier(comment.get("id"))
        if above is not None:
            yield Below(mapping(comment.get("replies")), path(above, "replies"), partial(_with_answers, post, above))


def _with_answers(post: Json, comment: str, answers: list[Json]) -> Json:
    """Return the post with further answers to one of its comments, which is not told again without its time."""
    return {**post, "comments": {"data": [{"id": comment, "replies": {"data": answers}}]}}


def _of_post(post: Json, floor: datetime) -> Iterator[tuple[Json, Json, datetime]]:
    """Yield post, comment and time of each new comment and of each new answer to any."""
    for comment in map(mapping, items(mapping(post.get("comments")).get("data"))):
        parent = {"parent_id": identifier(comment.get("id"))}
        replies = map(mapping, items(mapping(comment.get("replies")).get("data")))
        for one in (comment, *(parent | reply for reply in replies)):
            at = moment(one.get("timestamp"))
            if at is not None and identifier(one.get("id")) and at >= floor:
                yield post, one, at


def _as_event(page: str, post: Json, comment: Json, at: datetime) -> RawEvent:
    author = mapping(comment.get("from"))
    name = text(author.get("username")) or text(comment.get("username"))
    media = {"id": identifier(post.get("id")), "media_product_type": text(post.get("media_product_type"))}
    value: Json = {"id": identifier(comment.get("id")), "text": text(comment.get("text")), "media": media}
    parent = identifier(comment.get("parent_id"))
    value |= {"parent_id": parent} if parent else {}
    value |= {"from": {"id": identifier(author.get("id")), "username": name}} if author or name else {}
    value["created_time"] = round((at - EPOCH).total_seconds())
    item: Json = {"field": "comments", "value": value}
    told = describe("changes", item, page)
    note: Json = {"id": page, "time": value["created_time"], "object": OBJECT, "slot": "changes", "listed": True}
    return RawEvent(page, told.kind, told.external_id, told.mailbox, at, {**item, ENTRY: note})
