"""The stand-in as a process of its own, spoken to over HTTP only."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from server.platforms.port import Event
from tests.platforms.factory import SECRET, VERIFY_TOKEN, a_connector
from tests.platforms.wire import Exchange, Wire

REDIRECT = "http://127.0.0.1:9/oauth/messenger"


class Standin:
    """A running stand-in, its control API, and everything its webhooks told a connector."""

    def __init__(self) -> None:
        self.url = ""
        self.events: list[Event] = []
        self.bodies: list[bytes] = []
        self.connector = a_connector()
        self._inbox = Wire(self._receive)
        self._heard = asyncio.Event()
        self._control = httpx.AsyncClient(trust_env=False, timeout=20)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process on a free port and wait for its line."""
        await self._inbox.start()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "standin", "--host", "127.0.0.1", "--port", "0", "--app-id", "app-1"),
            *("--app-secret", SECRET, "--verify-token", VERIFY_TOKEN, "--callback-url", f"{self._inbox.url}/hook"),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            line = (await self._process.stdout.readline()).decode()
        self.url = line.strip().removeprefix("standin ready on ")
        assert self.url.startswith("http://127.0.0.1:"), line
        self.connector = a_connector(self.url)

    async def stop(self) -> None:
        """End the process that was started here, and nothing else."""
        await self.connector.aclose()
        await self._control.aclose()
        if self._process is not None:
            self._process.terminate()
            await self._process.communicate()
        await self._inbox.stop()

    async def control(self, path: str, body: object = None, method: str = "POST") -> dict[str, object]:
        """Call the control API and insist on success."""
        answer = await self._control.request(method, f"{self.url}/control/{path}", json=body)
        assert answer.is_success, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found

    async def consent(self, address: str, person: str, action: str = "allow") -> dict[str, list[str]]:
        """Answer the consent dialogue as a person and return what the redirect brings back."""
        answer = await self._control.post(address, data={"person": person, "action": action})
        assert answer.status_code == 302, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)

    async def heard(self, kind: type[Event], count: int = 1) -> list[Event]:
        """Wait until the webhooks told `count` events of a kind."""
        async with asyncio.timeout(20):
            while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
                self._heard.clear()
                await self._heard.wait()
        return found

    async def _receive(self, exchange: Exchange) -> None:
        if exchange.head.startswith("GET "):
            query = {name: values[0] for name, values in parse_qs(urlsplit(exchange.path).query).items()}
            challenge = self.connector.answer_handshake(query)
            await exchange.answer(403 if challenge is None else 200, (challenge.body if challenge else "").encode())
            return
        self.connector.verify({"x-hub-signature-256": exchange.header("x-hub-signature-256") or ""}, exchange.body)
        self.bodies.append(exchange.body)
        for raw in self.connector.split(exchange.body):
            self.events += self.connector.parse(raw.kind, raw.page_external_id, raw.payload)
        self._heard.set()
        await exchange.answer(200, b"")
