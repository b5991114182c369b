"""Whatever is not signed by the platform is refused, stored nowhere and costs nothing (G39), on every channel that is built."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from tests.api import Api
from tests.factories.channels import a_page
from tests.factories.tenants import an_agency
from tests.web.senders import BUILT, Sender, forgeries

CHANNELS = [pytest.param(one, id=one.channel.value.lower()) for one in BUILT]


async def facts(database: Database) -> tuple[int, ...]:
    """How many events, jobs and strays there are, with the eyes of the system role."""
    async with database.unscoped_system() as session:
        counts = [
            (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
            for table in ("platform_event", "job", "stray_event")
        ]
    return tuple(counts)


@pytest.mark.parametrize("sender", CHANNELS)
async def test_no_forged_webhook_is_accepted_stored_or_worked_on(sender: Sender, api: Api, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"], channel=sender.channel)
    body = sender.body(page.external_id, "m_forged")
    before = await facts(database)

    answers = {
        name: (await api.http.post(api.url + sender.path, content=given, headers=dict(headers))).status_code
        for name, headers, given in forgeries(sender, body)
    }

    assert answers == dict.fromkeys(answers, 401)
    assert len(answers) >= 15
    assert await facts(database) == before


@pytest.mark.parametrize("sender", CHANNELS)
async def test_the_same_body_with_its_signature_is_taken(sender: Sender, api: Api, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"], channel=sender.channel)
    body = sender.body(page.external_id, "m_true")

    answer = await api.http.post(api.url + sender.path, content=body, headers=sender.signed(body))

    assert (answer.status_code, answer.json()) == (200, {"stored": 1, "duplicates": 0, "strays": 0})


@pytest.mark.parametrize("sender", CHANNELS)
@pytest.mark.parametrize(
    "odd", [b"sha256=\xff\xfe", "sha256=é".encode(), b"\xf0\x9f\x98\x80", b"sha256=" + b"\x80" * 64]
)
async def test_a_header_that_is_not_ascii_is_refused_like_any_other(sender: Sender, odd: bytes, api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {sender.path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n{sender.header}: ".encode()

    writer.write(head + odd + b"\r\n\r\n{}")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert int(line.split()[1]) in {400, 401}, line


@pytest.mark.parametrize("sender", CHANNELS)
async def test_a_body_beyond_the_limit_is_refused_before_its_signature_is_looked_at(
    sender: Sender, api: Api, settings: Settings
) -> None:
    body = b"{" + b" " * settings.web.max_webhook_bytes + b"}"

    told = [
        await api.http.post(api.url + sender.path, content=body, headers=headers)
        for headers in (sender.signed(body), {sender.header: "nonsense"})
    ]

    assert [answer.status_code for answer in told] == [413, 413]
