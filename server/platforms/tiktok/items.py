"""What one event is: its kind, whom it is about, when it happened, and the key that makes a duplicate harmless.

Wire facts: platforms.md 6.4. Used by `split` (before storing), by `parse` (after), and by `listing`, which shows the platform's
own list as the webhooks would have told it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from server.platforms.wire.reading import Json, digest, identifier, items, key, mapping, moment

UNREADABLE = "unreadable"
UNKNOWN = "unknown"
_MESSAGES = ("message", "echo")
_KINDS = {
    "im_receive_msg": "message",
    "im_send_msg": "echo",
    "im_mark_read_msg": "read",
    "im_receive_msg_eu": "message_eu",
    "im_referral_msg": "referral",
    "im_receive_high_intent_comment": "intent",
    "im_auto_message_config_update": "auto_message",
    "im_auto_message_audit_update": "auto_message",
    "comment.update": "comment",
    "authorization.removed": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Described:
    """What `split` must know of an event before it is stored."""

    kind: str
    external_id: str
    mailbox: str


def describe(event: str, page: str, content: Json) -> Described:
    """Describe an event by its name and its content."""
    kind = kind_of(event, content)
    return Described(kind, _key(kind, event, page, content), _mailbox(kind, page, content))


def kind_of(event: str, content: Json) -> str:
    """Name the kind of an event; a reaction comes as a message of its own type."""
    kind = _KINDS.get(event, UNKNOWN)
    if kind in _MESSAGES and (content.get("type") == "reaction" or isinstance(content.get("reaction"), list)):
        return "reaction"
    return kind


def person_of(kind: str, page: str, content: Json) -> str | None:
    """Return the customer's id: the sender, or on an echo the receiver, and there never `unique_identifier` (platforms.md 6.4).

    None where the content names nobody but the account itself.
    """
    sender, receiver = party(content, "from_user"), party(content, "to_user")
    if kind == "echo":
        candidates: tuple[str | None, ...] = (receiver,)
    elif kind == "reaction":
        candidates = (sender, receiver)
    else:
        candidates = (sender, identifier(content.get("unique_identifier")))
    return next((found for found in candidates if found and found != page), None)


def party(content: Json, role: str) -> str | None:
    """Return the id of one of the two parties."""
    return identifier(mapping(content.get(role)).get("id"))


def occurred_at(payload: Json) -> datetime | None:
    """Return when it happened: the content's own time (ms, of comments s), else that of the envelope (s)."""
    content = mapping(payload.get("content"))
    candidates = (content.get("timestamp"), payload.get("create_time"))
    return next((found for found in map(moment, candidates) if found is not None), None)


def label_of(event: object) -> str:
    """Name an unknown event in a few safe characters, for the logs and counters."""
    return re.sub(r"[^a-z0-9_.-]", "_", event.lower())[:60] if isinstance(event, str) else "nothing"


def _mailbox(kind: str, page: str, content: Json) -> str:
    if kind == "comment":
        video, comment = identifier(content.get("video_id")), identifier(content.get("comment_id"))
        return f"post:{video}" if video else f"comment:{comment}" if comment else ""
    if kind == "intent":
        comment = identifier(content.get("comment_id"))
        return f"comment:{comment}" if comment else ""
    return person_of(kind, page, content) or ""


def _key(kind: str, event: str, page: str, content: Json) -> str:
    """The message id names messages; a reaction is named by what it says, as the platform's list tells it without an id."""
    message_id = identifier(content.get("message_id"))
    if kind in _MESSAGES and message_id:
        return key(message_id)
    if kind == "reaction" and (marks := [_mark(mapping(one)) for one in items(content.get("reaction"))]):
        return key(*marks[0]) if len(marks) == 1 else key(*marks)
    if kind == "read" and (seen := identifier(mapping(content.get("read")).get("last_read_timestamp"))):
        return key(identifier(content.get("conversation_id")), person_of(kind, page, content), seen)
    comment = identifier(content.get("comment_id"))
    if kind == "comment" and comment:
        return key(comment, identifier(content.get("comment_action")), digest(content))
    if kind == "intent" and comment:
        return key(comment)
    return digest([event, content])


def _mark(mark: Json) -> list[str | None]:
    emoji = identifier(mark.get("emoji")) or identifier(mark.get("ai_emoji_url"))
    told = (identifier(mark.get(name)) for name in ("operation", "unique_identifier", "timestamp", "original_msg_id"))
    return [*told, emoji]
