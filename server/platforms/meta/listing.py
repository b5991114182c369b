"""The platform's own list of messages: the witness of sends whose outcome is unknown (reliability.md 2.6 item 9), and the
source of what webhooks missed (platforms.md 2.1 and 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.platforms.meta.asking import TooLong, next_cursor, walk
from server.platforms.meta.client import GraphClient
from server.platforms.meta.items import ENTRY, describe_messaging
from server.platforms.port import ListedMessage, RawEvent
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json, identifier, items, mapping, moment, text

_MAX_PAGES = 20
_MESSAGE_FIELDS = (
    "id,from,to,message,created_time,attachments{id,mime_type,name,size,file_url,image_data{url},video_data{url}}"
)
_NESTED = 100
_FIELDS = f"id,updated_time,messages.limit({_NESTED}){{{_MESSAGE_FIELDS}}}"
# The platform cuts its times to whole seconds, so a message of this very second must not fall out.
_GRAIN = timedelta(seconds=1)
_BY_MIME = ("image", "video", "audio")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Whose conversations are listed: where, with which token, and under which names of platform and object."""

    client: GraphClient
    page: str
    token: str
    where: str
    platform: str
    object_name: str


@dataclass(frozen=True, slots=True)
class Found:
    """One message of the list, with its attachments in the form of webhooks."""

    message: ListedMessage
    attachments: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Messages:
    """What a list held. It is not complete where it went on beyond 20 pages."""

    found: tuple[Found, ...]
    is_complete: bool


async def messages_since(mailbox: Mailbox, since: datetime) -> Messages:
    """List the messages since then, both directions, newest conversation first; raise PlatformCallFailed."""
    floor = since - _GRAIN
    found: list[Found] = []
    is_complete = True
    params = {"platform": mailbox.platform, "fields": _FIELDS}
    try:
        async for conversations in walk(mailbox.client, mailbox.where, mailbox.token, params, _MAX_PAGES):
            recent = [one for one in conversations if (at := moment(one.get("updated_time"))) is None or at >= floor]
            for conversation in recent:
                more = await _messages_of(mailbox, conversation, floor)
                found += more.found
                is_complete &= more.is_complete
            if len(recent) < len(conversations):
                break
    except TooLong:
        is_complete = False
    return Messages(tuple(found), is_complete)


def as_event(mailbox: Mailbox, found: Found) -> RawEvent:
    """Show a listed message as the webhook that should have told it, under the same key."""
    message, page = found.message, mailbox.page
    told: Json = {"mid": message.platform_message_id}
    told |= {"text": message.text} if message.text is not None else {}
    told |= {"attachments": list(found.attachments)} if found.attachments else {}
    told |= {"is_echo": True} if message.from_external_id == page else {}
    at_ms = round(message.created_at.timestamp() * 1000)
    item: Json = {
        "sender": {"id": message.from_external_id},
        "recipient": {"id": message.to_external_id},
        "timestamp": at_ms,
        "message": told,
    }
    described = describe_messaging(item, page)
    note: Json = {"id": page, "time": at_ms, "object": mailbox.object_name, "slot": "messaging", "listed": True}
    return RawEvent(
        page, described.kind, described.external_id, described.mailbox, message.created_at, {**item, ENTRY: note}
    )


async def _messages_of(mailbox: Mailbox, conversation: Json, floor: datetime) -> Messages:
    """Read the messages that came with a conversation, and the rest of them if those do not reach back far enough."""
    nested = mapping(conversation.get("messages"))
    data = items(nested.get("data"))
    batch = _read(data, floor)
    external_id = identifier(conversation.get("id"))
    is_whole = next_cursor(nested) is None and len(data) < _NESTED
    if is_whole or external_id is None or _reaches(data, floor):
        return Messages(tuple(batch.values()), is_complete=True)
    every: dict[str, Found] = {}
    try:
        where, params = path(external_id, "messages"), {"fields": _MESSAGE_FIELDS}
        async for more in walk(mailbox.client, where, mailbox.token, params, _MAX_PAGES):
            every |= _read(list(more), floor)
            if _reaches(list(more), floor):
                break
    except TooLong:
        return Messages(tuple(every.values()), is_complete=False)
    return Messages(tuple(every.values()), is_complete=True)


def _reaches(messages: list[object], floor: datetime) -> bool:
    times = (moment(mapping(one).get("created_time")) for one in messages)
    return any(at is not None and at < floor for at in times)


def _read(messages: list[object], floor: datetime) -> dict[str, Found]:
    read = (_found(mapping(one)) for one in messages)
    return {one.message.platform_message_id: one for one in read if one is not None and one.message.created_at >= floor}


def _found(message: Json) -> Found | None:
    external_id, created_at = identifier(message.get("id")), moment(message.get("created_time"))
    sender = identifier(mapping(message.get("from")).get("id"))
    recipients = items(mapping(message.get("to")).get("data"))
    recipient = identifier(mapping(recipients[0]).get("id")) if recipients else None
    if not external_id or created_at is None or not sender or not recipient:
        return None
    listed = ListedMessage(external_id, sender, recipient, text(message.get("message")) or None, created_at)
    given = items(mapping(message.get("attachments")).get("data"))
    return Found(listed, tuple(_attachment(mapping(one)) for one in given))


def _attachment(one: Json) -> Json:
    """Write a listed attachment as a webhook would have: the list names pictures and films apart from other files."""
    for kind in ("image", "video"):
        url = text(mapping(one.get(f"{kind}_data")).get("url"))
        if url:
            return {"type": kind, "payload": {"url": url}}
    family = (text(one.get("mime_type")) or "").partition("/")[0]
    payload = {"url": url} if (url := text(one.get("file_url"))) else {}
    return {"type": family if family in _BY_MIME else "file", "payload": payload, "title": text(one.get("name"))}
