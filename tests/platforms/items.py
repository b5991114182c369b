"""Items of webhooks, as the platform would send them, and what the connector makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from server.platforms.port import Event, RawEvent
from tests.platforms.factory import a_connector

AT_MS = 1_700_000_000_123
AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=AT_MS)


def raw_of(item: dict[str, object], slot: str = "messaging", object_name: str = "page") -> list[RawEvent]:
    """Split a body that holds this one item."""
    entry = {"id": "100", "time": AT_MS, slot: [item]}
    return a_connector().split(json.dumps({"object": object_name, "entry": [entry]}).encode())


def messaging(**parts: object) -> dict[str, object]:
    """An item from person 7 to page 100."""
    return {"sender": {"id": "7"}, "recipient": {"id": "100"}, "timestamp": AT_MS, **parts}


def change(field: str, **value: object) -> dict[str, object]:
    """An item of `changes`."""
    return {"field": field, "value": value}


def events_of(raw: RawEvent) -> list[Event]:
    """Read a raw event."""
    return a_connector().parse(raw.kind, raw.page_external_id, raw.payload)


MARKETING = {
    "recipient_id": "7",
    "page_id": "100",
    "app_id": "app-1",
    "timestamp": AT_MS,
    "mid": "m_1",
    "marketing_message_tracking_id": "t_1",
    "messenger_subscription_token": "tok",
    "message_id": "c_1",
}


def read(body: bytes) -> list[tuple[RawEvent, Event]]:
    """Split and read a whole body."""
    return [(raw, event) for raw in a_connector().split(body) for event in events_of(raw)]


def ms(value: int) -> datetime:
    """The time of a number of milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
