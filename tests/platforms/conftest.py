"""Factories of the platform tests: connectors, pages, messages, and the scripted server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from server.config import MessengerSettings
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import Channel, OutgoingMessage, PageCredentials
from tests.platforms.wire import Script, Wire

SECRET = "0123456789abcdef0123456789abcdef"
VERIFY_TOKEN = "a-verify-token"
PAGE_TOKEN = "EAAG-page-token"


def a_connector(url: str = "http://127.0.0.1:1", secret: str = SECRET) -> MessengerConnector:
    """A connector whose Graph API is at `url`."""
    return MessengerConnector(
        MessengerSettings(
            MESSENGER_APP_ID="app-1",
            MESSENGER_APP_SECRET=secret,
            MESSENGER_VERIFY_TOKEN=VERIFY_TOKEN,
            MESSENGER_GRAPH_URL=url,
            MESSENGER_DIALOG_URL=url,
        )
    )


def a_page(external_id: str = "100", ad_account_id: str | None = "act_9") -> PageCredentials:
    """Credentials of a page."""
    return PageCredentials(Channel.MESSENGER, external_id, PAGE_TOKEN, "EAAG-account-token", ad_account_id)


def a_message(text: str = "Hello", **changes: object) -> OutgoingMessage:
    """A message to person 7."""
    return OutgoingMessage(**{"recipient_external_id": "7", "text": text, "reference": "sb1:ref:1"} | changes)


@pytest.fixture
def published() -> Callable[[str], bytes]:
    """Read a webhook body that others published."""
    folder = Path(__file__).parent / "published"
    return lambda name: (folder / f"{name}.json").read_bytes()


@pytest.fixture
async def wired() -> AsyncIterator[Callable[[Script], Awaitable[tuple[MessengerConnector, Wire]]]]:
    """Start a scripted server and a connector that speaks to it; both end with the test."""
    started: list[tuple[MessengerConnector, Wire]] = []

    async def start(script: Script) -> tuple[MessengerConnector, Wire]:
        wire = Wire(script)
        await wire.start()
        started.append((a_connector(wire.url), wire))
        return started[-1]

    yield start
    for connector, wire in started:
        await connector.aclose()
        await wire.stop()
