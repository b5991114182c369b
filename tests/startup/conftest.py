"""Databases that a test of starting may spoil."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from server.config import Settings
from server.kit.ids import new_id
from switchboard.postgres import Server
from tests.startup.commands import PLATFORM_ADDRESSES, production


@pytest.fixture
def own_name(postgres: Server) -> Iterator[str]:
    """A migrated database of one test."""
    name = f"start_{new_id().hex[-12:]}"
    postgres.create_database(name, template="sb_template")
    yield name
    postgres.drop_database(name)


@pytest.fixture
def superuser(postgres: Server, own_name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection that may do everything to the test's database."""
    with psycopg.connect(postgres.dsn(own_name), autocommit=True) as connection:
        yield connection


@pytest.fixture
def own_settings(postgres: Server, own_name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a healthy production on the test's database."""
    for name in PLATFORM_ADDRESSES:
        monkeypatch.delenv(name, raising=False)  # those of this test process name the stand-in
    for name, value in production(postgres, own_name).items():
        monkeypatch.setenv(name, value)
    return Settings()
