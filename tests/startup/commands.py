"""The commands of production as an operator starts them, and what they say before they end."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from switchboard.postgres import Server
from tests.faults.plant import ROOT, free_port

PEPPER = "Vb3kq0X-random-enough-for-a-pepper-9d1fQ"
PLATFORM_ADDRESSES = (
    "MESSENGER_GRAPH_URL",
    "MESSENGER_DIALOG_URL",
    "INSTAGRAM_GRAPH_URL",
    "INSTAGRAM_TOKEN_URL",
    "INSTAGRAM_DIALOG_URL",
    "X_API_URL",
    "X_DIALOG_URL",
    "LINKEDIN_API_URL",
    "LINKEDIN_DIALOG_URL",
    "TIKTOK_API_URL",
    "TIKTOK_DIALOG_URL",
)
PATIENCE_S = 90
FLOOR = "version: PostgreSQL"
"""The embedded server is below the floor of versions, and nothing lets production pass it."""


def ring(name: str = "k1", seed: int = 1) -> str:
    """Return a ring of one key."""
    return f"{name}:" + base64.b64encode(bytes((seed * 37 + step * 11) % 256 for step in range(32))).decode()


def production(server: Server, database: str, **changes: str | None) -> dict[str, str]:
    """Return the environment of a healthy production; `changes` set a variable, or with None take it out."""
    settings = {
        "DATABASE_URL": server.app_url(database),
        "SYSTEM_DATABASE_URL": server.system_url(database),
        "OWNER_DATABASE_URL": server.owner_url(database),
        "SWITCHBOARD_ENV": "production",
        "SWITCHBOARD_KEYS": ring(),
        "SWITCHBOARD_PEPPER": PEPPER,
        "SWITCHBOARD_PUBLIC_URL": "https://switchboard.example.com",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_SENDER": "Switchboard <no-reply@example.com>",
    } | changes
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | {name: value for name, value in settings.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and everything that it wrote."""

    status: int
    text: str

    @property
    def problems(self) -> list[str]:
        """Return the first line of each problem."""
        return [line.removeprefix("- ") for line in self.text.splitlines() if line.startswith("- ")]

    @property
    def other_problems(self) -> list[str]:
        """Return the problems besides the version of the embedded server."""
        return [problem for problem in self.problems if not problem.startswith(FLOOR)]


def commands() -> Mapping[str, tuple[str, ...]]:
    """Return the documented commands of every process, without the interpreter."""
    return {
        "api": ("-m", "server.serve", "--port", str(free_port())),
        "bell": ("-m", "workers.main", "bell"),
        "worker": ("-m", "workers.main", "run", "--queues", "replies,events"),
        "migrate": ("-m", "switchboard.cli", "migrate"),
    }


def run(name: str, environment: Mapping[str, str], cwd: str | os.PathLike[str] = ROOT) -> Ended:
    """Run a command to its end; one that does not end by itself did not refuse, and fails the test."""
    return run_module(commands()[name], environment, cwd)


def run_module(arguments: tuple[str, ...], environment: Mapping[str, str], cwd: str | os.PathLike[str] = ROOT) -> Ended:
    """Run the interpreter with these arguments to its end."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=dict(environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)
