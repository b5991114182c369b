"""A tenant of its own for each test of the mechanism."""

from __future__ import annotations

import pytest

from server.kit.db import Database
from tests.factories.tenants import AnOrganization, an_agency


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)
