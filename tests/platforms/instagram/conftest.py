"""Fixtures: one account of each login over the stand-in, and what its webhooks tell."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.platforms.instagram.connector import InstagramConnector
from server.platforms.messenger.connector import MessengerConnector
from tests.platforms.contract.conftest import Scene, an_id
from tests.platforms.contract.hearing import Hearing
from tests.platforms.contract.instagram import DirectRig, FacebookRig, a_connector, a_facebook_app
from tests.standin_server import Platform

RIGS = (DirectRig(), FacebookRig())


@pytest.fixture
async def connector(standin_url: str) -> AsyncIterator[InstagramConnector]:
    """A connector of both apps."""
    made = a_connector(standin_url)
    yield made
    await made.aclose()


@pytest.fixture
async def messenger(standin_url: str) -> AsyncIterator[MessengerConnector]:
    """Messenger's connector, which shares an app and its pages with ours."""
    made = MessengerConnector(a_facebook_app(standin_url))
    yield made
    await made.aclose()


@pytest.fixture
async def hearing(connector: InstagramConnector) -> AsyncIterator[Hearing]:
    """A callback of our own."""
    opened = Hearing(connector)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(params=RIGS, ids=[rig.login.lower() for rig in RIGS])
async def scene(
    request: pytest.FixtureRequest, platform: Platform, connector: InstagramConnector, hearing: Hearing
) -> AsyncIterator[Scene]:
    """A fresh account of each login and a fresh person."""
    rig = request.param
    page = await rig.an_account(platform, an_id(), callback=hearing.url)
    person = an_id()
    await rig.a_person(platform, page, person)
    yield Scene(rig, platform, connector, hearing, page, person)
    await platform.control("instagram/app", {"flat_comments": False, "edits_as_changes": False, "token_in_list": True})
    await platform.settled()
