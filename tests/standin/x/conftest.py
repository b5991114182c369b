"""A running X and a callback that records what it posts; spoken to as a stranger would, with nothing of the server."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from standin.app import create_app
from standin.config import StandinConfig
from tests.standin.conftest import Receiver, eventually, in_thread

APP = {"client_id": "client-1", "client_secret": "s:ecret", "consumer_secret": "consumer", "bearer_token": "app-bearer"}
BASIC = {"Authorization": "Basic " + base64.b64encode(b"client-1:s%3Aecret").decode()}
APP_ONLY = {"Authorization": "Bearer app-bearer"}
BACK = "http://127.0.0.1:8000/oauth/x/callback?n=1"
ACCOUNT, PERSON = "4001", "9001"


def signed(raw: bytes) -> str:
    return "sha256=" + base64.b64encode(hmac.new(b"consumer", raw, hashlib.sha256).digest()).decode()


@dataclass
class Callback(Receiver):
    """What came in, and how the next posts and every CRC are answered."""

    is_honest: bool = True

    async def receive(self, request: Request) -> Response:
        if request.method == "GET":
            token = request.query_params["crc_token"].encode() if self.is_honest else b"wrong"
            return JSONResponse({"response_token": signed(token)})
        if self.is_late(request):
            return Response(status_code=200)
        self.posts.append((await request.body(), dict(request.headers)))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def bodies(self) -> list[dict]:
        return [json.loads(raw) for raw, _ in list(self.posts)]

    def types(self) -> list[str]:
        return sorted(body["data"]["event_type"] for body in self.bodies() if "data" in body)


@dataclass
class World:
    """The stand-in's X over HTTP."""

    url: str
    http: httpx.AsyncClient
    callback: Callback
    token: str = ""

    async def control(self, path: str, body: object = None, *, method: str = "POST", status: int = 200) -> dict:
        answer = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def deed(self, name: str, body: dict | None = None) -> dict:
        return await self.control(f"x/customers/{ACCOUNT}/{PERSON}/{name}", body or {})

    async def call(self, method: str, path: str, *, token: str | None = None, **options) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"} | options.pop("headers", {})
        return await self.http.request(method, f"{self.url}/x{path}", headers=headers, **options)

    async def send(self, text: str = "hello", person: str = PERSON, **more) -> httpx.Response:
        return await self.call("POST", f"/2/dm_conversations/with/{person}/messages", json={"text": text} | more)

    async def form(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        return await self.http.post(f"{self.url}/x{path}", data=fields, headers=BASIC if headers is None else headers)

    async def settled(self) -> None:
        async def quiet() -> bool:
            return not any((await self.control("settled", method="GET")).values())

        await eventually(quiet)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Callback]]:
    callback = Callback()
    app = Starlette(routes=[Route("/hook/{test}", callback.receive, methods=["GET", "POST"])])
    receiver, first, callback.server = in_thread(app)
    config = StandinConfig(app_id="1", app_secret="s", verify_token="v", apps={"x": dict(APP)})
    standin, second, standin_url = in_thread(create_app(config))
    yield standin_url, callback
    for server, thread in ((receiver, first), (standin, second)):
        server.should_exit = True
        thread.join()


@pytest.fixture
async def bare(served: tuple[str, Callback]) -> AsyncIterator[World]:
    """An empty X, and a callback that says yes."""
    url, callback = served
    callback.begin()
    callback.is_honest = True
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        world = World(url, http, callback)
        await world.control("reset", {"keep_app": False})
        await world.control("x/app", {"retry_ms": [10, 10, 10], "echo_ms": 1})
        yield world


@pytest.fixture
async def x(bare: World) -> World:
    """One account, subscribed in the newer generation, and one person."""
    about = {"id": ACCOUNT, "name": "Bakery", "callback_url": bare.callback.url, "subscribed": True}
    bare.token = (await bare.control("x/accounts", about))["accounts"][0]["access_token"]
    await bare.control("x/customers", {"account": ACCOUNT, "person": PERSON, "name": "Grace"})
    return bare
