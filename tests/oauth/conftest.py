"""The whole server under its public address, which is the issuer of what it issues."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator

import httpx
import pytest

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, a_socket, serving
from tests.factories.tenants import AnOrganization, an_agency
from tests.oauth.stage import FOREIGN_ORIGIN, AnApp, Front, Person, a_person, an_app


@pytest.fixture(scope="session")
async def front(settings: Settings, database: Database) -> AsyncIterator[Front]:
    """The running server."""
    listening = a_socket()
    own = copy.copy(settings)
    public_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    own.web = settings.web.model_copy(update={"public_url": public_url, "allowed_origins": FOREIGN_ORIGIN})
    async with serving(create_app(own), listening) as url, httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield Front(Api(url, http), database, own)


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database, name="Northern Lights")


@pytest.fixture
async def owner(front: Front, agency: AnOrganization) -> AsyncIterator[Person]:
    """Somebody who may do everything, signed in."""
    person = await a_person(front, agency, agency.root_id, Role.OWNER)
    yield person
    await person.browser.aclose()


@pytest.fixture
async def app(front: Front, owner: Person) -> AnApp:
    """An app that keeps a secret and knows every way to a token."""
    return await an_app(front, owner)
