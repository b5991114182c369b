"""The layers around every route, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import websockets
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.platforms.registry import Registry
from tests.web.conftest import an_app, configured, dependencies, error_of, serving

SECRET_TEXT = "the-password-in-the-exception"


async def explode(_request: Request) -> PlainTextResponse:
    raise RuntimeError(SECRET_TEXT)


async def be_away(_request: Request) -> PlainTextResponse:
    raise Unavailable(7)


async def read(request: Request) -> JSONResponse:
    return JSONResponse({"size": len(await request.body())})


async def break_off(_request: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError(SECRET_TEXT)

    return StreamingResponse(pieces())


async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol="graphql-transport-ws")
    await socket.send_text(await socket.receive_text())
    await socket.close()


ROUTES: list[BaseRoute] = [
    Route("/explode", explode),
    Route("/away", be_away),
    Route("/read", read, methods=["POST"]),
    Route("/break-off", break_off),
    Route("/graphql", explode, methods=["GET"]),
    Route("/graphql", read, methods=["POST"]),
    WebSocketRoute("/socket", echo),
]


@dataclass
class Shell:
    """A shell with routes that misbehave."""

    url: str
    http: httpx.AsyncClient


@pytest.fixture
async def shell(database: Database, settings: Settings) -> AsyncIterator[Shell]:
    deps = dependencies(database, Registry({}), configured(settings, "https://api.example.test"))
    async with serving(an_app(deps, *ROUTES)) as url, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        yield Shell(url, http)


async def test_what_nobody_expected_is_masked_and_found_again_by_its_id(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await shell.http.get(f"{shell.url}/explode", headers={"x-request-id": "mine-1"})

    told = error_of(answer)
    assert (answer.status_code, told["code"], told["requestId"]) == (500, "internal_error", "mine-1")
    assert SECRET_TEXT not in answer.text
    assert "mine-1" in told["message"]
    logged = capsys.readouterr()
    assert "unexpected failure" in logged.out + logged.err


async def test_graphql_clients_are_told_failures_in_their_own_form(shell: Shell) -> None:
    accept = {"accept": "application/graphql-response+json"}

    answer = await shell.http.get(f"{shell.url}/graphql", headers=accept)

    problem = answer.json()["errors"][0]
    assert answer.status_code == 500
    assert set(answer.json()) == {"errors"}
    assert problem["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}
    assert answer.headers["content-type"].startswith("application/graphql-response+json")


async def test_an_outage_is_answered_with_when_to_come_again(shell: Shell) -> None:
    answer = await shell.http.get(f"{shell.url}/away")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert error_of(answer)["code"] == "unavailable"


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(shell: Shell) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await shell.http.get(f"{shell.url}/break-off")


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "é", '"><script>'])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(given: str, shell: Shell) -> None:
    answer = await shell.http.get(f"{shell.url}/health/live", headers=[(b"x-request-id", given.encode())])

    assert answer.headers["x-request-id"] != given
    assert answer.headers["x-request-id"].startswith("req_")


async def test_each_request_has_an_id_of_its_own(shell: Shell) -> None:
    answers = await asyncio.gather(*(shell.http.get(f"{shell.url}/health/live") for _ in range(5)))

    assert len({answer.headers["x-request-id"] for answer in answers}) == 5


@pytest.mark.parametrize("path", ["/health/live", "/explode", "/nowhere"])
async def test_every_answer_carries_the_headers_that_protect_browsers(path: str, shell: Shell) -> None:
    headers = (await shell.http.get(f"{shell.url}{path}")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_routes_and_methods_that_do_not_exist_are_refused_in_the_same_form(shell: Shell) -> None:
    nowhere = await shell.http.get(f"{shell.url}/nowhere")
    wrong = await shell.http.post(f"{shell.url}/health/live")

    assert (nowhere.status_code, error_of(nowhere)["code"]) == (404, "not_found")
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("path", "limit", "code"), [("/read", 100_000, "payload_too_large"), ("/graphql", 1_000_000, "BAD_REQUEST")]
)
async def test_each_path_has_its_limit(path: str, limit: int, code: str, shell: Shell) -> None:
    async def in_pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 50_000):
            yield b"x" * min(50_000, size - start)

    whole = [await shell.http.post(f"{shell.url}{path}", content=b"x" * size) for size in (limit, limit + 1)]
    pieces = [await shell.http.post(f"{shell.url}{path}", content=in_pieces(size)) for size in (limit, limit + 1)]

    assert [answer.status_code for answer in (*whole, *pieces)] == [200, 413, 200, 413]
    assert code in whole[1].text
    assert code in pieces[1].text


async def test_a_websocket_passes_through_with_its_subprotocol(shell: Shell) -> None:
    address = shell.url.replace("http://", "ws://") + "/socket"

    async with websockets.connect(address, subprotocols=["graphql-transport-ws"], proxy=None) as socket:
        await socket.send("x" * 200_000)
        heard = await socket.recv()

    assert heard == "x" * 200_000
    assert socket.subprotocol == "graphql-transport-ws"
