"""Commands in a folder where nothing was ever made (case O3), or where nothing may be made."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from switchboard.postgres import Server
from tests.faults.plant import ROOT
from tests.startup.commands import production, run_module


def test_migrate_works_in_a_fresh_clone_with_all_addresses_set(postgres: Server, own_name: str, tmp_path: Path) -> None:
    environment = production(postgres, own_name, SWITCHBOARD_ENV="development")
    with psycopg.connect(postgres.dsn(own_name), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0019'")
        connection.execute("DROP TABLE start_canary, write_probe")

    ended = run_module(("-m", "switchboard.cli", "migrate"), environment, tmp_path)

    with psycopg.connect(postgres.dsn(own_name)) as connection:
        applied = connection.execute("SELECT count(*) FROM start_canary").fetchone()
    assert (ended.status, applied) == (0, (0,)), ended.text
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file stands where the folder would be")
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"PYTHONPATH": str(ROOT)}

    for command in ("migrate", "up", "doctor"):
        ended = run_module(
            ("-m", "switchboard.cli", command, "--data", str(tmp_path / "var" / "data")), plain, tmp_path
        )

        assert (ended.status, "Traceback" in ended.text) == (1, False), ended.text
        assert "cannot be used" in ended.text
