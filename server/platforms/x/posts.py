"""Posts that concern an account: replies to it, mentions of it, and what it wrote itself (platforms.md 4.5)."""

from __future__ import annotations

from server.platforms.port import CommentChanged, CommentKind, Event, Noticed, Unplaced
from server.platforms.wire.reading import Json, identifier, items, mapping, text
from server.platforms.x.items import NOTE, is_about, occurred_at, post_of, thread_of_post

_REPLY_TYPES = frozenset({"post.reply.create"})


def changed(account: str, item: Json) -> Event:
    """Read a post that was created.

    A reply to the account is a comment, any other post that names it a mention. Retweets, and what the account wrote
    without answering anybody, are only noticed.
    """
    post = post_of(item)
    post_id = identifier(post.get("id_str")) or identifier(post.get("id"))
    at, author = occurred_at(item), _author(post)
    if post_id is None or at is None:
        return Unplaced("no post id" if post_id is None else "no time")
    if mapping(post.get("retweeted_status")) or is_about(post, "retweeted"):
        return Noticed("retweet")
    is_own, parent = author == account, _parent(post)
    if is_own and parent is None:
        return Noticed("own_post")
    return CommentChanged(
        comment_id=post_id,
        post_id=thread_of_post(post),
        parent_id=parent,
        verb="add",
        person=author,
        person_name=_name(item, post, author),
        is_own=is_own,
        text=_words(post),
        occurred_at=at,
        kind=CommentKind.COMMENT if _answers(account, item, post) or is_own else CommentKind.MENTION,
    )


def removed(account: str, item: Json) -> Event:
    """Read a post that was deleted; only its id, its author and the time are left of it."""
    post = post_of(item)
    post_id = identifier(post.get("id_str")) or identifier(post.get("id"))
    at = occurred_at(item)
    if post_id is None or at is None:
        return Unplaced("no post id" if post_id is None else "no time")
    author = _author(post)
    return CommentChanged(post_id, None, None, "remove", author, None, author == account, None, at)


def _author(post: Json) -> str | None:
    user = mapping(post.get("user"))
    named = (user.get("id_str"), user.get("id"), post.get("author_id"), post.get("user_id"))
    return next((found for found in map(identifier, named) if found), None)


def _parent(post: Json) -> str | None:
    answered = identifier(post.get("in_reply_to_status_id_str")) or identifier(post.get("in_reply_to_status_id"))
    if answered:
        return answered
    found = (mapping(one) for one in items(post.get("referenced_tweets")))
    return next((identifier(one.get("id")) for one in found if one.get("type") == "replied_to"), None)


def _answers(account: str, item: Json, post: Json) -> bool:
    """Say whether a post is a reply to the account, the same for every event that tells of it."""
    named = (post.get("in_reply_to_user_id_str"), post.get("in_reply_to_user_id"))
    to = next((found for found in map(identifier, named) if found), None)
    return to == account if to else mapping(item.get(NOTE)).get("type") in _REPLY_TYPES


def _name(item: Json, post: Json, author: str | None) -> str | None:
    """Return the author's name: inside the older post, beside the newer one."""
    direct = text(mapping(post.get("user")).get("name")) or text(mapping(post.get("user")).get("screen_name"))
    if direct or author is None:
        return direct
    for place in (mapping(mapping(item.get(NOTE)).get("includes")), mapping(item.get("includes"))):
        for one in map(mapping, items(place.get("users"))):
            if identifier(one.get("id")) == author:
                return text(one.get("name")) or text(one.get("username"))
    return None


def _words(post: Json) -> str | None:
    """Return the whole text; long posts have it apart."""
    longer = mapping(post.get("extended_tweet")).get("full_text"), mapping(post.get("note_tweet")).get("text")
    told = (*longer, post.get("full_text"), post.get("text"))
    return next((found for found in map(text, told) if found), None)
