"""The platform's own list of messages, the witness for sends whose outcome is unknown (reliability.md 2.6 item 9)."""

from __future__ import annotations

from datetime import datetime, timedelta

from server.platforms.messenger.asking import next_cursor, walk
from server.platforms.messenger.client import GraphClient, path
from server.platforms.messenger.reading import Json, identifier, items, mapping, moment, text
from server.platforms.port import ListedMessage, PageCredentials

_MAX_PAGES = 20
_MESSAGE_FIELDS = "id,from,to,message,created_time"
_NESTED = 100
_FIELDS = f"id,updated_time,messages.limit({_NESTED}){{{_MESSAGE_FIELDS}}}"
# The platform cuts its times to whole seconds, so a message of this very second must not fall out.
_GRAIN = timedelta(seconds=1)


async def list_messages(client: GraphClient, page: PageCredentials, since: datetime) -> list[ListedMessage]:
    """List the messages since then, both directions, newest conversation first; raise PlatformCallFailed.

    A list that does not reach back to `since` within 20 pages is no witness and raises AMBIGUOUS.
    """
    floor = since - _GRAIN
    found: list[ListedMessage] = []
    where = path(page.page_external_id, "conversations")
    params = {"platform": "messenger", "fields": _FIELDS}
    async for conversations in walk(client, where, page.page_token, params, _MAX_PAGES):
        updated = [moment(conversation.get("updated_time")) for conversation in conversations]
        recent = [
            conversation for conversation, at in zip(conversations, updated, strict=True) if at is None or at >= floor
        ]
        for conversation in recent:
            found += await _messages_of(client, page, conversation, floor)
        if len(recent) < len(conversations):
            break
    return found


async def _messages_of(
    client: GraphClient, page: PageCredentials, conversation: Json, floor: datetime
) -> list[ListedMessage]:
    """Read the messages that came with a conversation, and the rest of them if those do not reach back far enough."""
    nested = mapping(conversation.get("messages"))
    data = items(nested.get("data"))
    batch = _read(data)
    external_id = identifier(conversation.get("id"))
    is_whole = next_cursor(nested) is None and len(data) < _NESTED
    if is_whole or external_id is None or _reaches(batch, floor):
        return [message for message in batch if message.created_at >= floor]
    every: dict[str, ListedMessage] = {}
    params = {"fields": _MESSAGE_FIELDS}
    async for more in walk(client, path(external_id, "messages"), page.page_token, params, _MAX_PAGES):
        batch = _read(list(more))
        every |= {message.platform_message_id: message for message in batch if message.created_at >= floor}
        if _reaches(batch, floor):
            break
    return list(every.values())


def _reaches(batch: list[ListedMessage], floor: datetime) -> bool:
    return any(message.created_at < floor for message in batch)


def _read(messages: list[object]) -> list[ListedMessage]:
    read = (_message(mapping(one)) for one in messages)
    return [message for message in read if message is not None]


def _message(message: Json) -> ListedMessage | None:
    external_id, created_at = identifier(message.get("id")), moment(message.get("created_time"))
    sender = identifier(mapping(message.get("from")).get("id"))
    recipients = items(mapping(message.get("to")).get("data"))
    recipient = identifier(mapping(recipients[0]).get("id")) if recipients else None
    if not external_id or created_at is None or not sender or not recipient:
        return None
    return ListedMessage(external_id, sender, recipient, text(message.get("message")), created_at)
