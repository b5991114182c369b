"""Connecting pages for real: a member begins, a person consents at the stand-in, the browser comes back, pages are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from server.channels import service as channels
from server.channels.service import Dialogue, PageResult
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode_as
from server.platforms.port import Channel
from server.platforms.registry import Registry
from server.tenants.scope import Scope
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.channels import an_external_id
from tests.standin_server import Platform


@dataclass(frozen=True, slots=True)
class Stage:
    """Everybody who takes part in a dialogue."""

    database: Database
    settings: Settings
    registry: Registry
    api: Api
    platform: Platform


@dataclass(frozen=True, slots=True)
class Landed:
    """What the browser brought back to the application."""

    connection_id: UUID
    completion: str


async def a_person_with(platform: Platform, pages: list[str], callback: str | None = None) -> str:
    """Somebody at Facebook who has these pages; return their id."""
    person = an_external_id()
    await platform.control("people", [{"id": person, "name": "Ada"}])
    more = {"callback_url": callback} if callback else {}
    rows = [
        {"id": page, "name": f"Page {page}", "people": [person], "ad_account": {"id": f"act_{page}"}} | more
        for page in pages
    ]
    await platform.control("pages", rows)
    return person


async def the_address(stage: Stage, scope: Scope, unit_id: UUID, channel: Channel = Channel.MESSENGER) -> str:
    """Begin a dialogue; return where the person is sent."""
    redirect_uri = channels.callback_uri(stage.settings.web.public_url, channel)
    async with begin(stage.database, scope) as uow:
        connector = stage.registry.of(channel)
        dialogue = Dialogue("https://app.example.test/connected")
        _, url = await channels.begin_connection(uow, connector, channel, unit_id, redirect_uri, dialogue)
    return url


async def the_callback(stage: Stage, url: str, person: str) -> str:
    """The person allows it; return the callback's address on the running server, with all that it carries."""
    asked = dict(parse_qsl(urlsplit(url).query))
    answer = await stage.platform.http.post(
        url.split("?", maxsplit=1)[0], data={**asked, "person": person, "account": person, "action": "allow"}
    )
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return f"{stage.api.url}{back.path}?{back.query}"


async def landed(stage: Stage, callback: str) -> Landed:
    """The browser comes back."""
    answer = await stage.api.http.get(callback)
    assert answer.status_code == 303, answer.text
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert "completion" in query, query
    return Landed(decode_as("con", query["connection"]), query["completion"])


async def granted(
    stage: Stage, scope: Scope, unit_id: UUID, person: str, channel: Channel = Channel.MESSENGER
) -> Landed:
    """Walk the dialogue to its good end."""
    url = await the_address(stage, scope, unit_id, channel)
    return await landed(stage, await the_callback(stage, url, person))


async def connected(
    stage: Stage,
    scope: Scope,
    unit_id: UUID,
    person: str,
    pages: list[str],
    channel: Channel = Channel.MESSENGER,
) -> list[PageResult]:
    """Connect pages of a person to one unit."""
    at = await granted(stage, scope, unit_id, person, channel)
    async with begin(stage.database, scope) as uow:
        return await channels.finish_connection(
            uow, at.connection_id, at.completion, [(page, unit_id) for page in pages]
        )
