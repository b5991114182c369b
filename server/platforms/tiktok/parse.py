"""What a stored event means (platforms.md 6.4). Nothing here raises for strange input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from server.platforms.port import (
    CommentChanged,
    Event,
    GrantWithdrawn,
    MessageEchoed,
    MessageReceived,
    Noticed,
    Reacted,
    Read,
    Unplaced,
)
from server.platforms.tiktok.contents import attachments_of, is_readable, text_of
from server.platforms.tiktok.items import UNKNOWN, UNREADABLE, label_of, occurred_at, party, person_of
from server.platforms.wire.reading import Json, identifier, items, mapping, moment, text

_VERBS = {
    "insert": "add",
    "delete": "remove",
    "set_to_hidden": "hide",
    # Only the friends of its writer still see it, so the public does not.
    "set_to_friends_only": "hide",
    "set_to_public": "unhide",
}


class Unreadable(Exception):
    """The event lacks what its kind needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An event while it is being read: its kind, the account it came to, and what was stored."""

    kind: str
    page: str
    payload: Json

    @property
    def content(self) -> Json:
        """The content of the envelope."""
        return mapping(self.payload.get("content"))

    def person(self) -> str:
        """Return the customer's id; raise Unreadable."""
        found = person_of(self.kind, self.page, self.content)
        if found is None:
            raise Unreadable("no person")
        return found

    def message_id(self) -> str:
        """Return the message id; raise Unreadable."""
        found = identifier(self.content.get("message_id"))
        if found is None:
            raise Unreadable("no message id")
        return found

    def at(self) -> datetime:
        """Return when it happened; raise Unreadable."""
        found = occurred_at(self.payload)
        if found is None:
            raise Unreadable("no time")
        return found

    @property
    def thread_id(self) -> str | None:
        """The conversation, which sends need."""
        return identifier(self.content.get("conversation_id"))


def parse(kind: str, page: str, payload: Json) -> list[Event]:
    """Read one event as `split` stored it. What cannot be read becomes `Unplaced` with the reason."""
    if kind == UNREADABLE:
        return [Unplaced(text(payload.get("reason")) or "unreadable")]
    if kind == UNKNOWN:
        return [Noticed(f"unknown:{label_of(payload.get('event'))}")]
    read = _READERS.get(kind)
    if read is None:
        return [Unplaced(f"no reader for kind {kind[:60]!r}")]
    try:
        return read(Subject(kind, page, payload))
    except Unreadable as problem:
        return [Unplaced(f"{kind}: {problem}")]


def _message(subject: Subject) -> list[Event]:
    content = subject.content
    received = MessageReceived(
        person=subject.person(),
        message_id=subject.message_id(),
        text=text_of(content),
        attachments=attachments_of(content),
        occurred_at=subject.at(),
        reply_to_message_id=identifier(mapping(content.get("referenced_message_info")).get("referenced_message_id")),
        quick_reply_payload=text(mapping(content.get("reply_source_payload")).get("reply_source_unique_id")) or None,
        is_unsupported=not is_readable(content),
        thread_id=subject.thread_id,
        # A webhook does not tell; the platform's own list does (platforms.md 6.3).
        is_request=subject.payload.get("conversation_type") == "STRANGER",
    )
    return [received]


def _echo(subject: Subject) -> list[Event]:
    """A message of the account, through us (source API) or by hand. It carries no mark of ours, only the text."""
    content = subject.content
    echoed = MessageEchoed(
        person=subject.person(),
        message_id=subject.message_id(),
        text=text_of(content),
        attachments=attachments_of(content),
        occurred_at=subject.at(),
        app_id=_app_of(subject),
        thread_id=subject.thread_id,
    )
    return [echoed]


def _app_of(subject: Subject) -> str | None:
    """Name our app where the source is the API: no other app can be told apart from ours (platforms.md 6.4)."""
    source = mapping(subject.content.get("message_tag")).get("source")
    return identifier(subject.payload.get("client_key")) if source == "API" else None


def _reaction(subject: Subject) -> list[Event]:
    marks = [mapping(one) for one in items(subject.content.get("reaction"))]
    if not marks:
        raise Unreadable("no reactions")
    return [_reacted(subject, mark) for mark in marks]


def _reacted(subject: Subject, mark: Json) -> Event:
    """A reaction belongs to its own `unique_identifier`, whoever the message around it is from (platforms.md 6.4)."""
    person = identifier(mark.get("unique_identifier")) or party(subject.content, "from_user")
    message_id = identifier(mark.get("original_msg_id"))
    operation = (text(mark.get("operation")) or "").upper()
    if person is None or message_id is None or operation not in ("ADD", "REMOVE"):
        return Unplaced("reaction: no person, no message, or neither ADD nor REMOVE")
    if person == subject.page:
        return Noticed("reaction:own")
    emoji = (text(mark.get("emoji")) or "other") if operation == "ADD" else None
    return Reacted(person, message_id, emoji, moment(mark.get("timestamp")) or subject.at())


def _read(subject: Subject) -> list[Event]:
    watermark = moment(mapping(subject.content.get("read")).get("last_read_timestamp"))
    if watermark is None:
        raise Unreadable("no time up to which it was read")
    if party(subject.content, "from_user") == subject.page:
        return [Noticed("read:own")]
    return [Read(subject.person(), (), watermark)]


def _comment(subject: Subject) -> list[Event]:
    content = subject.content
    action = text(content.get("comment_action"))
    comment_id = identifier(content.get("comment_id"))
    if action is None or comment_id is None:
        raise Unreadable("no action or no comment id")
    if action not in _VERBS:
        return [Noticed(f"comment:{label_of(action)}")]
    person = identifier(content.get("unique_identifier"))
    changed = CommentChanged(
        comment_id=comment_id,
        post_id=identifier(content.get("video_id")),
        parent_id=identifier(content.get("parent_comment_id") or None),
        verb=_VERBS[action],
        person=person,
        person_name=None,
        is_own=person is not None and person == subject.page,
        text=text(content.get("text")),
        occurred_at=subject.at(),
    )
    return [changed]


def _intent(subject: Subject) -> list[Event]:
    """A comment with the wish to buy: the one kind that a private reply may answer (platforms.md 6.2). It names no video."""
    content = subject.content
    comment_id = identifier(content.get("comment_id"))
    if comment_id is None:
        raise Unreadable("no comment id")
    changed = CommentChanged(
        comment_id=comment_id,
        post_id=identifier(content.get("video_id")),
        parent_id=None,
        verb="add",
        person=subject.person(),
        person_name=text(content.get("from")) or None,
        is_own=False,
        text=text(content.get("comment_text")),
        occurred_at=subject.at(),
    )
    return [changed]


def _withdrawn(subject: Subject) -> list[Event]:
    """The account took our rights back; the general platform is said to tell it (platforms.md 6.4)."""
    if not subject.page:
        raise Unreadable("no account")
    return [GrantWithdrawn(subject.page)]


def _noticed(subject: Subject) -> list[Event]:
    return [Noticed(subject.kind)]


_READERS: dict[str, Callable[[Subject], list[Event]]] = {
    "message": _message,
    "echo": _echo,
    "reaction": _reaction,
    "read": _read,
    "comment": _comment,
    "intent": _intent,
    "withdrawn": _withdrawn,
    "message_eu": _noticed,
    "referral": _noticed,
    "auto_message": _noticed,
}
