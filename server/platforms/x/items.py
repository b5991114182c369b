"""Items of X's webhooks: which kind each is, its key and whose mailbox it belongs to. Both generations end in the same items.

A stored payload is the item as it came plus `_x`: the account, the type of the event, and its uuid where it has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.platforms.wire.reading import EPOCH, Json, digest, identifier, items, key, mapping, moment, text
from server.platforms.x.names import born_at, other_of

NOTE = "_x"
MAX_KIND = 60
DM, TYPING, READ, POST, POST_GONE, REVOKE, CHAT = "dm", "typing", "read", "post", "post_gone", "revoke", "chat"
MEMBERS = "members"
"""Joins and leaves of a group, which only X's list tells."""
UNKNOWN, UNREADABLE = "unknown", "unreadable"

SLOTS = {
    "direct_message_events": DM,
    "direct_message_indicate_typing_events": TYPING,
    "direct_message_mark_read_events": READ,
    "tweet_create_events": POST,
    "tweet_delete_events": POST_GONE,
}
"""The lists of the older generation; the newer one carries the first three inside its payload."""
TYPES = {
    "dm.received": DM,
    "dm.sent": DM,
    "dm.read": READ,
    "dm.indicate_typing": TYPING,
    "chat.received": CHAT,
    "chat.sent": CHAT,
    "post.create": POST,
    "post.mention.create": POST,
    "post.reply.create": POST,
    "post.delete": POST_GONE,
    "oauth.revoke": REVOKE,
}
"""The types of the newer generation that mean something to us."""
_GROUP_NAMES = ("dm_conversation_id", "conversation_id")


@dataclass(frozen=True, slots=True)
class Described:
    """What an item is, before anybody reads its meaning."""

    kind: str
    external_id: str
    mailbox: str
    occurred_at: datetime


def describe(kind: str, account: str, item: Json) -> Described:
    """Describe an item of a known kind. Its key names the same thing in both generations and both directions."""
    bare = {name: value for name, value in item.items() if name != NOTE}
    at = occurred_at(item) or EPOCH
    external_id = identifier(item.get("id")) or identifier(item.get("id_str"))
    if kind in (DM, MEMBERS) and external_id:
        return Described(kind, key(external_id), party_of(item, account) or "", at)
    if kind == READ:
        parts = (sender_of(item), identifier(item.get("last_read_event_id")))
        return Described(READ, key(*parts) if all(parts) else digest(bare), party_of(item, account) or "", at)
    if kind == TYPING:
        parts = (sender_of(item), identifier(item.get("created_timestamp")))
        return Described(TYPING, key(*parts) if all(parts) else digest(bare), party_of(item, account) or "", at)
    post = post_of(item)
    post_id = identifier(post.get("id_str")) or identifier(post.get("id"))
    if kind in (POST, POST_GONE) and post_id:
        return Described(kind, key(post_id), f"post:{thread_of_post(post) or post_id}", at)
    uuid = identifier(mapping(item.get(NOTE)).get("event_uuid"))
    return Described(kind, key(uuid) if uuid else digest(bare), party_of(item, account) or "", at)


def occurred_at(item: Json) -> datetime | None:
    """Return when an item happened: its own time, else the moment in its id; None if neither can be read."""
    post, revoke = post_of(item), mapping(item.get("revoke"))
    told = (
        *(item.get("created_timestamp"), item.get("timestamp_ms"), post.get("timestamp_ms")),
        *(_post_time(post.get("created_at")), revoke.get("date_time")),
    )
    read = next((at for at in map(moment, told) if at is not None), None)
    named = identifier(item.get("id")) or identifier(post.get("id_str")) or identifier(post.get("id")) or ""
    return read or born_at(named)


def sender_of(item: Json) -> str | None:
    """Return who wrote, read or types."""
    return identifier(mapping(item.get("message_create")).get("sender_id")) or identifier(item.get("sender_id"))


def recipient_of(item: Json) -> str | None:
    """Return to whom; None in a group."""
    target = mapping(mapping(item.get("message_create")).get("target")) or mapping(item.get("target"))
    return identifier(target.get("recipient_id")) or identifier(item.get("recipient_id"))


def group_of(item: Json, account: str) -> str | None:
    """Return the id of the group conversation that an item names; None for one of two people."""
    inner = mapping(item.get("message_create"))
    places = (item, inner, mapping(inner.get("target")), mapping(item.get("target")))
    named = (identifier(place.get(name)) for place in places for name in _GROUP_NAMES)
    found = next((one for one in named if one), None)
    if found is None or other_of(found, account) is not None:
        return None
    return found


def party_of(item: Json, account: str) -> str | None:
    """Return whose mailbox an item belongs to: the group's, else that of whoever is not the account."""
    group = group_of(item, account)
    if group is not None:
        return group
    sender, recipient = sender_of(item), recipient_of(item)
    return recipient if sender == account else sender


def post_of(item: Json) -> Json:
    """Return the post that an item is about: itself, what it wraps, or the status that was deleted."""
    for name in ("data", "post", "tweet", "status"):
        inner = mapping(item.get(name))
        if "id" in inner or "id_str" in inner:
            return inner
    return item


def thread_of_post(post: Json) -> str | None:
    """Return the post that this one answers, or the first of its thread."""
    direct = identifier(post.get("in_reply_to_status_id_str")) or identifier(post.get("in_reply_to_status_id"))
    return direct or _referenced(post, "replied_to") or identifier(post.get("conversation_id"))


def _referenced(post: Json, kind: str) -> str | None:
    found = (mapping(one) for one in items(post.get("referenced_tweets")))
    return next((identifier(one.get("id")) for one in found if one.get("type") == kind), None)


def is_about(post: Json, kind: str) -> bool:
    """Say whether a post refers to another one so (retweeted, quoted, replied_to)."""
    return _referenced(post, kind) is not None


def _post_time(given: object) -> object:
    """Return a time of the older form (`Wed Oct 10 20:19:24 +0000 2018`) in ISO; anything else as it is."""
    value = text(given)
    if value is None:
        return given
    try:
        return datetime.strptime(value, "%a %b %d %H:%M:%S %z %Y").isoformat()
    except ValueError:
        return value
