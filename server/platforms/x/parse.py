"""What a stored item means. Never raises for strange input: what cannot be read becomes `Unplaced` (platforms.md 4.5)."""

from __future__ import annotations

from collections.abc import Callable

from server.platforms.port import (
    Attachment,
    Event,
    GrantWithdrawn,
    MessageEchoed,
    MessageReceived,
    Noticed,
    ParticipantsChanged,
    Read,
    Unplaced,
)
from server.platforms.wire.reading import Json, identifier, items, mapping, text
from server.platforms.x.items import (
    CHAT,
    DM,
    MEMBERS,
    NOTE,
    POST,
    POST_GONE,
    READ,
    REVOKE,
    TYPING,
    UNKNOWN,
    UNREADABLE,
    group_of,
    occurred_at,
    party_of,
    recipient_of,
    sender_of,
)
from server.platforms.x.names import born_at
from server.platforms.x.posts import changed, removed

Reader = Callable[[str, Json], list[Event]]
_KINDS = {"photo": "image", "image": "image", "animated_gif": "image", "video": "video"}


def parse(kind: str, account: str, payload: Json) -> list[Event]:
    """Read one item as `split` stored it."""
    if kind == UNREADABLE:
        return [Unplaced(text(payload.get("reason")) or "unreadable")]
    if kind == UNKNOWN:
        return [Noticed(f"unknown:{_type_of(payload)}")]
    read = _READERS.get(kind)
    return read(account, payload) if read is not None else [Unplaced(f"no reader for kind {kind[:60]!r}")]


def attachments_of(data: Json) -> tuple[Attachment, ...]:
    """Return the one attachment that a message may have. Media of messages needs a signed-in download, so it is named."""
    attachment = mapping(data.get("attachment"))
    if not attachment:
        return ()
    media = mapping(attachment.get("media"))
    kind = text(media.get("type")) or text(attachment.get("type")) or "file"
    url = text(media.get("media_url_https")) or text(media.get("media_url")) or text(media.get("url"))
    media_id = identifier(media.get("id_str")) or identifier(media.get("id"))
    return (Attachment(_KINDS.get(kind, kind[:60]), url, media_id=media_id),)


def _message(account: str, item: Json) -> list[Event]:
    message_id, sender = identifier(item.get("id")), sender_of(item)
    at, data = occurred_at(item), mapping(mapping(item.get("message_create")).get("message_data"))
    if message_id is None or sender is None:
        return [Unplaced("no message id" if message_id is None else "no sender")]
    if at is None:
        return [Unplaced("no time")]
    person, group = party_of(item, account), group_of(item, account)
    if not person:
        return [Unplaced("no person")]
    if group is None and account not in (sender, recipient_of(item)):
        return [Unplaced("a message between others")]
    words, attachments = text(data.get("text")) or None, attachments_of(data)
    if sender == account:
        app = identifier(mapping(item.get("message_create")).get("source_app_id"))
        is_group = group is not None
        return [
            MessageEchoed(person, message_id, words, attachments, at, app_id=app, thread_id=group, is_group=is_group)
        ]
    chosen = text(mapping(data.get("quick_reply_response")).get("metadata"))
    return [
        MessageReceived(
            person,
            message_id,
            words,
            attachments,
            at,
            quick_reply_payload=chosen,
            is_unsupported=words is None and not attachments,
            thread_id=group,
            writer=None if group is None else sender,
        )
    ]


def _members(account: str, item: Json) -> list[Event]:
    """People of a group who came or went; the account itself is none of them."""
    group, at = group_of(item, account), occurred_at(item)
    if group is None or at is None:
        return [Unplaced("no group" if group is None else "no time")]
    named = (identifier(one) for one in items(item.get("participant_ids")))
    people = tuple(dict.fromkeys(one for one in named if one is not None and one != account))
    if not people:
        return [Noticed("members")]
    return [ParticipantsChanged(group, people, item.get("type") == "ParticipantsJoin", at)]


def _read(account: str, item: Json) -> list[Event]:
    """Everything up to the named message was read. Its id holds the moment; the message itself is named as well, since
    its own time may lie a few milliseconds later."""
    reader, last = sender_of(item), identifier(item.get("last_read_event_id"))
    if reader is None or last is None:
        return [Unplaced("no reader" if reader is None else "no last message")]
    if reader == account:
        return [Noticed("read_by_account")]
    person = group_of(item, account) or reader
    return [Read(person, (last,), born_at(last) or occurred_at(item))]


def _typing(_account: str, _item: Json) -> list[Event]:
    return [Noticed("typing")]


def _chat(_account: str, _item: Json) -> list[Event]:
    """End-to-end encrypted: nobody but the two can read it (platforms.md 4.4)."""
    return [Noticed("chat")]


def _revoked(account: str, item: Json) -> list[Event]:
    person = identifier(mapping(mapping(item.get("revoke")).get("source")).get("user_id")) or account
    return [GrantWithdrawn(person)] if person else [Unplaced("nobody")]


def _post(account: str, item: Json) -> list[Event]:
    return [changed(account, item)]


def _post_gone(account: str, item: Json) -> list[Event]:
    return [removed(account, item)]


def _type_of(payload: Json) -> str:
    return (text(mapping(payload.get(NOTE)).get("type")) or "")[:60]


_READERS: dict[str, Reader] = {
    DM: _message,
    MEMBERS: _members,
    READ: _read,
    TYPING: _typing,
    CHAT: _chat,
    REVOKE: _revoked,
    POST: _post,
    POST_GONE: _post_gone,
}
