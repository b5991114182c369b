"""The command lines of our processes fit the programs that they start."""

from __future__ import annotations

import subprocess
from pathlib import Path

from switchboard import services
from switchboard.environment import Addresses
from switchboard.ledger import PROJECT

TOLD = {"MESSENGER_APP_ID": "1", "MESSENGER_APP_SECRET": "s", "MESSENGER_VERIFY_TOKEN": "v"}


def test_the_standin_keeps_its_world_in_the_data_directory(tmp_path: Path) -> None:
    known = Addresses("http://127.0.0.1:8000", "http://127.0.0.1:0")
    (standin,) = (item for item in services.all_services(known, TOLD, tmp_path) if item.name == "standin")

    child = subprocess.Popen(standin.command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("standin ready on ")
        child.terminate()

    assert child.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["standin.json"]
