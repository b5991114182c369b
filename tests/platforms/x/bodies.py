"""Webhook bodies of both generations, as the docs write them, and what the connector makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from server.platforms.port import Event, RawEvent
from tests.platforms.x.factory import a_connector

ACCOUNT, PERSON = "1111111111111111111", "2222222222222222222"
MESSAGE_ID = "2080765901528535096"
AT_MS = 1_784_928_224_372


def ms(value: int) -> datetime:
    """The moment of Unix milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)


def a_message(
    *, sender: str = PERSON, to: str | None = ACCOUNT, message_id: str = MESSAGE_ID, **data: object
) -> dict[str, object]:
    """E of the docs."""
    return {
        "type": "message_create",
        "id": message_id,
        "created_timestamp": str(AT_MS),
        "message_create": {
            "target": {} if to is None else {"recipient_id": to},
            "sender_id": sender,
            "message_data": {"text": "hello!", **data},
        },
    }


def older(slot: str, *items: dict[str, object], account: str = ACCOUNT, **more: object) -> bytes:
    """A body of the Account Activity API."""
    return json.dumps({"for_user_id": account, slot: list(items), **more}).encode()


def newer(event_type: str, payload: object, account: str = ACCOUNT, uuid: str = "-68504721716005264") -> bytes:
    """A body of the X Activity API."""
    data = {
        "event_uuid": uuid,
        "filter": {"user_id": account},
        "event_type": event_type,
        "tag": "t",
        "payload": payload,
    }
    return json.dumps({"data": data}).encode()


def newer_dm(event_type: str, *items: dict[str, object], account: str = ACCOUNT) -> bytes:
    """A body of the X Activity API with direct messages."""
    return newer(event_type, {"direct_message_events": list(items), "users": {}}, account)


def read(body: bytes) -> list[tuple[RawEvent, Event]]:
    """Split a body, store each item as JSON would, and read it."""
    connector = a_connector()
    found = []
    for raw in connector.split(body):
        stored = json.loads(json.dumps(raw.payload))
        found += [(raw, event) for event in connector.parse(raw.kind, raw.page_external_id, stored)]
    return found


def event_of(body: bytes) -> Event:
    """The only event of a body."""
    [(_, event)] = read(body)
    return event


def key_of(body: bytes) -> tuple[str, str, str]:
    """What makes a second delivery harmless."""
    [raw] = a_connector().split(body)
    return raw.page_external_id, raw.kind, raw.external_id
