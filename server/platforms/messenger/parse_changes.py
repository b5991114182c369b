"""What a stored change means: comments, reviews and marketing messages (platforms.md 2.5 and 2.6)."""

from __future__ import annotations

from server.platforms.meta.items import tracking_ids
from server.platforms.meta.subject import Subject, Unreadable
from server.platforms.port import (
    CommentChanged,
    CommentKind,
    Delivered,
    DeliveryFailed,
    Event,
    MarketingEchoed,
    Noticed,
    Read,
    ReviewChanged,
)
from server.platforms.wire.reading import Json, identifier, mapping, text, whole

_VERBS = {
    "add": "add",
    "edit": "edited",
    "edited": "edited",
    "update": "edited",
    "remove": "remove",
    "delete": "remove",
    "hide": "hide",
    "unhide": "unhide",
}


def read_comment(subject: Subject) -> list[Event]:
    """Read a change of the feed; what is no comment is only noticed."""
    value = subject.part("value")
    item, verb = text(value.get("item")), text(value.get("verb"))
    if item is None or verb is None:
        raise Unreadable("no item or no verb")
    if item != "comment" or verb not in _VERBS:
        return [Noticed(f"feed:{item[:30]}:{verb[:30]}")]
    comment_id = identifier(value.get("comment_id"))
    if comment_id is None:
        raise Unreadable("no comment id")
    author = mapping(value.get("from"))
    person = identifier(author.get("id"))
    changed = CommentChanged(
        comment_id=comment_id,
        post_id=identifier(value.get("post_id")),
        parent_id=identifier(value.get("parent_id")),
        verb=_VERBS[verb],
        person=person,
        person_name=text(author.get("name")),
        is_own=person is not None and person == subject.page,
        text=text(value.get("message")),
        occurred_at=subject.at(),
    )
    return [changed]


def read_mention(subject: Subject) -> list[Event]:
    """Read a post or comment elsewhere that names the page. Its shape is not documented, so little is taken for sure."""
    value = subject.part("value")
    item, verb = text(value.get("item")) or "post", text(value.get("verb")) or "add"
    mention_id = identifier(value.get("comment_id")) or identifier(value.get("post_id"))
    if item not in ("post", "comment") or verb not in _VERBS:
        return [Noticed(f"mention:{item[:30]}:{verb[:30]}")]
    if mention_id is None:
        raise Unreadable("neither a comment nor a post")
    author = mapping(value.get("from"))
    person = identifier(author.get("id")) or identifier(value.get("sender_id"))
    changed = CommentChanged(
        comment_id=mention_id,
        post_id=identifier(value.get("post_id")),
        parent_id=identifier(value.get("parent_id")),
        verb=_VERBS[verb],
        person=person,
        person_name=text(author.get("name")) or text(value.get("sender_name")),
        is_own=person is not None and person == subject.page,
        text=text(value.get("message")),
        occurred_at=subject.at(),
        kind=CommentKind.MENTION,
    )
    return [changed]


def read_review(subject: Subject) -> list[Event]:
    """Read a recommendation; comments and reactions on one are only noticed."""
    value = subject.part("value")
    item, verb = text(value.get("item")) or "rating", text(value.get("verb")) or "add"
    if item != "rating" or verb not in ("add", "edit", "edited", "remove"):
        return [Noticed(f"rating:{item[:30]}:{verb[:30]}")]
    review_id = identifier(value.get("open_graph_story_id"))
    if review_id is None:
        raise Unreadable("no review id")
    changed = ReviewChanged(
        review_id=review_id,
        verb=_VERBS[verb],
        person=identifier(value.get("reviewer_id")),
        person_name=text(value.get("reviewer_name")),
        rating=whole(value.get("rating")),
        recommendation=text(value.get("recommendation_type")),
        text=text(value.get("review_text")),
        occurred_at=subject.at(),
    )
    return [changed]


def read_marketing(subject: Subject) -> list[Event]:
    """Read what became of a marketing message."""
    value = subject.part("value")
    if subject.kind == "marketing_click":
        return [Noticed("marketing_click")]
    person = identifier(value.get("recipient_id"))
    if person is None:
        raise Unreadable("no person")
    if subject.kind == "marketing_failed":
        return [_failed(person, value)]
    ids = tracking_ids(value)
    if not ids:
        raise Unreadable("neither a tracking id nor a message id")
    if subject.kind == "marketing_delivery":
        return [Delivered(person, ids, None)]
    if subject.kind == "marketing_read":
        return [Read(person, ids, None)]
    campaign = identifier(value.get("message_id"))
    if campaign is None:
        raise Unreadable("no campaign")
    return [MarketingEchoed(person, ids[0], campaign, subject.at())]


def _failed(person: str, value: Json) -> DeliveryFailed:
    ids = tracking_ids(value)
    return DeliveryFailed(
        person=person,
        message_id=ids[0] if ids else None,
        platform_campaign_id=identifier(value.get("message_id")),
        detail=(text(value.get("error_message")) or "")[:500],
    )
