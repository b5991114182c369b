"""X's own list of messages: the witness for unknown sends, and the way back after a gap (platforms.md 4.2, 4.3).

GET /2/dm_events reaches 30 days back, newest first, and may be called 15 times in 15 minutes: the headers say when to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.platforms.port import (
    Act,
    Backfill,
    FailureReason,
    ListedMessage,
    Listing,
    PageCredentials,
    QuotaScope,
    RawEvent,
)
from server.platforms.wire.http import Answer, path
from server.platforms.wire.reading import EPOCH, Json, identifier, items, mapping, moment, text
from server.platforms.x.asking import failure_of, reach
from server.platforms.x.client import XCall, XClient
from server.platforms.x.items import DM, MEMBERS, NOTE, describe
from server.platforms.x.limits import usage_of
from server.platforms.x.names import born_at, other_of
from server.platforms.x.oauth import user

REACH = timedelta(days=30)
# An id and the time that is told beside it differ by some milliseconds.
_GRAIN = timedelta(seconds=1)
_PAGE_SIZE = 100
_MAX_PAGES = 15
_MOVES = ("ParticipantsJoin", "ParticipantsLeave")
_PARAMS = {
    "max_results": str(_PAGE_SIZE),
    "event_types": "MessageCreate,ParticipantsJoin,ParticipantsLeave",
    "dm_event.fields": "id,text,event_type,dm_conversation_id,created_at,sender_id,participant_ids,attachments",
    "expansions": "attachments.media_keys",
    "media.fields": "media_key,type,url,preview_image_url",
}


@dataclass(frozen=True, slots=True)
class _Listed:
    """One message of the list, with the media that it names and the group that it went to; or who joined or left a group."""

    message: ListedMessage
    media: Json
    group: str | None
    move: str | None = None
    people: tuple[str, ...] = ()


async def list_messages(client: XClient, page: PageCredentials, since: datetime) -> Listing:
    """List the messages since then, both directions; raise PlatformCallFailed if not even the beginning could be read."""
    found, is_complete = await _walk(client, page, since)
    return Listing(tuple(one.message for one in found if one.move is None), is_complete)


async def backfill(client: XClient, page: PageCredentials, since: datetime) -> Backfill:
    """Show the listed messages as the webhooks that should have told them; raise PlatformCallFailed."""
    found, is_complete = await _walk(client, page, since)
    account = page.page_external_id
    return Backfill.of_list(((_as_event if one.move is None else _as_move)(account, one) for one in found), is_complete)


async def _walk(client: XClient, page: PageCredentials, since: datetime) -> tuple[list[_Listed], bool]:
    """Return the messages since then, each once, and whether the list reached back that far."""
    floor = since - _GRAIN
    found: dict[str, _Listed] = {}
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        answer = await _page(client, page, cursor)
        if not answer.is_success or ("meta" not in (body := answer.json()) and "data" not in body):
            failure = failure_of(answer)
            if cursor is not None and failure.reason is FailureReason.RATE_LIMITED:
                return list(found.values()), False
            raise failure
        batch = _read(page.page_external_id, body)
        found |= {one.message.platform_message_id: one for one in batch if one.message.created_at >= floor}
        if any(one.message.created_at < floor for one in batch):
            return list(found.values()), True
        cursor = identifier(mapping(body.get("meta")).get("next_token"))
        if cursor is None:
            return list(found.values()), since >= datetime.now(UTC) - REACH
        if _is_used_up(answer.headers):
            break
    return list(found.values()), False


async def _page(client: XClient, page: PageCredentials, cursor: str | None) -> Answer:
    params = _PARAMS | ({} if cursor is None else {"pagination_token": cursor})
    return await reach(client, XCall("GET", path("2", "dm_events"), user(page.page_token), params))


def _is_used_up(headers: Mapping[str, str]) -> bool:
    """Say whether the next call would be refused."""
    return any(usage.scope is QuotaScope.PAGE and usage.remaining == 0 for usage in usage_of(headers, Act.LIST))


def _read(account: str, body: Json) -> list[_Listed]:
    media = {
        key: one
        for one in map(mapping, items(mapping(body.get("includes")).get("media")))
        if (key := identifier(one.get("media_key")))
    }
    read = (_listed(account, mapping(one), media) for one in items(body.get("data")))
    return [one for one in read if one is not None]


def _listed(account: str, event: Json, media: Mapping[str, Json]) -> _Listed | None:
    """Read one event of the list: a message, or a group's people."""
    event_id, sender = identifier(event.get("id")), identifier(event.get("sender_id"))
    thread, kind = identifier(event.get("dm_conversation_id")), text(event.get("event_type"))
    created_at = moment(event.get("created_at")) or born_at(event_id or "")
    if event_id is None or thread is None or created_at is None:
        return None
    if kind in _MOVES:
        people = tuple(one for one in map(identifier, items(event.get("participant_ids"))) if one is not None)
        nothing = ListedMessage(event_id, sender or "", thread, None, created_at)
        return _Listed(nothing, {}, thread, kind, people or ((sender,) if sender else ()))
    if sender is None or kind not in (None, "MessageCreate"):
        return None
    other = other_of(thread, account)
    to = thread if other is None else other if sender == account else account
    keys = [identifier(key) for key in items(mapping(event.get("attachments")).get("media_keys"))]
    first = next((media.get(key, {"media_key": key}) for key in keys if key), {})
    message = ListedMessage(event_id, sender, to, text(event.get("text")) or None, created_at)
    return _Listed(message, first, thread if other is None else None)


def _as_move(account: str, listed: _Listed) -> RawEvent:
    message = listed.message
    item: Json = {
        "type": listed.move,
        "id": message.platform_message_id,
        "created_timestamp": str(round((message.created_at - EPOCH).total_seconds() * 1000)),
        "dm_conversation_id": listed.group,
        "participant_ids": list(listed.people),
        NOTE: {"account": account, "type": "dm_events", "listed": True},
    }
    told = describe(MEMBERS, account, item)
    return RawEvent(account, told.kind, told.external_id, told.mailbox, told.occurred_at, item)


def _as_event(account: str, listed: _Listed) -> RawEvent:
    message = listed.message
    data: Json = {"text": message.text or ""}
    if listed.media:
        data["attachment"] = {"type": "media", "media": _as_webhooks_tell(listed.media)}
    item: Json = {
        "type": "message_create",
        "id": message.platform_message_id,
        "created_timestamp": str(round((message.created_at - EPOCH).total_seconds() * 1000)),
        "message_create": {
            "target": {"recipient_id": message.to_external_id},
            "sender_id": message.from_external_id,
            "message_data": data,
        },
        NOTE: {"account": account, "type": "dm_events", "listed": True},
    }
    if listed.group is not None:
        item["dm_conversation_id"] = listed.group
    told = describe(DM, account, item)
    return RawEvent(account, told.kind, told.external_id, told.mailbox, told.occurred_at, item)


def _as_webhooks_tell(media: Json) -> Json:
    """Turn media of the list (`media_key` "3_<id>") into the form of the webhooks."""
    told: Json = {"type": text(media.get("type")) or "media"}
    media_key = identifier(media.get("media_key")) or ""
    told["id_str"] = media_key.partition("_")[2] or media_key
    url = text(media.get("url")) or text(media.get("preview_image_url"))
    return told | ({"media_url_https": url} if url else {})
