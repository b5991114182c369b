"""Every address that is used leads to one database and signs in as its role, also through a pooler (case O1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from server.config import DatabaseSettings, Settings
from server.kit.ids import new_id
from server.models import metadata
from server.startup import service
from server.startup.problems import Part, Problem, told
from switchboard.postgres import APP, SYSTEM, Server
from tests.tenancy.pooler import Pooled, pooling

Superuser = psycopg.Connection[tuple[object, ...]]
SPOILT = "ALTER TABLE page DISABLE ROW LEVEL SECURITY; UPDATE alembic_version SET version_num = '0001'"


@pytest.fixture
def spoilt_name(postgres: Server) -> Iterator[str]:
    """Another database, of an old revision and with a wall down."""
    name = f"spoilt_{new_id().hex[-12:]}"
    postgres.create_database(name, template="sb_template")
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute(SPOILT)
    yield name
    postgres.drop_database(name)


@pytest.fixture
async def pooled(postgres: Server) -> AsyncIterator[Pooled]:
    """A pooler of transactions before the server."""
    async with pooling(postgres) as found:
        yield found


def behind(pooled: Pooled, name: str, **changes: str) -> dict[str, str]:
    """Return the addresses of a database behind a pooler, with changes."""
    return {
        "DATABASE_POOLER": "transaction",
        "DATABASE_URL": pooled.url(name, APP),
        "SYSTEM_DATABASE_URL": pooled.url(name, SYSTEM),
        "DATABASE_DIRECT_URL": pooled.server.app_url(name),
        "SYSTEM_DATABASE_DIRECT_URL": pooled.server.system_url(name),
    } | changes


def checked(settings: Settings, addresses: dict[str, str]) -> list[Problem]:
    """Return what is wrong with these addresses, besides the version of the embedded server."""
    settings.database = DatabaseSettings.model_validate(addresses)
    return [problem for problem in service.check(settings, metadata) if problem.part is not Part.VERSION]


def test_an_application_on_another_database_than_the_system_is_refused(
    postgres: Server, own_settings: Settings, own_name: str, spoilt_name: str
) -> None:
    problems = checked(
        own_settings,
        {"DATABASE_URL": postgres.app_url(spoilt_name), "SYSTEM_DATABASE_URL": postgres.system_url(own_name)},
    )

    assert [problem.part for problem in problems] == [Part.SAME, Part.WALLS]
    assert f"DATABASE_URL leads to {spoilt_name}, SYSTEM_DATABASE_URL to {own_name}" in told(problems)
    assert "At DATABASE_URL: Row-level security is not as declared on page" in told(problems)


def test_an_address_past_nothing_that_leads_elsewhere_is_refused(
    postgres: Server, own_settings: Settings, own_name: str, spoilt_name: str
) -> None:
    problems = checked(
        own_settings,
        {
            "DATABASE_URL": postgres.app_url(own_name),
            "SYSTEM_DATABASE_URL": postgres.system_url(spoilt_name),
            "SYSTEM_DATABASE_DIRECT_URL": postgres.system_url(own_name),
        },
    )

    assert [problem.part for problem in problems] == [Part.SAME, Part.REVISION, Part.WALLS]
    assert f"SYSTEM_DATABASE_URL leads to {spoilt_name}, SYSTEM_DATABASE_DIRECT_URL to {own_name}" in told(problems)
    assert "At SYSTEM_DATABASE_URL: The database is at revision 0001" in told(problems)


def test_addresses_through_a_pooler_to_the_same_database_have_nothing_against_them(
    pooled: Pooled, own_settings: Settings, own_name: str
) -> None:
    assert checked(own_settings, behind(pooled, own_name)) == []


def test_a_pooler_that_leads_to_another_database_is_refused(
    pooled: Pooled, own_settings: Settings, own_name: str, spoilt_name: str
) -> None:
    problems = checked(own_settings, behind(pooled, own_name, DATABASE_URL=pooled.url(spoilt_name, APP)))

    assert [problem.part for problem in problems] == [Part.SAME, Part.WALLS]
    assert "At DATABASE_URL: Row-level security is not as declared on page" in told(problems)


def test_a_superuser_through_what_is_called_a_pooler_is_refused_although_the_direct_role_is_right(
    postgres: Server, pooled: Pooled, own_settings: Settings, own_name: str
) -> None:
    problems = checked(own_settings, behind(pooled, own_name, DATABASE_URL=postgres.superuser_url(own_name)))

    assert {problem.part for problem in problems} == {Part.ROLE}
    assert "DATABASE_URL signs in as postgres, not as switchboard_app" in told(problems)
    assert "The role postgres of DATABASE_URL is a superuser" in told(problems)


def test_a_superuser_who_only_acts_as_the_role_is_refused(
    postgres: Server, own_settings: Settings, own_name: str, superuser: Superuser
) -> None:
    superuser.execute(f"ALTER ROLE postgres IN DATABASE {own_name} SET role = switchboard_app".encode())

    problems = checked(
        own_settings,
        {"DATABASE_URL": postgres.superuser_url(own_name), "SYSTEM_DATABASE_URL": postgres.system_url(own_name)},
    )

    assert [problem.what for problem in problems] == [
        "DATABASE_URL signs in as postgres and only acts as switchboard_app."
    ]


def test_a_pooler_that_does_not_answer_is_told_as_such(
    postgres: Server, pooled: Pooled, own_settings: Settings, own_name: str
) -> None:
    away = postgres.app_url(own_name).replace("?host=", "?port=1&host=")

    problems = checked(own_settings, behind(pooled, own_name, DATABASE_URL=away))

    assert [(problem.part, problem.is_passing) for problem in problems] == [(Part.DATABASE, True)]
