"""Readiness names its parts, and turns red for what the API needs: revision, a write, the database (case O2)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from server.config import Settings
from server.startup.readiness import Parts, Readiness, State, is_ready
from switchboard.postgres import Server, ensure_running
from tests.conftest import migrate
from tests.startup.commands import production

Superuser = psycopg.Connection[tuple[object, ...]]
ROOM = "400m"
FROM_APP = "IN SCHEMA public FROM switchboard_app"
OF_CONTEXT = "IN SCHEMA ctx FROM switchboard_app, PUBLIC"


async def asked(settings: Settings) -> Parts:
    return await Readiness(settings, settings.database.app_dsn, settings.database.system_dsn).parts()


async def test_every_part_has_a_name_and_those_around_the_api_do_not_turn_it_red(own_settings: Settings) -> None:
    parts = await asked(own_settings)

    assert parts == {
        "database": State.OK,
        "rights": State.OK,
        "revision": State.OK,
        "write": State.OK,
        "bell": State.MISSING,
        "workers": State.MISSING,
        "broker": State.OK,
        "mail": State.UNAVAILABLE,
    }
    assert is_ready(parts)


@pytest.mark.parametrize(
    ("_case", "fault", "part", "expected", "ready"),
    [
        ("empty", "DROP SCHEMA public CASCADE", "revision", State.BEHIND, False),
        ("older", "UPDATE alembic_version SET version_num = '0001'", "revision", State.BEHIND, False),
        ("newer", "UPDATE alembic_version SET version_num = 'later'", "revision", State.NEWER, True),
        ("no rights", "REVOKE ALL ON write_probe FROM switchboard_system", "write", State.UNAVAILABLE, False),
        ("no tables", f"REVOKE ALL ON ALL TABLES {FROM_APP}", "rights", State.UNAVAILABLE, False),
        ("no table", "REVOKE SELECT ON conversation FROM switchboard_app", "rights", State.UNAVAILABLE, False),
        ("no schema", "REVOKE USAGE ON SCHEMA public FROM switchboard_app, PUBLIC", "rights", State.UNAVAILABLE, False),
        ("no calls", f"REVOKE ALL ON ALL FUNCTIONS {OF_CONTEXT}", "rights", State.UNAVAILABLE, False),
        ("standby", "ALTER DATABASE {name} SET default_transaction_read_only = on", "write", State.UNAVAILABLE, False),
    ],
)
async def test_what_the_api_needs_turns_it_red(
    _case: str,
    fault: str,
    part: str,
    expected: State,
    ready: bool,
    own_settings: Settings,
    own_name: str,
    superuser: Superuser,
) -> None:
    superuser.execute(fault.format(name=own_name).encode())

    parts = await asked(own_settings)

    assert (parts[part], is_ready(parts)) == (expected, ready)


async def test_a_look_is_shared_for_two_seconds(own_settings: Settings, superuser: Superuser) -> None:
    readiness = Readiness(own_settings, own_settings.database.app_dsn, own_settings.database.system_dsn)
    before = await readiness.parts()
    superuser.execute("DELETE FROM write_probe")

    again = await readiness.parts()

    assert again == before
    assert superuser.execute("SELECT count(*) FROM write_probe").fetchone() == (0,)


@pytest.fixture
def small_disk() -> Iterator[tuple[Server, Path]]:
    """A server on a disk of its own: a small tmpfs, which needs root."""
    folder = Path(tempfile.mkdtemp(prefix="sb-disk-"))
    folder.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=755", "tmpfs", str(folder)], check=True)
    server = ensure_running(folder / "postgres", durable=False)
    try:
        server.create_database("full")
        migrate(server.owner_url("full"))
        yield server, folder
    finally:
        server.destroy()
        subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


async def test_a_full_disk_turns_it_red_until_there_is_room_again(
    small_disk: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, folder = small_disk
    for name, value in production(server, "full").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    with_room = await asked(settings)
    ballast = folder / "ballast"

    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(shutil.disk_usage(folder).free + 4096))
    full = await asked(settings)
    ballast.unlink()
    again = await asked(settings)

    assert [parts["write"] for parts in (with_room, full, again)] == [State.OK, State.UNAVAILABLE, State.OK]
    assert (full["database"], is_ready(full)) == (State.OK, False)
