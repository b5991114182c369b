"""The platform's own list of messages: conversations of both types, and the newest 20 messages of each (platforms.md 6.2).

The witness for sends whose outcome is unknown, and the source of what webhooks failed to tell.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.platforms.port import (
    Backfill,
    FailureReason,
    ListedMessage,
    Listing,
    PageCredentials,
    PlatformCallFailed,
    RawEvent,
)
from server.platforms.tiktok.asking import ask
from server.platforms.tiktok.client import TikTokClient, get
from server.platforms.tiktok.contents import text_of
from server.platforms.tiktok.items import describe, party
from server.platforms.wire.reading import Json, identifier, items, mapping, moment, text, whole

PAGE_SIZE = 100
NEWEST = 20
KEPT = timedelta(days=90)
_TYPES = ("SINGLE", "STRANGER")
_MAX_PAGES = 100
# About ten requests a second are allowed (platforms.md 6.2); a list is one call per conversation and must leave room.
_CALLS_PER_S = 8


@dataclass(frozen=True, slots=True)
class _Thread:
    """One conversation of the list."""

    id: str
    type: str
    updated_at: datetime | None


class _Pace:
    """Lets a list take no more than its share of the account's calls."""

    def __init__(self) -> None:
        self._calls: deque[float] = deque(maxlen=_CALLS_PER_S)

    async def turn(self) -> None:
        """Wait until another call may be made."""
        if len(self._calls) == _CALLS_PER_S:
            await asyncio.sleep(max(0.0, self._calls[0] + 1.0 - time.monotonic()))
        self._calls.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class _Found:
    """The readable messages of the conversations since a time, with the type of each one's conversation."""

    messages: tuple[tuple[_Thread, Json, datetime], ...]
    is_complete: bool


async def list_messages(client: TikTokClient, page: PageCredentials, since: datetime) -> Listing:
    """List the messages since then, both directions; raise PlatformCallFailed.

    `is_complete` is False where the newest 20 of a conversation do not reach back to `since`, where the platform forgot, or
    where it showed something that cannot be read.
    """
    found = await _read(client, page, since)
    listed = tuple(
        ListedMessage(
            identifier(message.get("message_id")) or "",
            party(message, "from_user") or "",
            party(message, "to_user") or "",
            text_of(message),
            at,
        )
        for _, message, at in found.messages
    )
    return Listing(listed, found.is_complete)


async def backfill(client: TikTokClient, page: PageCredentials, since: datetime) -> Backfill:
    """Show the listed messages, and the reactions to them, as the webhooks that should have told them."""
    found = await _read(client, page, since)
    account = page.page_external_id
    events = [
        event
        for thread, message, at in found.messages
        for event in (*_reactions(account, thread, message), _as_event(account, thread, message, at))
    ]
    return Backfill.of_list(events, found.is_complete)


async def _read(client: TikTokClient, page: PageCredentials, since: datetime) -> _Found:
    found: dict[str, tuple[_Thread, Json, datetime]] = {}
    is_complete = since > datetime.now(UTC) - KEPT
    pace = _Pace()
    for kind in _TYPES:
        threads = [thread async for thread in _threads(client, page, kind, pace)]
        is_complete &= not _may_be_cut(threads, since)
        for thread in threads:
            if thread.updated_at is not None and thread.updated_at < since:
                continue
            await pace.turn()
            messages, reaches = await _messages(client, page, thread, since)
            is_complete &= reaches
            found |= {str(message["message_id"]): (thread, message, at) for message, at in messages}
    return _Found(tuple(found.values()), is_complete)


async def _threads(client: TikTokClient, page: PageCredentials, kind: str, pace: _Pace) -> AsyncIterator[_Thread]:
    """Yield the conversations of one type; raise PlatformCallFailed, also when the list does not end."""
    cursor: int | None = None
    for _ in range(_MAX_PAGES):
        params = {"business_id": page.page_external_id, "conversation_type": kind, "limit": str(PAGE_SIZE)}
        if cursor is not None:
            params["cursor"] = str(cursor)
        await pace.turn()
        data = await ask(client, get("business/message/conversation/list", page.page_token, params))
        for one in items(data.get("conversations")):
            thread = _thread(mapping(one), kind)
            if thread is not None:
                yield thread
        following = whole(data.get("cursor"))
        if data.get("has_more") is not True or following is None or following == cursor:
            return
        cursor = following
    raise PlatformCallFailed(FailureReason.AMBIGUOUS, f"the list is longer than {_MAX_PAGES} pages")


def _thread(one: Json, kind: str) -> _Thread | None:
    thread_id = identifier(one.get("conversation_id"))
    return None if thread_id is None else _Thread(thread_id, kind, moment(one.get("update_time")))


def _may_be_cut(threads: list[_Thread], since: datetime) -> bool:
    """Say whether a list that ends at exactly 100 may hide older conversations: some say that the platform shows no more."""
    oldest = [thread.updated_at for thread in threads if thread.updated_at is not None]
    return len(threads) == PAGE_SIZE and bool(oldest) and min(oldest) >= since


async def _messages(
    client: TikTokClient, page: PageCredentials, thread: _Thread, since: datetime
) -> tuple[list[tuple[Json, datetime]], bool]:
    """Return the messages since then, and whether they are all there are."""
    params = {"business_id": page.page_external_id, "conversation_id": thread.id}
    data = await ask(client, get("business/message/content/list", page.page_token, params))
    listed = [mapping(one) for one in items(data.get("messages"))]
    read = [(message, at) for message in listed if (at := _readable_at(message)) is not None]
    reaches = len(listed) < NEWEST or any(at < since for _, at in read)
    return [(message, at) for message, at in read if at >= since], reaches and len(read) == len(listed)


def _readable_at(message: Json) -> datetime | None:
    """Return the message's time; None for one that lacks its id, a party or its time."""
    is_whole = identifier(message.get("message_id")) and party(message, "from_user") and party(message, "to_user")
    return moment(message.get("timestamp")) if is_whole else None


def _as_event(account: str, thread: _Thread, message: Json, at: datetime) -> RawEvent:
    event = "im_send_msg" if party(message, "from_user") == account else "im_receive_msg"
    kept = {name: value for name, value in message.items() if name not in ("message_type", "reactions")}
    content = kept | {
        "conversation_id": thread.id,
        "message_id": identifier(message.get("message_id")),
        "type": (text(message.get("message_type")) or "other").lower(),
    }
    return _event(account, event, content, thread, at)


def _reactions(account: str, thread: _Thread, message: Json) -> list[RawEvent]:
    """The reactions that stand; those taken back are not listed."""
    events = []
    for one in items(message.get("reactions")):
        mark = mapping(one)
        at = moment(mark.get("timestamp"))
        if at is None:
            continue
        told = mark | {"operation": "ADD", "original_msg_id": identifier(message.get("message_id"))}
        parties = {name: message.get(name) for name in ("from_user", "to_user")}
        content: Json = {
            **parties,
            "conversation_id": thread.id,
            "timestamp": mark.get("timestamp"),
            "reaction": [told],
        }
        events.append(_event(account, "im_receive_msg", content | {"type": "reaction"}, thread, at))
    return events


def _event(account: str, event: str, content: Json, thread: _Thread, at: datetime) -> RawEvent:
    told = describe(event, account, content)
    payload: Json = {
        "event": event,
        "create_time": int(at.timestamp()),
        "user_openid": account,
        "content": content,
        "conversation_type": thread.type,
        "listed": True,
    }
    return RawEvent(account, told.kind, told.external_id, told.mailbox, at, payload)
