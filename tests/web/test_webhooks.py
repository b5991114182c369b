"""Webhooks over HTTP: what is signed is stored once, and everything else has a typed answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json

import httpx
import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.platforms.port import Channel
from server.platforms.registry import Registry
from tests.factories.channels import a_body, a_page, a_text, an_external_id, signature_of
from tests.factories.tenants import a_franchise, an_agency
from tests.web.conftest import (
    MAX_WEBHOOK_BYTES,
    SECRET,
    VERIFY_TOKEN,
    Web,
    a_connector,
    an_app,
    configured,
    dead_database,
    dependencies,
    error_of,
    serving,
)

EVENTS_OF = "platform_event WHERE page_id = :page"
JOBS_OF = "job WHERE kind = 'channels.drain_page' AND organization_id = :organization"


async def test_a_signed_event_is_stored_once_however_often_it_is_delivered(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    body = a_body(a_text(page.external_id, "77"))

    answers = [(await web.deliver(body)).json() for _ in range(3)]

    assert answers[0] == {"stored": 1, "duplicates": 0, "strays": 0}
    assert answers[1:] == [{"stored": 0, "duplicates": 1, "strays": 0}] * 2
    assert await web.count(EVENTS_OF, page=page.id) == 1
    assert await web.count(JOBS_OF + " AND dedupe_key = :key", organization=agency.id, key=str(page.id)) == 1


async def test_twenty_deliveries_at_once_store_one_event(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    body = a_body(*(a_text(page.external_id, person) for person in ("1", "2", "3")))

    answers = await asyncio.gather(*(web.deliver(body) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["stored"] for answer in answers) == 3
    assert await web.count(EVENTS_OF, page=page.id) == 3


async def test_a_duplicate_asks_for_no_more_work(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    body = a_body(a_text(page.external_id))
    await web.deliver(body)

    await web.deliver(body)

    async with database.unscoped_system() as session:
        told = await session.execute(
            text("SELECT generation FROM job WHERE organization_id = :id AND kind = 'channels.drain_page'"),
            {"id": agency.id},
        )
        assert told.scalars().all() == [0]


async def test_one_body_for_two_tenants_gives_each_its_own_events_and_work(web: Web, database: Database) -> None:
    agency, franchise = await an_agency(database), await a_franchise(database)
    first = await a_page(database, agency, agency.units["client 1"])
    second = await a_page(database, franchise, franchise.units["location 2"])

    answer = await web.deliver(
        a_body(a_text(first.external_id), a_text(second.external_id), a_text(second.external_id, "2"))
    )

    assert answer.json() == {"stored": 3, "duplicates": 0, "strays": 0}
    for page, organization, count in ((first, agency, 1), (second, franchise, 2)):
        own = f"{EVENTS_OF} AND organization_id = :organization"
        assert await web.count(own, page=page.id, organization=organization.id) == count
        assert await web.count(EVENTS_OF, page=page.id) == count
        assert await web.count(JOBS_OF, organization=organization.id) == 1


async def test_an_event_of_a_page_that_nobody_connected_is_kept_as_one_stray(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    unknown = an_external_id()
    body = a_body(a_text(unknown), a_text(page.external_id))

    answers = [(await web.deliver(body)).json() for _ in range(2)]

    assert answers == [{"stored": 1, "duplicates": 0, "strays": 1}, {"stored": 0, "duplicates": 2, "strays": 0}]
    stray = "stray_event WHERE reason = 'unknown_page' AND position(:mark IN convert_from(body, 'UTF8')) > 0"
    assert await web.count(stray, mark=unknown) == 1


BODY = a_body(a_text("100", mid="m_corpus"))
SHA1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
GOOD = signature_of(BODY, SECRET)


@pytest.mark.parametrize(
    ("_case", "headers", "body"),
    [
        ("no signature", {}, BODY),
        ("empty", {"x-hub-signature-256": ""}, BODY),
        ("another secret", {"x-hub-signature-256": signature_of(BODY, "other")}, BODY),
        ("empty secret", {"x-hub-signature-256": signature_of(BODY, "")}, BODY),
        ("sha1 only", {"x-hub-signature": SHA1}, BODY),
        ("sha1 in the header of sha256", {"x-hub-signature-256": SHA1}, BODY),
        ("without its prefix", {"x-hub-signature-256": GOOD[7:]}, BODY),
        ("upper case", {"x-hub-signature-256": GOOD.upper()}, BODY),
        ("cut short", {"x-hub-signature-256": GOOD[:-1]}, BODY),
        ("one digit more", {"x-hub-signature-256": GOOD + "0"}, BODY),
        ("of another body", {"x-hub-signature-256": GOOD}, BODY.replace(b"Hello", b"Hallo")),
        ("body with a space more", {"x-hub-signature-256": GOOD}, BODY + b" "),
        ("empty body", {"x-hub-signature-256": GOOD}, b""),
        ("no hex", {"x-hub-signature-256": "sha256=" + "g" * 64}, BODY),
    ],
)
async def test_what_is_not_signed_by_the_platform_is_refused_and_not_kept(
    _case: str, headers: dict[str, str], body: bytes, web: Web
) -> None:
    before = await web.count("stray_event")

    answer = await web.http.post(f"{web.url}/webhooks/messenger", content=body, headers=headers)

    assert answer.status_code == 401
    assert error_of(answer)["code"] == "webhook.signature_invalid"
    assert await web.count("stray_event") == before


@pytest.mark.parametrize(
    ("_case", "body"),
    [
        ("no JSON", b"hello"),
        ("empty", b""),
        ("cut short", BODY[:-5]),
        ("a number", b"7"),
        ("a list", b"[]"),
        ("no entry", b'{"object": "page"}'),
        ("entry is no list", b'{"object": "page", "entry": {}}'),
        ("not UTF-8", b'{"object": "page", "entry": ["\xff\xfe"]}'),
        ("UTF-16", '{"object": "page", "entry": []}'.encode("utf-16")),
        ("nested deeply", b'{"entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("objects nested deeply", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        ("not a number", b'{"object": "page", "entry": NaN}'),
        ("a NUL byte", b"\x00" + BODY),
    ],
)
async def test_a_signed_body_that_nobody_can_read_is_kept_and_answered_with_400(
    _case: str, body: bytes, web: Web
) -> None:
    answers = [await web.deliver(body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert error_of(answers[0])["code"] == "webhook.body_malformed"
    kept = "stray_event WHERE channel = 'MESSENGER' AND reason = 'malformed' AND digest = :digest AND body = :body"
    assert await web.count(kept, digest=hashlib.sha256(body).digest(), body=body) == 1


async def test_text_that_postgresql_cannot_hold_does_not_cost_the_rest_of_the_body(
    web: Web, database: Database
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    deep: object = "deep"
    for _ in range(200):
        deep = [deep]
    items = [
        a_text(page.external_id, text="a\x00b"),
        a_text(page.external_id, text="half \ud83d"),
        a_text(page.external_id, person="9\x00", text="id"),
        a_text(page.external_id, mid="m_\x00"),
        a_text(page.external_id, mid="m" * 20_000),
        a_text(page.external_id, text="😀 ok"),
        a_text(page.external_id) | {"strange": deep},
    ]

    answer = await web.deliver(a_body(*items))

    told = answer.json()
    assert answer.status_code == 200, told
    assert told["stored"] + told["strays"] == len(items)
    assert await web.count(EVENTS_OF + " AND payload::text LIKE '%😀 ok%'", page=page.id) == 1


async def test_a_body_beyond_the_limit_is_refused_whether_it_says_its_length_or_not(web: Web) -> None:
    big = b"x" * (MAX_WEBHOOK_BYTES + 1)

    async def in_pieces():
        for start in range(0, len(big), 64_000):
            yield big[start : start + 64_000]

    told = await web.deliver(big)
    streamed = await web.http.post(f"{web.url}/webhooks/messenger", content=in_pieces())

    assert [told.status_code, streamed.status_code] == [413, 413]
    assert error_of(told)["code"] == error_of(streamed)["code"] == "payload_too_large"


async def test_a_body_that_only_announces_too_much_is_refused_before_it_comes(web: Web) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: {10**15}\r\n\r\n".encode()
    writer.write(head + b"x" * (MAX_WEBHOOK_BYTES + 10))

    line = await asyncio.wait_for(reader.readline(), 5)

    assert b" 413 " in line
    writer.close()


async def test_a_body_that_drips_is_refused_after_its_time(web: Web) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")

    answer = await asyncio.wait_for(reader.read(), 5)

    assert b" 408 " in answer.split(b"\r\n", 1)[0]
    assert b"request_timeout" in answer
    writer.close()


async def test_a_client_that_leaves_in_the_middle_harms_nobody(web: Web) -> None:
    host, port = web.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await web.http.get(f"{web.url}/health/live")).status_code == 200


async def test_a_large_batch_of_many_people_is_stored_whole(web: Web, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    items = [a_text(page.external_id, str(person), text="") for person in range(900)]

    answer = await web.deliver(a_body(*items))

    assert answer.json() == {"stored": 900, "duplicates": 0, "strays": 0}
    assert await web.count(JOBS_OF, organization=agency.id) == 1


async def test_the_handshake_is_answered_with_the_challenge_as_text(web: Web) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}

    answer = await web.http.get(f"{web.url}/webhooks/messenger", params=query)

    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "change",
    [{"hub.verify_token": "other"}, {"hub.verify_token": ""}, {"hub.mode": "unsubscribe"}, {"hub.challenge": "<b>"}],
)
async def test_a_handshake_that_is_not_ours_is_refused(change: dict[str, str], web: Web) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"} | change

    answer = await web.http.get(f"{web.url}/webhooks/messenger", params=query)

    assert answer.status_code == 403
    assert error_of(answer)["code"] == "webhook.handshake_refused"


@pytest.mark.parametrize("name", ["myspace", "tiktok", "messenger%00", "."])
async def test_a_channel_that_is_not_offered_is_not_found(name: str, web: Web) -> None:
    answers = [
        await web.http.post(f"{web.url}/webhooks/{name}", content=b"{}"),
        await web.http.get(f"{web.url}/webhooks/{name}"),
        await web.http.get(f"{web.url}/oauth/{name}/callback"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert {error_of(answer)["code"] for answer in answers} == {"not_found"}


async def test_without_a_database_the_platform_is_asked_to_come_again(settings: Settings) -> None:
    away = dead_database(settings)
    deps = dependencies(away, Registry({Channel.MESSENGER: a_connector()}), configured(settings, "http://127.0.0.1"))
    async with serving(an_app(deps)) as url, httpx.AsyncClient(trust_env=False, timeout=20) as http:
        answers = []
        for body in (BODY, b"not json"):
            headers = {"x-hub-signature-256": signature_of(body, SECRET)}
            answers.append(await http.post(f"{url}/webhooks/messenger", content=body, headers=headers))
        ready, live = await http.get(f"{url}/health/ready"), await http.get(f"{url}/health/live")
    await deps.registry.aclose()
    await away.aclose()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in [*answers, ready])
    assert {error_of(answer)["code"] for answer in answers} == {"unavailable"}
    assert (ready.status_code, live.status_code) == (503, 200)
    told = json.loads(ready.text)
    assert (told["status"], told["error"]["code"], told["parts"]["database"]) == ("unavailable", *["unavailable"] * 2)
    assert told["error"]["requestId"] == ready.headers["x-request-id"]


async def test_a_service_with_its_databases_is_ready(web: Web) -> None:
    answer = await web.http.get(f"{web.url}/health/ready")

    told = json.loads(answer.text)
    assert (answer.status_code, told["status"]) == (200, "ok")
    assert {told["parts"][name] for name in ("database", "rights", "revision", "write")} == {"ok"}
