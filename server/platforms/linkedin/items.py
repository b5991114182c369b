"""What one notification is, before its meaning is read: kind, key, mailbox, page and time (platforms.md 5.4)."""

from __future__ import annotations

from datetime import datetime

from server.platforms.linkedin.urns import is_comment, number_of, thread_of, urn
from server.platforms.wire.reading import Json, digest, identifier, key, mapping, moment, text

TYPE = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
UNKNOWN = "unknown"
UNREADABLE = "unreadable"
KINDS = {
    "COMMENT": "comment",
    "ADMIN_COMMENT": "admin_comment",
    "COMMENT_EDIT": "comment_edit",
    "COMMENT_DELETE": "comment_delete",
    "SHARE_MENTION": "share_mention",
    "LIKE": "like",
    "SHARE": "share",
}
"""The documented actions."""
COMMENT_KINDS = frozenset({"comment", "admin_comment", "comment_edit", "comment_delete"})
# A snowflake: the ids of activities and comments carry their time in their upper bits, ms since 1970.
_TIME_BITS = 22
_EARLIEST_ID, _LATEST_ID = 1 << 61, (1 << 63) - 1


def kind_of(item: Json) -> str:
    """Return the kind of a notification by its action."""
    return KINDS.get((text(item.get("action")) or "").strip().upper(), UNKNOWN)


def page_of(item: Json) -> str:
    """Return the organisation's URN, "" where none is named."""
    return urn(item.get("organizationalEntity"), "organization") or ""


def external_id_of(item: Json) -> str:
    """Return the key that makes a second delivery harmless: the notification's id, which LinkedIn names for that."""
    named = identifier(item.get("notificationId"))
    if named is not None:
        return key(named)
    activity, at = urn(item.get("generatedActivity")), identifier(item.get("lastModifiedAt"))
    return key(activity, at) if activity is not None and at is not None else digest(item)


def mailbox_of(item: Json) -> str:
    """Return whose order matters: the post's, so that a comment, its edits and its end are applied in order."""
    comment = comment_of(item)
    post = thread_of(comment) if comment is not None else post_of(item)
    return f"post:{post}" if post else ""


def comment_of(item: Json) -> str | None:
    """Return the URN of the comment that a notification is about, in the one form of `urns`."""
    for given in (item.get("generatedActivity"), decorated(item, "comment").get("entity"), item.get("comment")):
        found = urn(given)
        if found is not None and is_comment(found):
            return found
    part = decorated(item, "comment")
    number, thread = identifier(part.get("id")), urn(part.get("object"))
    if number is not None and thread is not None and number.isdecimal():
        return urn(f"comment:({thread},{number})")
    return None


def post_of(item: Json) -> str | None:
    """Return the post's URN: that of the share where the platform decorates it, else that of its activity."""
    return urn(mapping(item.get("decoratedSourcePost")).get("entity")) or urn(item.get("sourcePost"))


def decorated(item: Json, name: str) -> Json:
    """Return the decoration of what was generated: a comment or a share, also where it stands without its name."""
    whole_part = mapping(item.get("decoratedGeneratedActivity"))
    named = mapping(whole_part.get(name))
    if named:
        return named
    is_bare = "comment" not in whole_part and "share" not in whole_part
    return whole_part if is_bare else {}


def occurred_at(item: Json) -> datetime | None:
    """Return when it happened: the notification's own time, the decoration's, or that in the comment's number."""
    found = moment(item.get("lastModifiedAt")) or moment(item.get("createdAt"))
    for name in ("comment", "share"):
        part = decorated(item, name)
        for slot in ("lastModified", "created"):
            found = found or moment(mapping(part.get(slot)).get("time"))
        found = found or moment(part.get("lastModifiedAt")) or moment(part.get("createdAt"))
    return found or _time_of_id(comment_of(item) or "")


def _time_of_id(comment: str) -> datetime | None:
    number = number_of(comment)
    if not number.isdecimal() or not _EARLIEST_ID <= int(number) <= _LATEST_ID:
        return None
    return moment(int(number) >> _TIME_BITS)
