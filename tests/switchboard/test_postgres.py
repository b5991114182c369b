"""The embedded PostgreSQL starts, is shared, survives what happens to it, and gives nobody more than the role says."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from switchboard.postgres import APP, OWNER, SYSTEM, PostgresUnavailable, Server, ensure_running
from tests.switchboard.conftest import Launch, until


def test_a_server_answers_every_role_over_its_socket_only(cluster: Server) -> None:
    cluster.create_database("answers")

    for role in (OWNER, APP, SYSTEM):
        with psycopg.connect(cluster.dsn("answers", role)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_collation_does_not_depend_on_the_machine(cluster: Server) -> None:
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        row = connection.execute(
            "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding) FROM pg_database"
            " WHERE datname = 'template1'"
        ).fetchone()

    assert row == ("b", "C.UTF-8", "UTF8")


def test_nobody_gets_in_without_a_password(cluster: Server) -> None:
    address = cluster.dsn("postgres").replace(cluster.passwords["postgres"], "guess")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


def test_passwords_data_and_socket_are_closed_to_others(cluster: Server) -> None:
    modes = [cluster.data_dir / "credentials.json", cluster.cluster, cluster.socket_dir]

    assert [stat.S_IMODE(path.stat().st_mode) for path in modes] == [0o600, 0o700, 0o700]


@pytest.mark.parametrize("role", [APP, SYSTEM, OWNER])
def test_no_role_of_ours_has_any_power(cluster: Server, role: str) -> None:
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        powers = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s",
            (role,),
        ).fetchone()

    assert powers == (False, False, False, False, False)


def test_forced_row_security_binds_the_application_and_the_owner(cluster: Server) -> None:
    cluster.create_database("walls")
    with psycopg.connect(cluster.dsn("walls", OWNER)) as owner:
        owner.execute("CREATE TABLE note (tenant text)")
        owner.execute("INSERT INTO note VALUES ('a'), ('b'), ('b')")
        owner.execute("ALTER TABLE note ENABLE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE note FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY one ON note USING (tenant = current_setting('t.tenant', true))")
        owner.execute(f"GRANT SELECT, INSERT ON note TO {APP}")

    with psycopg.connect(cluster.dsn("walls", APP)) as app:
        assert app.execute("SELECT count(*) FROM note").fetchone() == (0,)
        app.execute("SELECT set_config('t.tenant', 'a', true)")
        assert app.execute("SELECT count(*) FROM note").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("INSERT INTO note VALUES ('b')")
    with psycopg.connect(cluster.dsn("walls", OWNER)) as owner:
        assert owner.execute("SELECT count(*) FROM note").fetchone() == (0,)


@pytest.mark.parametrize("role", [APP, SYSTEM])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        f"SET ROLE {OWNER}",
        f"ALTER ROLE {APP} BYPASSRLS",
    ],
)
def test_the_serving_roles_can_create_nothing(cluster: Server, role: str, statement: str) -> None:
    cluster.create_database("bare")

    with (
        psycopg.connect(cluster.dsn("bare", role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_a_copy_of_a_template_has_its_tables_and_both_calls_may_be_repeated(cluster: Server) -> None:
    cluster.create_database("pattern")
    with psycopg.connect(cluster.dsn("pattern", OWNER)) as owner:
        owner.execute("CREATE TABLE kept (id int)")
        owner.execute(f"GRANT SELECT ON kept TO {SYSTEM}")

    for _ in range(2):
        cluster.create_database("copy", template="pattern")
    with psycopg.connect(cluster.dsn("copy", SYSTEM)) as system:
        assert system.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    for _ in range(2):
        cluster.drop_database("copy")

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(cluster.dsn("copy", OWNER))


def test_a_second_start_reuses_the_server_and_a_start_after_a_stop_finds_the_data(launch: Launch) -> None:
    first = launch()
    first.create_database("kept")
    before = first.postmaster()

    again = launch()
    assert again.postmaster() == before
    again.stop()
    assert again.postmaster() is None

    later = launch()
    assert later.postmaster() not in (None, before)
    with psycopg.connect(later.dsn("kept", APP)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_postmaster_is_started_again_though_clients_still_hold_its_memory(launch: Launch) -> None:
    server = launch()
    server.create_database("busy")
    clients = [psycopg.connect(server.dsn("busy", OWNER), autocommit=True) for _ in range(5)]
    clients[0].execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    postmaster = server.postmaster()
    assert postmaster is not None

    os.kill(postmaster.pid, signal.SIGKILL)
    again = launch()

    with psycopg.connect(again.dsn("busy", OWNER)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    for client in clients:
        client.close()


def test_a_stale_pid_file_with_the_number_of_a_stranger_does_not_prevent_the_start(launch: Launch) -> None:
    server = launch()
    server.stop()
    pid_file = server.cluster / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.cluster}\n0\n5432\n{server.socket_dir}\n\n  0  0\nready\n")

    again = launch()

    assert again.postmaster() is not None


def test_a_kept_server_is_stopped_by_no_later_run(launch: Launch) -> None:
    server = launch()
    server.stop(keep=True)

    guest = launch()
    guest.stop()

    assert not guest.started_here
    assert guest.postmaster() is not None


def test_the_server_of_a_starter_that_was_killed_is_adopted(tmp_path: Path, launch: Launch) -> None:
    program = (
        "import os, pathlib, signal, sys; from switchboard.postgres import ensure_running;"
        "ensure_running(pathlib.Path(sys.argv[1]), durable=False); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "postgres")], check=False)

    adopted = launch()
    adopted.stop()

    assert adopted.started_here
    assert adopted.postmaster() is None


def test_many_processes_may_start_the_same_cluster_at_once(tmp_path: Path, launch: Launch) -> None:
    program = (
        "import pathlib, sys; from switchboard.postgres import ensure_running;"
        "server = ensure_running(pathlib.Path(sys.argv[1]), durable=False); server.create_database('shared');"
        "print(server.postmaster().pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "postgres")]
    starters = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    pids = {starter.stdout.readline() for starter in starters if starter.stdout is not None}

    assert len(pids) == 1
    for starter in starters:
        starter.communicate()
    launch()


def test_data_without_its_passwords_is_refused_and_not_touched(launch: Launch) -> None:
    server = launch()
    server.stop()
    credentials = (server.data_dir / "credentials.json").read_bytes()
    in_place = server.data_dir / "cluster"
    if not in_place.exists():
        in_place.mkdir()
        (in_place / "PG_VERSION").touch()
    (server.data_dir / "credentials.json").unlink()

    with pytest.raises(PostgresUnavailable, match=r"no credentials\.json"):
        launch()

    (server.data_dir / "credentials.json").write_bytes(credentials)


def test_a_long_directory_still_gets_a_socket(tmp_path: Path) -> None:
    server = ensure_running(tmp_path / ("deep" * 25) / "postgres", durable=False)

    try:
        assert len(os.fsencode(server.socket_dir)) < 90
        with psycopg.connect(server.dsn("postgres")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.destroy()


async def test_a_stopped_server_leaves_no_process_behind(launch: Launch) -> None:
    server = launch()
    cluster = str(server.cluster)

    server.stop()

    await until(lambda: not _processes_working_in(cluster))


def _processes_working_in(directory: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == directory:
                found.append(entry.name)
        except OSError:
            continue
    return found
