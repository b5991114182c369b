"""Fixtures of LinkedIn's tests: a connector that speaks to the stand-in, and one that speaks to a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.port import Channel, PageCredentials
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.linkedin import LinkedInRig
from tests.platforms.linkedin.factory import a_connector
from tests.platforms.wire import Script, Wire
from tests.standin_server import Platform

Wired = Callable[[Script], Awaitable[tuple[LinkedInConnector, Wire]]]


@pytest.fixture
async def connector(standin_url: str) -> AsyncIterator[LinkedInConnector]:
    """Closed after the test."""
    made = a_connector(standin_url)
    yield made
    await made.aclose()


@pytest.fixture
async def page(platform: Platform) -> AsyncIterator[PageCredentials]:
    """A fresh organisation; the settings of the stand-in's LinkedIn are as at its start afterwards."""
    before = await platform.control("linkedin/app", method="GET")
    yield await LinkedInRig().an_account(platform, an_id())
    await platform.control("linkedin/app", before)


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    """Start a scripted server and a connector that speaks to it; both end with the test."""
    started: list[tuple[LinkedInConnector, Wire]] = []

    async def start(script: Script) -> tuple[LinkedInConnector, Wire]:
        wire = Wire(script)
        await wire.start()
        started.append((a_connector("", LINKEDIN_API_URL=wire.url, LINKEDIN_DIALOG_URL=wire.url), wire))
        return started[-1]

    yield start
    for made, wire in started:
        await made.aclose()
        await wire.stop()


def a_page() -> PageCredentials:
    """An organisation that only a scripted server knows."""
    return PageCredentials(
        Channel.LINKEDIN, "urn:li:organization:7", "a-token", "a-token", account_external_id="urn:li:person:p.1"
    )
