"""What people attach stays readable when the platform's address of it has expired, and goes when they take it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.config import Settings
from server.kit.db import Database
from server.platforms.wire.fetch import Fetcher
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.sends import AShop, a_shop
from tests.factories.tenants import a_person
from tests.standin_server import Platform
from tests.workshop import Workshop

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
READ = """{ conversations(first: 5) { nodes { messages(first: 5) { nodes { text attachments { kind url
  copy { path mediaType size problem } } } } } } }"""
PSID = "700000000000003"


@pytest.fixture
async def gallery(workshop: Workshop) -> AsyncIterator[str]:
    """A place with a picture, which the operator trusts."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body, kind = (PNG, b"image/png") if b"/picture" in asked else (b"<script>alert(1)</script>", b"text/html")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: " + str(len(body)).encode()
        writer.write(head + b"\r\nconnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    registry = workshop.runtime.registry
    before, registry.fetcher = registry.fetcher, Fetcher([place])
    yield f"http://{place}"
    await registry.fetcher.aclose()
    registry.fetcher = before
    server.close()


async def _sent(platform: Platform, shop: AShop, kind: str, url: str) -> str:
    attachments = [{"type": kind, "payload": {"url": url}}]
    told = await platform.control(f"customers/{shop.page.external_id}/{PSID}/message", {"attachments": attachments})
    mid: str = told["mid"]
    return mid


async def _attachments(api: Api, token: str) -> list[dict]:
    [conversation] = (await api.ask(READ, token=token)).data["conversations"]["nodes"]
    return [one for message in conversation["messages"]["nodes"] for one in message["attachments"]]


async def test_a_picture_is_copied_and_given_out_to_who_may_read_the_inbox(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop, gallery: str
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    reader = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    other = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    stranger = await a_person(database, settings, other.organization, other.page.unit_id, Role.OWNER)
    await _sent(platform, shop, "image", f"{gallery}/picture")
    await workshop.settle(shop.organization.id, platform)

    [attachment] = await _attachments(api, reader.token)
    copy = attachment["copy"]
    answers = {
        name: await api.http.get(api.url + copy["path"], headers=headers)
        for name, headers in {
            "reader": {"authorization": f"Bearer {reader.token}"},
            "stranger": {"authorization": f"Bearer {stranger.token}"},
            "nobody": {},
        }.items()
    }

    assert (copy["mediaType"], copy["size"], copy["problem"]) == ("image/png", len(PNG), None)
    assert {name: one.status_code for name, one in answers.items()} == {"reader": 200, "stranger": 404, "nobody": 401}
    assert answers["reader"].content == PNG
    assert answers["reader"].headers["x-content-type-options"] == "nosniff"


async def test_what_could_be_a_page_with_scripts_is_given_out_as_plain_bytes(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop, gallery: str
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    reader = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    await _sent(platform, shop, "file", f"{gallery}/page.html")
    await workshop.settle(shop.organization.id, platform)

    [attachment] = await _attachments(api, reader.token)
    answer = await api.http.get(
        api.url + attachment["copy"]["path"], headers={"authorization": f"Bearer {reader.token}"}
    )

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_an_address_inside_of_our_own_network_is_not_fetched_and_says_so(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop, gallery: str
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    reader = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    await _sent(platform, shop, "image", "https://127.0.0.1/picture")
    await workshop.settle(shop.organization.id, platform)

    [attachment] = await _attachments(api, reader.token)

    assert attachment["copy"]["path"] is None
    assert "not fetched" in attachment["copy"]["problem"]
    assert await workshop.dead_jobs(shop.organization.id) == []


async def test_what_its_writer_took_back_has_no_copy_any_more(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop, gallery: str
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    reader = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    mid = await _sent(platform, shop, "image", f"{gallery}/picture")
    await workshop.settle(shop.organization.id, platform)
    [attachment] = await _attachments(api, reader.token)

    await platform.control(f"customers/{shop.page.external_id}/{PSID}/unsend", {"mid": mid})
    await workshop.settle(shop.organization.id, platform)

    answer = await api.http.get(
        api.url + attachment["copy"]["path"], headers={"authorization": f"Bearer {reader.token}"}
    )
    assert answer.status_code == 404
    assert await _attachments(api, reader.token) == []
