"""What a stored notification means (platforms.md 5.4): comments, mentions, and what is only noticed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from server.platforms.linkedin.items import (
    COMMENT_KINDS,
    UNKNOWN,
    UNREADABLE,
    comment_of,
    decorated,
    occurred_at,
    page_of,
    post_of,
)
from server.platforms.linkedin.urns import is_comment, thread_of, urn
from server.platforms.port import CommentChanged, CommentKind, Event, Noticed, Unplaced
from server.platforms.wire.reading import Json, mapping, text

_VERBS = {"comment": "add", "admin_comment": "add", "comment_edit": "edited", "comment_delete": "remove"}
_WORDS = ("text", "commentary", "message", "comment", "content")
_PEOPLE = ("owner", "actor", "author", "member")


def parse(kind: str, page: str, payload: Json) -> list[Event]:
    """Read one notification as `split` stored it. What cannot be read becomes `Unplaced` with the reason."""
    if kind == UNREADABLE:
        return [Unplaced(text(payload.get("reason")) or "unreadable")]
    read = _READERS.get(kind)
    if read is None:
        action = (text(payload.get("action")) or text(payload.get("type")) or "").strip()[:60]
        return [Noticed(f"{UNKNOWN}:{action}" if action else UNKNOWN)]
    return [read(kind, page or page_of(payload), payload)]


def words(part: Json) -> str | None:
    """Return the text of a comment or a share: fixtures write it as `text`, `message.text` or `commentary`."""
    for slot in _WORDS:
        given = part.get(slot)
        found = text(given) if not isinstance(given, dict) else words(given)
        if found is not None:
            return found
    return None


def author(part: Json) -> str | None:
    """Return who wrote it: fixtures say `owner` or `actor`, and either may be an object that names it."""
    for slot in _PEOPLE:
        given = part.get(slot)
        inner = mapping(given)
        found = urn(inner.get("urn") or inner.get("entity") or inner.get("id") if inner else given, "person")
        if found is not None:
            return found
    return None


def author_name(part: Json) -> str | None:
    """Return the author's name, which LinkedIn's own notifications do not tell."""
    for slot in _PEOPLE:
        found = text(mapping(part.get(slot)).get("name"))
        if found is not None:
            return found
    return text(part.get("actorName")) or text(part.get("ownerName"))


def parent(part: Json) -> str | None:
    """Return the comment that a comment answers: named as such, or what it stands below."""
    for slot in ("parentComment", "parentCommentUrn", "object"):
        found = urn(part.get(slot))
        if found is not None and is_comment(found):
            return found
    return None


def _comment(kind: str, page: str, item: Json) -> Event:
    comment = comment_of(item)
    if comment is None:
        return Unplaced("no comment id")
    part = decorated(item, "comment")
    person = author(part)
    return CommentChanged(
        comment_id=comment,
        post_id=post_of(item) or thread_of(comment),
        parent_id=parent(part),
        verb=_VERBS[kind],
        person=person,
        person_name=author_name(part),
        is_own=kind == "admin_comment" or (person is not None and person == page),
        text=None if kind == "comment_delete" else words(part),
        occurred_at=_when(item),
    )


def _mention(_kind: str, page: str, item: Json) -> Event:
    """Read a post of somebody that names the organisation; its text stands in one of the two decorations."""
    comment = comment_of(item)
    part = decorated(item, "share") or decorated(item, "comment") or mapping(item.get("decoratedSourcePost"))
    post = comment or urn(item.get("generatedActivity")) or urn(part.get("entity")) or urn(item.get("sourcePost"))
    if post is None:
        return Unplaced("no post id")
    person = author(part)
    return CommentChanged(
        comment_id=post,
        post_id=post_of(item) if comment is not None else urn(part.get("entity")) or post,
        parent_id=None,
        verb="add",
        person=person,
        person_name=author_name(part),
        is_own=person is not None and person == page,
        text=words(part),
        occurred_at=_when(item),
        kind=CommentKind.MENTION,
    )


def _when(item: Json) -> datetime:
    """Return when it happened. Nothing hangs on the time of a public comment but its place in the list, and how long its
    text is kept: one without any time is of now."""
    return occurred_at(item) or datetime.now(UTC)


def _noticed(kind: str, _page: str, _item: Json) -> Event:
    return Noticed(kind)


_READERS: dict[str, Callable[[str, str, Json], Event]] = {
    **dict.fromkeys(COMMENT_KINDS, _comment),
    "share_mention": _mention,
    "like": _noticed,
    "share": _noticed,
}
