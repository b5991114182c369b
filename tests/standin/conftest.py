"""A running stand-in and a callback that records what the stand-in posts; both real servers on loopback."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from standin.app import create_app
from standin.config import StandinConfig
from standin.serve import bound_port, make_server

APP_ID, APP_SECRET, VERIFY_TOKEN = "4711", "app-secret", "verify-me"
PAGE, PSID = "100", "9001"


@dataclass
class Receiver:
    """Where the stand-in posts to. Each test has an address of its own, so that what an earlier one set going is no news."""

    server: str = ""
    url: str = ""
    posts: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """Listen at a new address."""
        self.url = f"{self.server}/hook/{uuid4().hex}"
        self.posts.clear()
        self.statuses.clear()

    def is_late(self, request: Request) -> bool:
        """Say whether a request is for an earlier test."""
        return not self.url.endswith(request.url.path)


@dataclass
class Callback(Receiver):
    """What came in, oldest first; `statuses` are the next answers, then always 200."""

    async def receive(self, request: Request) -> Response:
        if request.method == "GET":
            good = request.query_params.get("hub.verify_token") == VERIFY_TOKEN
            return PlainTextResponse(request.query_params.get("hub.challenge", ""), 200 if good else 403)
        if self.is_late(request):
            return PlainTextResponse("")
        self.posts.append((await request.body(), dict(request.headers)))
        return PlainTextResponse("", self.statuses.pop(0) if self.statuses else 200)

    def items(self, kind: str) -> list[dict]:
        """Messaging items that hold this part, or changes of this field."""
        found = []
        for raw, _ in list(self.posts):
            for entry in json.loads(raw)["entry"]:
                found += [item for item in entry.get("messaging", []) if kind in item]
                found += [item["value"] for item in entry.get("changes", []) if item["field"] == kind]
        return found


@dataclass
class Standin:
    """The HTTP side of the stand-in for tests."""

    url: str
    http: httpx.AsyncClient
    callback: Callback
    token: str = ""

    async def control(self, method: str, path: str, body: object = None, status: int = 200) -> dict:
        answer = await self.http.request(method, f"{self.url}/control{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def deed(self, name: str, body: dict | None = None, psid: str = PSID, page: str = PAGE) -> dict:
        return await self.control("POST", f"/customers/{page}/{psid}/{name}", body or {})

    async def graph(self, method: str, path: str, token: str | None = None, **options) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.http.request(method, f"{self.url}/v25.0{path}", headers=headers, **options)

    async def send(self, text: str = "hello", *, psid: str = PSID, token: str | None = None, **extra) -> httpx.Response:
        message = {"text": text} | extra.pop("message", {})
        body = {"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": message} | extra
        return await self.graph("POST", "/me/messages", token, json=body)

    async def faults(self, *rules: dict, seed: int = 1, **webhooks) -> None:
        await self.control("PUT", "/faults", {"seed": seed, "rules": list(rules), "webhooks": webhooks})

    async def settled(self) -> None:
        async def quiet() -> bool:
            return not any((await self.control("GET", "/settled")).values())

        await eventually(quiet)

    async def calls(self, op: str) -> dict[str, int]:
        return (await self.control("GET", "/calls"))["by_op"].get(op, {})

    async def ledger(self) -> list[dict]:
        return (await self.control("GET", "/ledger"))["entries"]


async def eventually(claim: Callable[[], Awaitable[bool]], within_s: float = 8.0) -> None:
    """Wait until the claim holds; fail when it does not in time."""
    end = time.monotonic() + within_s
    while not await claim():
        assert time.monotonic() < end, "did not become true in time"
        await asyncio.sleep(0.01)


def in_thread(app: Starlette) -> tuple[uvicorn.Server, threading.Thread, str]:
    server = make_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    started = threading.Event()
    thread.start()
    for _ in range(1_000):
        if server.started:
            break
        started.wait(0.01)
    return server, thread, f"http://127.0.0.1:{bound_port(server)}"


@pytest.fixture(scope="session")
def callback() -> Iterator[Callback]:
    found = Callback()
    app = Starlette(routes=[Route("/hook/{test}", found.receive, methods=["GET", "POST"])])
    server, thread, found.server = in_thread(app)
    yield found
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def standin_url() -> Iterator[str]:
    config = StandinConfig(app_id=APP_ID, app_secret=APP_SECRET, verify_token=VERIFY_TOKEN)
    server, thread, url = in_thread(create_app(config))
    yield url
    server.should_exit = True
    thread.join()


@pytest.fixture
async def bare(standin_url: str, callback: Callback) -> AsyncIterator[Standin]:
    """An empty stand-in with fast receipts and retries and a callback."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        found = Standin(standin_url, http, callback)
        await found.control("POST", "/reset", {"keep_app": False})
        callback.begin()
        await found.control(
            "POST",
            "/app",
            {
                "callback_url": callback.url,
                "echo_ms": 1,
                "delivery_ms": 5,
                "read_ms": 10,
                "webhook_retry_ms": [20, 40],
            },
        )
        yield found


@pytest.fixture
async def standin(bare: Standin) -> Standin:
    """One subscribed page with an ad account, one person at the desk, one customer who wrote an hour ago."""
    await bare.control("POST", "/people", [{"id": "7", "name": "Ada <Agency>"}])
    page = {"id": PAGE, "name": "Bakery", "people": ["7"], "ad_account": {"id": "55"}, "subscribed": True}
    bare.token = (await bare.control("POST", "/pages", [page]))["pages"][0]["access_token"]
    customer = {"page": PAGE, "psid": PSID, "first_name": "Carla", "last_name": "Customer", "wrote_s_ago": 3600}
    await bare.control("POST", "/customers", customer)
    return bare
