"""What downloads and their tokens may take of the process: turns, connections and places, whoever asks and however slowly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from copy import copy
from typing import Any

import httpx
import pytest

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode_as, encode
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api, serving
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.locks import Locked, locked
from tests.web.test_attachments import Copied, a_copy
from tests.web.test_media import PNG, link_of, send

Start = Callable[..., AbstractAsyncContextManager[Api]]
VIEWER = "{viewer{name}}"
LARGE = b"\0\0\0\x18ftypmp42" + bytes(range(251)) * 60_000
"""A video of more than a connection keeps for who does not read."""


@pytest.fixture
def start(settings: Settings) -> Start:
    """Serve with some settings changed: start(admission={...}, database={...})."""

    @asynccontextmanager
    async def begin(**changes: dict[str, Any]) -> AsyncIterator[Api]:
        configured = copy(settings)
        for concern, values in changes.items():
            setattr(configured, concern, getattr(settings, concern).model_copy(update=values))
        async with serving(create_app(configured)) as url, httpx.AsyncClient(timeout=60, trust_env=False) as http:
            yield Api(url, http)

    return begin


async def an_owner(database: Database, settings: Settings) -> tuple[AnOrganization, APerson]:
    """An agency, and who may everything in it."""
    agency = await an_agency(database)
    return agency, await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def stored(api: Api, agency: AnOrganization, owner: APerson, body: bytes = LARGE) -> str:
    """Upload a video or a picture; return its id."""
    media = "image/png" if body is PNG else "video/mp4"
    status, told = await send(api, encode("unit", agency.root_id), owner, body, media)
    assert status == 201, told
    return str(told["id"])


def bearing(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"authorization": f"Bearer {token}"}


async def most_waiting(tokens: Locked) -> int:
    """Return how many sessions waited for the lock at most, within a second from the first one."""
    most, left = 0, 20
    while left:
        most = max(most, await tokens.waiting())
        left -= bool(most)
        await asyncio.sleep(0.05)
    return most


@asynccontextmanager
async def slow_reader(api: Api, path: str, token: str | None = None) -> AsyncIterator[socket.socket]:
    """Ask for a file and read no more than the first bytes of the answer; give the line unread from there on."""
    host, port = api.url.removeprefix("http://").split(":")
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\n" + (f"authorization: Bearer {token}\r\n" if token else "")
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        line.setblocking(False)
        await loop.sock_connect(line, (host, int(port)))
        await loop.sock_sendall(line, (head + "\r\n").encode())
        assert (await loop.sock_recv(line, 12)).startswith(b"HTTP/1.1 200")
        yield line


async def rest_of(line: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    found, loop = bytearray(), asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while piece := await loop.sock_recv(line, 1_000_000):
            found += piece
    return bytes(found)


@pytest.mark.parametrize("path", ["/files/x", "/attachments/x"])
async def test_tokens_that_nobody_knows_are_verified_one_at_a_time_for_a_network(
    start: Start, settings: Settings, database: Database, path: str
) -> None:
    _, owner = await an_owner(database, settings)
    unknown = [f"{owner.token[:-4]}{number:04d}" for number in range(40)]

    async with start() as api, locked(settings, "access_token") as tokens:
        asked = [asyncio.create_task(api.http.get(api.url + path, headers=bearing(one))) for one in unknown]
        held = await most_waiting(tokens)
        await tokens.release()
        answers = await asyncio.gather(*asked)

    assert held == 1
    assert {one.status_code for one in answers} == {401}


async def test_a_token_that_is_known_takes_a_turn_of_its_organization_for_files_too(
    start: Start, settings: Settings, database: Database
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(admission={"tenant_share": 0.25}) as api:
        await api.ask(VIEWER, token=owner.token)
        async with locked(settings, "access_token") as tokens:
            asked = [
                asyncio.create_task(api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))) for _ in range(30)
            ]
            held = await most_waiting(tokens)
            await tokens.release()
            answers = await asyncio.gather(*asked)

    assert held == 2
    assert {one.status_code for one in answers} == {404}


async def test_a_token_first_seen_with_a_file_is_known_to_graphql(
    start: Start, settings: Settings, database: Database
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(admission={"tenant_share": 0.25}) as api:
        await api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))
        async with locked(settings, "access_token") as tokens:
            asked = [asyncio.create_task(api.ask(VIEWER, token=owner.token)) for _ in range(10)]
            held = await most_waiting(tokens)
            await tokens.release()
            answers = await asyncio.gather(*asked)

    assert held == 2
    assert all(one.data["viewer"] for one in answers)


async def test_who_waits_too_long_for_a_token_is_told_so_and_no_fault_is_logged(
    start: Start, settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    _, owner = await an_owner(database, settings)
    async with start(database={"statement_timeout_ms": 300}) as api, locked(settings, "access_token"):
        answer = await api.http.get(f"{api.url}/files/x", headers=bearing(owner.token))

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize("way", ["file", "link", "copy"])
async def test_who_reads_slowly_holds_no_connection(
    start: Start, settings: Settings, database: Database, way: str
) -> None:
    agency, owner = await an_owner(database, settings)
    _, other = await an_owner(database, settings)
    (copied,) = await a_copy(database, agency, Copied(0, LARGE, "video/mp4"))
    async with start(database={"pool_timeout_s": 1.0}, admission={"downloads": 20}) as api, AsyncExitStack() as readers:
        file_id = await stored(api, agency, owner)
        paths = {
            "file": f"/files/{file_id}",
            "link": link_of(settings, agency, file_id),
            "copy": f"/attachments/{copied}",
        }
        token = None if way == "link" else owner.token
        lines = [await readers.enter_async_context(slow_reader(api, paths[way], token)) for _ in range(12)]
        beside = await asyncio.gather(*(api.ask(VIEWER, token=other.token) for _ in range(4)))
        _, _, body = (await rest_of_answer(lines[0])).partition(b"\r\n\r\n")

    assert [one.status for one in beside] == [200] * 4
    assert body == LARGE


async def rest_of_answer(line: socket.socket) -> bytes:
    """Read an answer of one large file to its end; the connection stays open."""
    found, loop = bytearray(), asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while len(found.partition(b"\r\n\r\n")[2]) < len(LARGE) and (piece := await loop.sock_recv(line, 1_000_000)):
            found += piece
    return bytes(found)


async def test_a_read_is_in_the_trail_once_however_many_pieces_it_takes(
    start: Start, settings: Settings, database: Database
) -> None:
    agency, owner = await an_owner(database, settings)
    async with start() as api:
        file_id = await stored(api, agency, owner)
        answer = await api.http.get(f"{api.url}/files/{file_id}", headers=bearing(owner.token))
        told = await api.ask("{auditEvents(first: 5){nodes{action}}}", token=owner.token)

    assert answer.content == LARGE
    assert [one["action"] for one in told.data["auditEvents"]["nodes"]].count("file:self:read") == 1


async def test_a_file_that_vanishes_while_it_is_read_ends_short_and_is_logged_in_a_line(
    start: Start, settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    agency, owner = await an_owner(database, settings)
    async with start() as api:
        file_id = await stored(api, agency, owner)
        async with slow_reader(api, f"/files/{file_id}", owner.token) as line:
            async with begin(database, agency.scope) as uow:
                row = await tenants.file_of(uow, decode_as("file", file_id))
                row.expires_at = await uow.now()
                await uow.flush()
                await tenants.forget_files(uow)
            body = await rest_of(line)
        again = await api.http.get(f"{api.url}/files/{file_id}", headers=bearing(owner.token))

    assert 1_000_000 < len(body) < len(LARGE)
    assert again.status_code == 404
    logged = capsys.readouterr()
    assert (logged.out + logged.err).count("download ended short") == 1
    assert "Traceback" not in logged.out + logged.err


async def test_a_piece_that_finds_no_connection_for_a_moment_is_asked_for_again(
    start: Start, settings: Settings, database: Database
) -> None:
    agency, owner = await an_owner(database, settings)
    async with start(database={"pool_size": 1, "pool_timeout_s": 0.3}) as api:
        file_id = await stored(api, agency, owner)
        async with slow_reader(api, f"/files/{file_id}", owner.token) as line:
            async with locked(settings, "topic") as topics:
                asking = asyncio.create_task(api.ask("{topics{nodes{id}}}", token=owner.token))
                while await topics.waiting() == 0:
                    await asyncio.sleep(0.02)
                reading = asyncio.create_task(rest_of_answer(line))
                await asyncio.sleep(0.8)
            await asking
            _, _, body = (await reading).partition(b"\r\n\r\n")

    assert body == LARGE


async def test_an_organization_has_a_bounded_number_of_downloads_open_and_links_count_for_it(
    start: Start, settings: Settings, database: Database
) -> None:
    agency, owner = await an_owner(database, settings)
    another, other = await an_owner(database, settings)
    (copied,) = await a_copy(database, agency, Copied(0, PNG, "image/png"))
    async with start(admission={"downloads": 2, "line": 0}) as api:
        file_id, theirs = await stored(api, agency, owner), await stored(api, another, other, PNG)
        link = link_of(settings, agency, file_id)
        paths = [f"/files/{file_id}", f"/attachments/{copied}", link]
        async with slow_reader(api, paths[0], owner.token), slow_reader(api, link):
            refused = [await api.http.get(api.url + one, headers=bearing(owner.token)) for one in paths]
            neighbour = await api.http.get(f"{api.url}/files/{theirs}", headers=bearing(other.token))
            asked = await api.ask(VIEWER, token=owner.token)
        await asyncio.sleep(0.3)
        later = [await api.http.get(api.url + one, headers=bearing(owner.token)) for one in paths]

    assert [(one.status_code, one.json()["error"]["code"]) for one in refused] == [(429, "too_many_requests")] * 3
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert (neighbour.status_code, neighbour.content) == (200, PNG)
    assert asked.data["viewer"]
    assert [one.status_code for one in later] == [200, 200, 200]


async def test_what_does_not_end_in_a_download_leaves_its_place(
    start: Start, settings: Settings, database: Database
) -> None:
    agency, owner = await an_owner(database, settings)
    async with start(admission={"downloads": 1, "line": 0}) as api:
        file_id = await stored(api, agency, owner, PNG)
        missing = [await api.http.get(f"{api.url}/files/x", headers=bearing(owner.token)) for _ in range(3)]
        found = [await api.http.get(f"{api.url}/files/{file_id}", headers=bearing(owner.token)) for _ in range(3)]

    assert {one.status_code for one in missing} == {404}
    assert {one.status_code for one in found} == {200}
