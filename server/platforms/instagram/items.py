"""How Instagram's items differ from Messenger's before they are stored: forms, pages, keys (platforms.md 3.4)."""

from __future__ import annotations

from server.platforms.meta.items import ENTRY, UNKNOWN, Described, describe_messaging, describe_standby
from server.platforms.wire.reading import Json, digest, identifier, key, mapping

OBJECT = "instagram"
COMMENT_KINDS = frozenset({"comment", "live_comment"})
_CHANGE_KINDS = {
    "comments": "comment",
    "live_comments": "live_comment",
    "mentions": "mention",
    "story_insights": "story_insights",
}
_PART_OF_FIELD = {
    "messages": "message",
    "message_edit": "message_edit",
    "message_edits": "message_edit",
    "message_reactions": "reaction",
    "messaging_seen": "read",
    "messaging_postbacks": "postback",
    "messaging_referral": "referral",
    "messaging_referrals": "referral",
    "messaging_optins": "optin",
}


def as_messaging(item: Json, page: str) -> Json:
    """Return the item as `messaging` would have brought it; one that is in that form already comes back as it is.

    Edits and reactions have been seen as changes whose value names the person `from` and gives the time in seconds.
    """
    value = mapping(item.get("value"))
    field = item.get("field")
    part = _PART_OF_FIELD.get(field) if isinstance(field, str) else None
    sender = mapping(value.get("sender")) or mapping(value.get("from"))
    if part is None or identifier(sender.get("id")) is None:
        return item
    inner = value.get(part)
    viewed: Json = {
        "sender": sender,
        "recipient": mapping(value.get("recipient")) or {"id": page},
        part: inner if isinstance(inner, dict) else value,
    }
    return {**viewed, **{name: found for name in (ENTRY, "timestamp") if (found := {**item, **value}.get(name))}}


def page_of(item: Json, page: str) -> str:
    """Return the account that the item came to: the entry's, unless that is neither party of a messaging item.

    Some bodies carry another id there (the dashboard's test button "0", a published fixture the id of a message); then the
    account is the recipient, or the sender of an echo.
    """
    sender, recipient = (identifier(mapping(item.get(role)).get("id")) for role in ("sender", "recipient"))
    if page in (sender, recipient):
        return page
    is_echo = mapping(item.get("message")).get("is_echo") is True
    return (sender if is_echo else recipient) or page


def describe(slot: str, item: Json, page: str) -> Described:
    """Describe an item that stands in `messaging`, `standby` or `changes`."""
    if slot == "standby":
        return describe_standby(item, page)
    if slot == "messaging" or "field" not in item:
        return describe_messaging(item, page)
    return _describe_change(item)


def _describe_change(item: Json) -> Described:
    field, value = item.get("field"), mapping(item.get("value"))
    kind = _CHANGE_KINDS.get(field, UNKNOWN) if isinstance(field, str) else UNKNOWN
    if kind in COMMENT_KINDS and (comment := comment_id(value)):
        verb = identifier(value.get("verb")) or "add"
        # A comment is written once: told by a webhook or by the platform's list, it is the same event.
        parts = (comment, "add") if verb == "add" else (comment, verb, digest(value))
        return Described(kind, key(*parts), f"comment:{comment}")
    if kind == "mention" and (mention := comment_id(value) or identifier(value.get("media_id"))):
        return Described(kind, key(mention, digest(value)), f"comment:{mention}")
    return Described(kind, digest(item), "")


def comment_id(value: Json) -> str | None:
    """Return the id of the comment that a change is about: the docs call it `id`, mentions and others `comment_id`."""
    return identifier(value.get("id")) or identifier(value.get("comment_id"))
