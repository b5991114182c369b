"""What one item of a webhook is: its kind, whom it is about, when it happened, and the key that makes a duplicate harmless.

Wire facts: platforms.md 2.5 and 2.6. Used by `split` (before storing) and by `parse` (after).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from server.platforms.wire.reading import Json, digest, identifier, items, key, mapping, moment

ENTRY = "_entry"  # our own note inside a stored payload: id, time (ms), object and slot of the entry it came in
UNREADABLE = "unreadable"
UNKNOWN = "unknown"
PERMISSION = "permission"

# In order of precedence: the first one present names the item.
_MESSAGING_KINDS = {
    "message_edit": "edit",
    "message": "message",
    "delivery": "delivery",
    "read": "read",
    "reaction": "reaction",
    "postback": "postback",
    "optin": "optin",
    "referral": "referral",
    "pass_thread_control": "handover",
    "take_thread_control": "handover",
    "request_thread_control": "handover",
    "app_roles": "handover",
    "policy_enforcement": "policy",
    "policy-enforcement": "policy",
    "messaging_feedback": "feedback",
    "response_feedback": "feedback",
}
_PART_WITH_ID = {
    "message": "message",
    "echo": "message",
    "unsent": "message",
    "edit": "message_edit",
    "delivery": "delivery",
    "read": "read",
    "reaction": "reaction",
    "postback": "postback",
}
_CHANGE_KINDS = {
    "feed": "feed",
    "ratings": "rating",
    "mention": "mention",
    "leadgen": "leadgen",
    "marketing_message_echoes": "marketing_echo",
    "marketing_message_deliveries": "marketing_delivery",
    "marketing_message_reads": "marketing_read",
    "marketing_message_delivery_failed": "marketing_failed",
    "marketing_message_clicks": "marketing_click",
    "messenger_template_status_update": "template_status",
    "message_template_status_update": "template_status",
}
MARKETING_KINDS = frozenset(kind for kind in _CHANGE_KINDS.values() if kind.startswith("marketing_"))
_COMMON = frozenset({"sender", "recipient", "timestamp", "field", "value", ENTRY})


@dataclass(frozen=True, slots=True)
class Described:
    """What `split` must know of an item before it is stored."""

    kind: str
    external_id: str
    mailbox: str


def describe_messaging(item: Json, page: str) -> Described:
    """Describe an item of `messaging`."""
    kind = messaging_kind(item)
    return Described(kind, _messaging_key(kind, item, page), person_of(item, page))


def describe_standby(item: Json, page: str) -> Described:
    """Describe an item that another app, which owns the thread, received as well."""
    inner = describe_messaging(item, page)
    return Described("standby", key(inner.kind, inner.external_id), inner.mailbox)


def describe_change(item: Json) -> Described:
    """Describe an item of `changes`."""
    kind, value = change_kind(item), mapping(item.get("value"))
    return Described(kind, _change_key(kind, item), _change_mailbox(kind, value))


def describe_permission(item: Json, person: str, time_ms: int | None) -> Described:
    """Describe a change of what a person lets our app do (object "permissions", platforms.md 1.5).

    The same right may be given and taken many times and the item names no time of its own, so the entry's is in the key.
    """
    field = identifier(item.get("field"))
    return Described(PERMISSION, key(field, time_ms, digest(item)), f"grant:{person}" if person else "")


def messaging_kind(item: Json) -> str:
    """Name the kind of a messaging item."""
    found = None
    for name, kind in _MESSAGING_KINDS.items():
        if item.get(name) is not None:
            found = kind
            break
    if found == "message":
        message = mapping(item.get("message"))
        if message.get("is_deleted") is True:
            return "unsent"
        return "echo" if message.get("is_echo") is True else "message"
    if found is None:
        return UNKNOWN if set(item) - _COMMON else UNREADABLE
    return found


def change_kind(item: Json) -> str:
    """Name the kind of a change."""
    field = item.get("field")
    if not isinstance(field, str) or not field:
        return UNREADABLE
    return _CHANGE_KINDS.get(field, UNKNOWN)


def label_of(item: Json) -> str:
    """Name an unknown item in a few safe characters, for the logs and counters."""
    entry = mapping(item.get(ENTRY))
    field = item.get("field")
    name = field if isinstance(field, str) else next((name for name in sorted(item) if name not in _COMMON), "nothing")
    owner = entry.get("object")
    full = name if owner in ("page", None) else f"{owner}.{name}"
    return re.sub(r"[^a-z0-9_.-]", "_", full.lower())[:60]


def person_of(item: Json, page: str) -> str:
    """Return the id of the customer, whoever of the two is not the page; "" if there is none.

    Direction never comes from the order of sender and recipient: a published echo has them the wrong way round.
    """
    sender, recipient = _party(item, "sender"), _party(item, "recipient")
    is_echo = mapping(item.get("message")).get("is_echo") is True
    first, second = (recipient, sender) if is_echo else (sender, recipient)
    if first and first != page:
        return first
    return second if second and second != page else ""


def is_from_page(item: Json, page: str) -> bool:
    """Say whether the page itself acted."""
    return _party(item, "sender") == page


def occurred_at(item: Json) -> datetime | None:
    """Return when it happened: its own time, else its watermark, else the time of the entry; None without any."""
    found = moment(item.get("timestamp"))  # nearly always there
    if found is not None:
        return found
    value = mapping(item.get("value"))
    candidates = (
        value.get("created_time"),
        value.get("timestamp"),
        mapping(item.get("delivery")).get("watermark"),
        mapping(item.get("read")).get("watermark"),
        mapping(item.get(ENTRY)).get("time"),
    )
    return next((found for found in map(moment, candidates) if found is not None), None)


def tracking_ids(value: Json) -> tuple[str, ...]:
    """Return the ids of a marketing message, the one our send was answered with first."""
    found = (identifier(value.get("marketing_message_tracking_id")), identifier(value.get("mid")))
    return tuple(dict.fromkeys(one for one in found if one))


def _party(item: Json, role: str) -> str | None:
    return identifier(mapping(item.get(role)).get("id"))


def _messaging_key(kind: str, item: Json, page: str) -> str:
    """A mid alone is not a key: message, edit, reaction, postback and read may carry the same one (platforms.md 1.4)."""
    part = mapping(item.get(_PART_WITH_ID.get(kind, "")))
    mid = identifier(part.get("mid"))
    parts: list[object] = []
    if kind in ("message", "echo", "unsent", "postback") and mid:
        parts = [mid]
    elif kind == "edit" and mid and (number := identifier(part.get("num_edit"))):
        parts = [mid, number]
    elif kind == "delivery":
        mids = [identifier(one) for one in items(part.get("mids"))]
        parts = [person_of(item, page), identifier(part.get("watermark")), mids]
    elif kind == "read" and (mid or identifier(part.get("watermark"))):
        parts = [person_of(item, page), identifier(part.get("watermark")), mid]
    elif kind == "reaction" and mid:
        told = [identifier(part.get(name)) for name in ("action", "reaction", "emoji")]
        parts = [person_of(item, page), mid, identifier(item.get("timestamp")), *told]
    return key(*parts) if parts else digest(item)


def _change_key(kind: str, item: Json) -> str:
    value = mapping(item.get("value"))
    if kind in MARKETING_KINDS and (ids := tracking_ids(value)):
        return key(*ids, identifier(value.get("timestamp")))
    subject = identifier(value.get("comment_id" if kind == "feed" else "open_graph_story_id"))
    if kind in ("feed", "rating") and subject:
        verb = identifier(value.get("verb"))
        # A comment is written once: told by a webhook or by the platform's list, it is the same event.
        is_new_comment = kind == "feed" and verb == "add" and value.get("item") == "comment"
        return key(subject, "add") if is_new_comment else key(subject, verb, digest(value))
    return digest(item)


def _change_mailbox(kind: str, value: Json) -> str:
    if kind in MARKETING_KINDS:
        return identifier(value.get("recipient_id")) or ""
    if kind in ("feed", "mention"):
        post, comment = identifier(value.get("post_id")), identifier(value.get("comment_id"))
        return f"post:{post}" if post else f"comment:{comment}" if comment else ""
    if kind == "rating":
        story = identifier(value.get("open_graph_story_id"))
        return f"review:{story}" if story else ""
    return ""
