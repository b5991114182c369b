"""Two OpenID providers and the API before them, on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from server.app import create_app
from server.config import Settings
from server.kit.ids import new_id
from tests.api import Api, serving
from tests.factories.oidc_provider import Somebody, a_provider
from tests.web.browsing import Browser, browsing
from tests.web.oidc.house import (
    PUBLIC,
    House,
    with_providers,
)


@pytest.fixture(scope="module")
async def served(settings: Settings) -> AsyncIterator[House]:
    """Both providers and the API, for this module."""
    async with a_provider("x", PUBLIC) as x, a_provider("y", PUBLIC) as y:
        told = with_providers(settings, x.configured, y.configured, public_url=PUBLIC)
        async with serving(create_app(told)) as url, httpx.AsyncClient(trust_env=False) as http:
            yield House(Api(url, http), x, y)


@pytest.fixture
def house(served: House) -> House:
    """Both providers with nobody in particular signed in and nothing wrong."""
    for provider in (served.x, served.y):
        provider.fault = None
        provider.somebody = Somebody(new_id().hex, f"{new_id().hex}@example.test")
    return served


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    """A fresh browser."""
    async with browsing(house.api, PUBLIC) as opened:
        yield opened


@pytest.fixture
async def other(house: House) -> AsyncIterator[Browser]:
    """The browser of somebody else."""
    async with browsing(house.api, PUBLIC) as opened:
        yield opened
