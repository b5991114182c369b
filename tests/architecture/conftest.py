"""A connection of the tables' owner, for reading the catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

from server.config import Settings
from tests.architecture.catalogue import Connection


@pytest.fixture(scope="module")
def owner(settings: Settings) -> Iterator[Connection]:
    """Connect to this test process's migrated database; nothing it does is kept."""
    url = os.environ["OWNER_DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()
