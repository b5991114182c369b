"""Items of Instagram's webhooks, and what the connector makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from server.platforms.port import Event, RawEvent
from tests.platforms.contract.instagram import a_connector

ACCOUNT = "17841400008460056"
PERSON = "1234567890"
AT_MS = 1_700_000_000_123
AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=AT_MS)
AT_S = AT.replace(microsecond=0)

Told = list[tuple[RawEvent, Event]]


def read(body: bytes) -> Told:
    """Split and read a whole body."""
    connector = a_connector()
    return [
        (raw, event)
        for raw in connector.split(body)
        for event in connector.parse(raw.kind, raw.page_external_id, json.loads(json.dumps(raw.payload)))
    ]


def entry_of(entry_id: str = ACCOUNT, /, **slots: object) -> Told:
    """Read a body of one entry."""
    entry = {"id": entry_id, "time": AT_MS, **slots}
    return read(json.dumps({"object": "instagram", "entry": [entry]}).encode())


def messaging(**parts: object) -> Told:
    """Read one messaging item from the person to the account."""
    item = {"sender": {"id": PERSON}, "recipient": {"id": ACCOUNT}, "timestamp": AT_MS, **parts}
    return entry_of(messaging=[item])


def message(**parts: object) -> Told:
    """Read one message."""
    return messaging(message={"mid": "m_1", **parts})


def change(field: str, **value: object) -> Told:
    """Read one change, as a list of changes brings it."""
    return entry_of(changes=[{"field": field, "value": value}])


def only(told: Told) -> Event:
    """The one event of a body."""
    [(_, event)] = told
    return event
