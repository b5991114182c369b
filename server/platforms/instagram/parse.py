"""What a stored item of Instagram means: all of Meta's messaging, with stories, comments and mentions (platforms.md 3.4)."""

from __future__ import annotations

from dataclasses import replace

from server.platforms.instagram.items import COMMENT_KINDS, as_messaging, comment_id
from server.platforms.meta.items import UNKNOWN, UNREADABLE
from server.platforms.meta.parse import Reader
from server.platforms.meta.parse import parse as parse_item
from server.platforms.meta.subject import Subject, Unreadable
from server.platforms.port import (
    Attachment,
    CommentChanged,
    CommentKind,
    Event,
    MessageEchoed,
    MessageReceived,
    Noticed,
)
from server.platforms.wire.reading import Json, identifier, mapping, text

STORY_REPLY = "story_reply"
# Media of stories vanish with them and of ephemeral messages at once: only the address may be kept (platforms.md 3.3).
_NOT_STORED = frozenset({"story_mention", "story", "ig_story", STORY_REPLY, "ephemeral"})
_VERBS = {
    "add": "add",
    "edit": "edited",
    "edited": "edited",
    "update": "edited",
    "remove": "remove",
    "removed": "remove",
    "delete": "remove",
    "deleted": "remove",
    "hide": "hide",
    "hidden": "hide",
}


def parse(kind: str, page: str, payload: Json) -> list[Event]:
    """Read one item as `split` stored it. What cannot be read becomes `Unplaced` with the reason."""
    if kind in (UNKNOWN, UNREADABLE):
        return parse_item(kind, page, payload, _OWN)
    item = as_messaging(payload, page)
    if _is_to_itself(item, page):
        return [Noticed("message:self")]
    return [_with_stories(event, mapping(item.get("message"))) for event in parse_item(kind, page, item, _OWN)]


def _is_to_itself(item: Json, page: str) -> bool:
    """Say whether the account wrote to itself, as its owner does to try things out (`is_self`)."""
    parties = {identifier(mapping(item.get(role)).get("id")) for role in ("sender", "recipient")}
    return mapping(item.get("message")).get("is_self") is True and parties == {page}


def _with_stories(event: Event, message: Json) -> Event:
    if not isinstance(event, MessageReceived | MessageEchoed):
        return event
    attachments = tuple(
        replace(one, may_be_stored=False) if one.kind in _NOT_STORED else one for one in event.attachments
    )
    story = mapping(mapping(message.get("reply_to")).get("story"))
    if story:
        attachments = (*attachments, Attachment(STORY_REPLY, text(story.get("url")), may_be_stored=False))
    return replace(event, attachments=attachments)


def _comment(subject: Subject) -> list[Event]:
    value = subject.part("value")
    found = comment_id(value)
    if found is None:
        raise Unreadable("no comment id")
    given = text(value.get("verb")) or "add"
    verb = _VERBS.get(given)
    if verb is None:
        return [Noticed(f"{subject.kind}:{given[:30]}")]
    author = mapping(value.get("from"))
    person = identifier(author.get("id"))
    changed = CommentChanged(
        comment_id=found,
        post_id=identifier(mapping(value.get("media")).get("id")) or identifier(value.get("media_id")),
        parent_id=identifier(value.get("parent_id")),
        verb=verb,
        person=person,
        person_name=text(author.get("username")) or text(author.get("name")),
        is_own=person is not None and person == subject.page,
        text=text(value.get("text")),
        occurred_at=subject.at(),
    )
    return [changed]


def _mention(subject: Subject) -> list[Event]:
    """Read a mention, whose text is not told: below somebody's media, or in its caption where no comment is named."""
    value = subject.part("value")
    media = identifier(value.get("media_id"))
    found = comment_id(value) or media
    if found is None:
        raise Unreadable("neither a comment nor a media")
    changed = CommentChanged(
        comment_id=found,
        post_id=media,
        parent_id=None,
        verb="add",
        person=None,
        person_name=None,
        is_own=False,
        text=None,
        occurred_at=subject.at(),
        kind=CommentKind.MENTION,
    )
    return [changed]


def _noticed(subject: Subject) -> list[Event]:
    return [Noticed(subject.kind)]


_OWN: dict[str, Reader] = {
    **dict.fromkeys(COMMENT_KINDS, _comment),
    "mention": _mention,
    "story_insights": _noticed,
}
