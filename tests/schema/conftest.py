"""What the tests of nested lists share."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from tests.api import Api
from tests.schema.places import Busy, a_busy_agency


@pytest.fixture(scope="session")
async def busy(api: Api, database: Database, settings: Settings) -> Busy:
    """An agency that has several objects of every kind."""
    made = await a_busy_agency(database, settings)
    # The first sight of a conversation by right from above is written into the trail; only later ones cost the same.
    await api.ask("{ conversations(first: 100) { nodes { messages { nodes { id } } } } }", token=made.owner.token)
    return made
