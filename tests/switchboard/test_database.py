"""A real server is checked before it may hold the ledger, and gets roles that can be made again and again."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

from migrations.ground import version_problem
from switchboard.database import DatabaseRefused, Urls, libpq, prepare, with_role
from switchboard.postgres import APP, OWNER, SYSTEM, Server
from tests.switchboard.conftest import Launch

NO_FLOORS = {15: 150000}


@pytest.fixture
def foreign(launch: Launch) -> Server:
    """Give a server as somebody else would run it: without our roles."""
    server = launch()
    with psycopg.connect(server.dsn("postgres")) as connection:
        for role in (APP, SYSTEM, OWNER):
            connection.execute(f"DROP ROLE {role}")
    return server


def test_a_server_whose_row_security_leaks_is_refused(foreign: Server, tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match=r"18\.6 lets upserts pass row-level security.*18\.7"):
        prepare(foreign.dsn("postgres"), tmp_path)


def test_a_superusers_address_yields_roles_and_the_missing_database_twice_the_same(
    foreign: Server, tmp_path: Path
) -> None:
    first = prepare(foreign.dsn("ledger"), tmp_path, NO_FLOORS)
    again = prepare(foreign.superuser_url("ledger"), tmp_path, NO_FLOORS)

    assert again == first
    with psycopg.connect(libpq(first.owner)) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 1 AS n")
        owner.execute(f"GRANT SELECT ON kept TO {APP}, {SYSTEM}")
    for url, role in ((first.app, APP), (first.system, SYSTEM)):
        with psycopg.connect(libpq(url)) as connection:
            assert connection.execute("SELECT current_user, n FROM kept").fetchone() == (role, 1)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE mine (id int)")
    assert stat.S_IMODE((tmp_path / "database.json").stat().st_mode) == 0o600


def test_a_role_that_may_create_roles_and_databases_owns_the_tables_itself(foreign: Server, tmp_path: Path) -> None:
    with psycopg.connect(foreign.dsn("postgres")) as connection:
        connection.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'p@ss/word'")
    address = with_role(foreign.dsn("ledger"), "admin", "p@ss/word")

    urls = prepare(address, tmp_path, NO_FLOORS)

    with psycopg.connect(libpq(urls.owner)) as owner:
        assert owner.execute("SELECT current_user").fetchone() == ("admin",)
        owner.execute("CREATE TABLE kept (id int)")
    with psycopg.connect(libpq(urls.app)) as app:
        assert app.execute("SELECT current_user").fetchone() == (APP,)


def test_a_role_without_rights_is_told_what_is_missing(foreign: Server, tmp_path: Path) -> None:
    with psycopg.connect(foreign.dsn("postgres")) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")

    with pytest.raises(DatabaseRefused, match="CREATEROLE"):
        prepare(with_role(foreign.dsn("postgres"), "plain", "plain"), tmp_path, NO_FLOORS)


def test_roles_of_another_installation_keep_their_passwords(foreign: Server, tmp_path: Path) -> None:
    first = prepare(foreign.dsn("ledger"), tmp_path / "first", NO_FLOORS)

    with pytest.raises(DatabaseRefused, match="made by another installation"):
        prepare(foreign.dsn("ledger"), tmp_path / "second", NO_FLOORS)

    with psycopg.connect(libpq(first.app)) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)


def test_three_given_addresses_are_taken_as_they_are(
    cluster: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.create_database("given")
    monkeypatch.setenv("SYSTEM_DATABASE_URL", cluster.dsn("given", SYSTEM))
    monkeypatch.setenv("OWNER_DATABASE_URL", cluster.dsn("given", OWNER))

    urls = prepare(cluster.dsn("given", APP), tmp_path, NO_FLOORS)

    assert urls == Urls(cluster.app_url("given"), cluster.system_url("given"), cluster.owner_url("given"))
    assert not list(tmp_path.iterdir())


def test_an_application_role_that_bypasses_row_security_is_refused(
    cluster: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEM_DATABASE_URL", cluster.dsn("postgres", SYSTEM))
    monkeypatch.setenv("OWNER_DATABASE_URL", cluster.dsn("postgres", OWNER))

    with pytest.raises(DatabaseRefused, match="bypasses row-level security"):
        prepare(cluster.dsn("postgres"), tmp_path, NO_FLOORS)


@pytest.mark.parametrize("address", ["mysql://a@b/c", "not an address", "postgresql://user@localhost", ""])
def test_an_address_that_is_none_is_refused_without_a_stack_trace(address: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused):
        prepare(address, tmp_path)


def test_a_server_that_is_down_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused) as refusal:
        prepare("postgresql://user:hidden-word@127.0.0.1:1/ledger", tmp_path)

    assert "does not answer" in str(refusal.value)
    assert "hidden-word" not in str(refusal.value)


@pytest.mark.parametrize(
    ("_case", "url", "expected"),
    [
        ("host", "postgresql://a:b@h:5432/d", "postgresql+psycopg://r:p%2F%40@h:5432/d"),
        ("socket", "postgresql://a@/d?host=/s", "postgresql+psycopg://r:p%2F%40@/d?host=/s"),
        ("no user", "postgres://h/d?sslmode=require", "postgresql+psycopg://r:p%2F%40@h/d?sslmode=require"),
    ],
)
def test_only_the_role_of_an_address_changes(_case: str, url: str, expected: str) -> None:
    assert with_role(url, "r", "p/@") == expected


def test_versions_without_the_holes_pass() -> None:
    assert version_problem(180006, {18: 180006}) is None
    assert version_problem(180006, {15: 150020, 17: 170012}) is None
    assert version_problem(180006, {18: 180007}) is not None
    assert version_problem(180006, {19: 190000}) is not None
