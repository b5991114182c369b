"""The web shell on a real server, with the real Messenger connector and a stand-in for the platform."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from server.config import DatabaseSettings, MessengerSettings, Settings, SocketSettings, WebSettings
from server.kit.admission import Admission
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import Channel, Connector
from server.platforms.registry import Registry
from server.web import health, oauth, webhooks
from server.web.answers import answer_http_exception
from server.web.connections import GuardedConfig
from server.web.dependencies import WebDependencies
from server.web.middleware import stack
from standin.app import create_app
from standin.config import StandinConfig
from standin.serve import bound_port, make_server
from tests.api import a_socket
from tests.factories.channels import signature_of

SECRET = "secret-of-the-web-tests"
VERIFY_TOKEN = "verify-of-the-web-tests"
APP_ID = "4711"
MAX_WEBHOOK_BYTES = 500_000
RECEIVE_TIMEOUT_S = 0.4


class _InLoop(uvicorn.Server):
    """A server inside the loop of the tests, which leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listening: socket.socket | None = None, sockets: SocketSettings | None = None
) -> AsyncIterator[str]:
    """Serve an app on the loopback and give its address."""
    listening = listening or a_socket()
    server = _InLoop(GuardedConfig(app, WebSettings(), sockets or SocketSettings()))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()


def an_app(deps: WebDependencies, *more: BaseRoute) -> Starlette:
    """The web shell as the composition builds it."""
    routes = [*webhooks.routes(deps), *oauth.routes(deps), *health.routes(deps), *more]
    handlers = {HTTPException: answer_http_exception}
    return Starlette(routes=routes, middleware=stack(deps.settings.web), exception_handlers=handlers)


def configured(settings: Settings, public_url: str) -> Settings:
    """The settings of the tests with limits that a test can reach."""
    changed = copy.copy(settings)
    changes = {
        "public_url": public_url,
        "max_webhook_bytes": MAX_WEBHOOK_BYTES,
        "receive_timeout_s": RECEIVE_TIMEOUT_S,
    }
    changed.web = settings.web.model_copy(update=changes)
    return changed


def a_connector(url: str = "http://127.0.0.1:1") -> MessengerConnector:
    """The real connector, pointed at the stand-in."""
    return MessengerConnector(
        MessengerSettings(
            MESSENGER_APP_ID=APP_ID,
            MESSENGER_APP_SECRET=SECRET,
            MESSENGER_VERIFY_TOKEN=VERIFY_TOKEN,
            MESSENGER_GRAPH_URL=url,
            MESSENGER_DIALOG_URL=url,
        )
    )


def dependencies(database: Database, registry: Registry, settings: Settings) -> WebDependencies:
    """What the routes need, with lanes of their own."""
    return WebDependencies(database, registry, settings, Admission(settings.admission, settings.database))


def dead_database(settings: Settings) -> Database:
    """A database that nobody answers for."""
    nowhere = "postgresql+psycopg://nobody:x@127.0.0.1:1/none"
    away = DatabaseSettings(DATABASE_URL=nowhere, SYSTEM_DATABASE_URL=nowhere)
    return Database(away, KeyRing.parse(settings.security.keys.get_secret_value()))


def error_of(answer: httpx.Response) -> dict:
    """The error of an answer, whose form is checked on the way."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "requestId"}
    assert body["error"]["requestId"] == answer.headers["x-request-id"]
    return body["error"]


@dataclass
class Web:
    """The running shell."""

    url: str
    http: httpx.AsyncClient
    deps: WebDependencies

    @property
    def connector(self) -> Connector:
        return self.deps.registry.of(Channel.MESSENGER)

    async def deliver(self, body: bytes, *, secret: str = SECRET, **headers: str) -> httpx.Response:
        """Post a body as the platform does."""
        signed = {"x-hub-signature-256": signature_of(body, secret), "content-type": "application/json"}
        given = signed | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"{self.url}/webhooks/messenger", content=body, headers=given)

    async def count(self, sql: str, **values: object) -> int:
        """Count with the eyes of the system role."""
        async with self.deps.database.unscoped_system() as session:
            return (await session.execute(text(f"SELECT count(*) FROM {sql}"), values)).scalar_one()


@pytest.fixture(scope="session")
def standin_url() -> Iterator[str]:
    """A stand-in of its own, in a thread."""
    config = StandinConfig(app_id=APP_ID, app_secret=SECRET, verify_token=VERIFY_TOKEN)
    server = make_server(create_app(config), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = threading.Event()
    while not server.started:
        started.wait(0.01)
    yield f"http://127.0.0.1:{bound_port(server)}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
async def web(database: Database, settings: Settings, standin_url: str) -> AsyncIterator[Web]:
    """The shell over the tests' database and the stand-in."""
    listening = a_socket()
    public_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    registry = Registry({Channel.MESSENGER: a_connector(standin_url)})
    deps = dependencies(database, registry, configured(settings, public_url))
    async with (
        serving(an_app(deps), listening) as url,
        httpx.AsyncClient(timeout=20, trust_env=False) as http,
    ):
        yield Web(url, http, deps)
    await registry.aclose()
