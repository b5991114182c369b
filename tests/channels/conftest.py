"""A connector whose items a test writes itself: what no real platform's reader would let through."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import Channel, RawEvent


@dataclass
class Scripted:
    """Splits every body into the given items. Only what `record_events` asks of a connector."""

    events: list[RawEvent] = field(default_factory=list)
    channel: Channel = Channel.MESSENGER

    def split(self, body: bytes) -> list[RawEvent]:
        """Return the script."""
        return self.events


def an_event(page: str, external_id: str = "m_1", **changes: object) -> RawEvent:
    """One item, without trouble unless the test adds some."""
    values: dict[str, object] = {
        "page_external_id": page,
        "kind": "message",
        "external_id": external_id,
        "mailbox": "77",
        "occurred_at": datetime(2026, 5, 1, tzinfo=UTC),
        "payload": {"message": {"text": "hello"}},
    }
    return RawEvent(**values | changes)


@pytest.fixture
async def messenger(settings) -> MessengerConnector:
    """The real connector; nothing here calls the platform."""
    connector = MessengerConnector(settings.messenger)
    yield connector
    await connector.aclose()
