"""Senders that are slow, lie about what they send, or send garbage: an answer below 500, and everybody else is served."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib

import pytest

from server.kit.db import Database
from tests.factories.channels import a_body, a_page, a_text, signature_of
from tests.factories.tenants import an_agency
from tests.web.conftest import MAX_WEBHOOK_BYTES, SECRET, Web

BODY = a_body(a_text("100", mid="m_hostile"))
PATH = "/webhooks/messenger"


async def raw(web: Web, *parts: bytes, within_s: float = 5) -> list[int]:
    """Write these bytes on one connection and return the statuses of all answers, until the server ends it."""
    host, port = web.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for part in parts:
        writer.write(part)
    answer = await asyncio.wait_for(reader.read(), within_s)
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def post(body: bytes, *, close: bool = True, **headers: str) -> bytes:
    """One signed request."""
    told = {"host": "x", "content-length": str(len(body)), "x-hub-signature-256": signature_of(body, SECRET)}
    told |= {"connection": "close"} if close else {}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    return "".join([f"POST {PATH} HTTP/1.1\r\n", *(f"{k}: {v}\r\n" for k, v in told.items()), "\r\n"]).encode() + body


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png", ""),
        *("application/json; charset=utf-16", "application/json; charset=nonsense", "a" * 4_000),
    ],
)
async def test_the_content_type_changes_nothing(kind: str, web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])

    answer = await web.deliver(a_body(a_text(page.external_id)), content_type=kind)

    assert answer.json() == {"stored": 1, "duplicates": 0, "strays": 0}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_what_says_it_is_compressed_is_never_unpacked(encoding: str, web: Web) -> None:
    packed = gzip.compress(BODY) if "gzip" in encoding else zlib.compress(BODY)

    answers = [await web.deliver(body, content_encoding=encoding) for body in (packed, BODY)]

    assert [answer.status_code for answer in answers] == [400, 200]


async def test_a_bomb_is_kept_as_the_few_bytes_it_is(web: Web) -> None:
    bomb = gzip.compress(b"[" + b"0," * 20_000_000 + b"0]", compresslevel=1)
    assert len(bomb) < MAX_WEBHOOK_BYTES

    answer = await web.deliver(bomb, content_encoding="gzip")

    assert answer.status_code == 400
    assert await web.count("stray_event WHERE reason = 'malformed' AND body = :body", body=bomb) == 1


@pytest.mark.parametrize(
    "behind",
    [
        b"\x00\x01\x02\x03garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /webhooks/messenger HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nno chunk\r\n",
        b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_garbage_behind_a_good_request_costs_only_itself(behind: bytes, web: Web) -> None:
    statuses = await raw(web, post(BODY, close=False), behind)

    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 401, 404, 405}
    assert (await web.deliver(BODY)).status_code == 200


async def test_many_requests_on_one_connection_are_answered_in_their_order(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    bodies = [a_body(a_text(page.external_id, mid=f"m_{number}")) for number in range(20)]
    forged = post(bodies[0]).replace(b"sha256=", b"sha256=0")

    statuses = await raw(web, *(post(body, close=False) for body in bodies[:10]), forged)

    assert statuses == [200] * 10 + [401]
    assert await web.count("platform_event WHERE page_id = :page", page=page.id) == 10


async def test_two_hundred_half_bodies_end_in_time_and_hold_nobody_up(web: Web) -> None:
    half = post(BODY, content_length=str(len(BODY) + 100))
    dripping = [asyncio.create_task(raw(web, half)) for _ in range(200)]
    await asyncio.sleep(0)

    answers = [await web.deliver(BODY) for _ in range(10)]
    ended = await asyncio.gather(*dripping)

    assert {answer.status_code for answer in answers} == {200}
    assert ended == [[408]] * 200


async def test_chunks_of_one_byte_are_one_body(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    body = a_body(a_text(page.external_id))

    async def crumbs():
        for byte in body:
            yield bytes([byte])

    headers = {"x-hub-signature-256": signature_of(body, SECRET)}
    answer = await web.http.post(f"{web.url}{PATH}", content=crumbs(), headers=headers)

    assert answer.json() == {"stored": 1, "duplicates": 0, "strays": 0}


async def test_a_thousand_headers_and_a_huge_one_are_no_error_of_ours(web: Web) -> None:
    many = await raw(web, post(BODY, **{f"x_{number}": "y" for number in range(1_000)}))
    huge = await raw(web, post(BODY, x_huge="y" * 200_000))

    assert (many, huge) == ([431], [431])
    assert (await web.deliver(BODY)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_are_refused(method: str, web: Web) -> None:
    answer = await web.http.request(method, f"{web.url}{PATH}", content=BODY)

    assert answer.status_code in {400, 405}
