"""One command starts everything; however it ends, it ends what it started, and the next start mends the rest."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from migrations import ground
from switchboard import environment, ledger
from switchboard.postgres import Server, ensure_running
from switchboard.services import API_PORT
from tests.switchboard.conftest import until
from tests.switchboard.test_supervisor import noted

PATIENCE_S = 40.0

Start = Callable[..., "Running"]


class Running:
    """A started `switchboard up` and what it prints."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.switchboard.starting", str(data_dir), *options],
            cwd=ledger.PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")},
        )

    def read_until(self, text: str) -> str:
        """Read what it prints up to a line with this text; fail with all that was printed if none comes in time."""
        assert self.process.stdout is not None
        patience = threading.Timer(PATIENCE_S, self.process.kill)
        patience.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if text in line:
                    return line
        finally:
            patience.cancel()
        raise AssertionError(f"ended without {text!r}: {''.join(self.lines)}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.lines.append(rest)
        return self.process.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts Switchboard in this test's directory; everything is removed afterwards."""
    runs: list[Running] = []

    def run(*options: str) -> Running:
        runs.append(Running(tmp_path, *options))
        return runs[-1]

    yield run
    for each in runs:
        if each.process.poll() is None:
            each.end(signal.SIGTERM)
        each.process.communicate()
    ensure_running(tmp_path / "postgres").destroy()


def server_of(data_dir: Path) -> Server:
    return ensure_running(data_dir / "postgres")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_ending_a_run_ends_its_children_and_its_database(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    run = start()
    run.read_until("ready after")
    await until(lambda: len(noted(tmp_path)) == 3)
    children = noted(tmp_path)
    postmaster = server_of(tmp_path).postmaster()
    assert children.keys() == {"api", "standin", "worker"}
    assert postmaster is not None

    code = run.end(number)

    assert code == 0, run.lines
    assert not any(child.is_alive() for child in children.values())
    assert not postmaster.is_alive()


async def test_after_a_kill_the_next_start_ends_the_leftovers_and_adopts_the_database(
    start: Start, tmp_path: Path
) -> None:
    first = start()
    first.read_until("ready after")
    await until(lambda: len(noted(tmp_path)) == 3)
    orphans = noted(tmp_path)
    first.end(signal.SIGKILL)
    assert all(orphan.is_alive() for orphan in orphans.values())

    second = start()
    second.read_until("an earlier run had left behind: api, standin, worker")
    line = second.read_until("ready after")

    assert not any(orphan.is_alive() for orphan in orphans.values())
    seconds = re.search(r"ready after ([\d.]+) s", line)
    assert seconds is not None
    postmaster = server_of(tmp_path).postmaster()
    assert second.end(signal.SIGTERM) == 0
    assert postmaster is not None
    assert not postmaster.is_alive()


async def test_a_kept_database_stays_and_is_found_again(start: Start, tmp_path: Path) -> None:
    first = start("--keep-database")
    first.read_until("ready after")
    assert first.end(signal.SIGTERM) == 0
    kept = server_of(tmp_path).postmaster()
    assert kept is not None

    second = start()
    second.read_until("ready after")

    assert second.end(signal.SIGTERM) == 0
    assert kept.is_alive()
    assert "migrations" not in "".join(second.lines)


def test_the_first_start_migrates_and_a_run_of_its_own_is_refused_beside_it(start: Start, tmp_path: Path) -> None:
    run = start()
    run.read_until("migrations")
    run.read_until("ready after")
    server = server_of(tmp_path)
    with psycopg.connect(server.dsn(ledger.DBNAME)) as connection:
        applied = connection.execute("SELECT version_num FROM alembic_version").fetchall()

    second = start()
    told, _ = second.process.communicate(timeout=30)

    assert {row[0] for row in applied} == ground.newest_revisions()
    assert second.process.returncode == 1
    assert f"already runs in {tmp_path} (process {run.process.pid})" in told
    assert run.process.poll() is None


def test_a_taken_port_is_said(start: Start) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", API_PORT))
        except OSError:
            # Somebody on this machine has it already, which serves as well.
            taken.bind(("127.0.0.1", 0))
        taken.listen()

        run = start()
        line = run.read_until("is taken: the API uses")

    found = re.search(r"port 8000 is taken: the API uses (\d+)", line)
    assert found is not None
    assert int(found.group(1)) > API_PORT
    run.read_until(f"http://127.0.0.1:{found.group(1)}/graphql")


async def test_two_starts_at_once_each_have_ports_of_their_own(tmp_path: Path) -> None:
    runs = [Running(tmp_path / name) for name in ("one", "two")]
    try:
        for run in runs:
            run.read_until("ready after")
        found = [set(re.findall(r"http://127\.0\.0\.1:(\d+)", "".join(run.lines))) for run in runs]
    finally:
        for run in runs:
            run.end(signal.SIGTERM)
        for name in ("one", "two"):
            ensure_running(tmp_path / name / "postgres").destroy()

    assert [len(ports) for ports in found] == [2, 2]
    assert not found[0] & found[1]


async def test_a_signal_while_starting_still_ends_everything(start: Start, tmp_path: Path) -> None:
    run = start()
    run.read_until("database")

    code = run.end(signal.SIGTERM)

    assert code == 0, run.lines
    await until(lambda: not (tmp_path / "run.json").exists())
    assert "ready after" not in "".join(run.lines)
    assert not (tmp_path / "postgres" / "started_by.json").exists()


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = environment.secrets_of(tmp_path)

    assert environment.secrets_of(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert environment.secrets_of(tmp_path / ".") == first


def test_services_cannot_change_tables_and_the_standin_knows_neither_database_nor_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OWNER_DATABASE_URL", "postgresql://owner@/x")
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1/1")
    urls = environment.Urls("app", "system", "owner")
    keys = {"SWITCHBOARD_KEYS": "k", "SWITCHBOARD_PEPPER": "p", "MESSENGER_APP_SECRET": "m"}

    told = environment.for_services(urls, environment.Addresses("http://a", "http://s"), keys)
    standin = environment.for_standin(told)

    assert (told["DATABASE_URL"], told["SYSTEM_DATABASE_URL"], told["BROKER_URL"]) == (
        "app",
        "system",
        "redis://127.0.0.1/1",
    )
    assert "OWNER_DATABASE_URL" not in told
    assert environment.for_migrations(told, urls)["OWNER_DATABASE_URL"] == "owner"
    assert not {"DATABASE_URL", "SYSTEM_DATABASE_URL", "BROKER_URL", *keys} - {"MESSENGER_APP_SECRET"} & standin.keys()
    assert "MESSENGER_APP_SECRET" in standin
