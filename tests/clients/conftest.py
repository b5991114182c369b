"""Node with the packages of package-lock.json, installed once into var/ and never into the tree."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.oauth.conftest import agency, front, owner

__all__ = ["agency", "front", "owner"]

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc", "walk.mjs", "audit.mjs")
NEEDED = "These tests need Node 20 or later with npm; on Debian 13: apt-get install nodejs npm, as `make clients` does."


@pytest.fixture(scope="session")
def walk(packages: Path) -> Path:
    """The script of the foreign app, beside its installed packages."""
    return packages / "walk.mjs"


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of our scripts and of the packages that they need, as the lock file names them."""
    if shutil.which("node") is None or shutil.which("npm") is None or _node_version() < 20:
        pytest.fail(NEEDED)
    place = ROOT / "var" / "clients"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed, wanted = place / "node_modules" / ".installed", (HERE / "package-lock.json").read_text()
        for name in FILES:
            shutil.copy(HERE / name, place / name)
        if not installed.exists() or installed.read_text() != wanted:
            done = subprocess.run(["npm", "ci"], cwd=place, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"npm ci failed; is the npm registry reachable?\n{done.stderr}"
            installed.write_text(wanted)
    return place


def _node_version() -> int:
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return int(told.lstrip("v").split(".")[0])
