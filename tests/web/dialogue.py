"""A member who connects pages: the parts that an application, a browser and a person at the platform play."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx

from server.channels import service as channels
from server.channels.models import ConnectionRow
from server.channels.service import PageResult
from server.kit.ids import decode_as
from server.platforms.port import Channel
from server.tenants.scope import Scope
from server.tenants.uow import begin
from server.web.oauth import CONNECTION_PREFIX
from tests.factories.channels import an_external_id
from tests.web.conftest import Web

RETURN_URL = "https://app.example.test/connected?tab=channels"


@dataclass
class APlatformPerson:
    """Somebody at the platform who has pages there."""

    id: str
    pages: list[str]


async def a_platform_person(web: Web, standin_url: str, pages: int = 1) -> APlatformPerson:
    """A person of the stand-in with pages of their own."""
    person = APlatformPerson(an_external_id(), [an_external_id() for _ in range(pages)])
    await web.http.post(f"{standin_url}/control/people", json=[{"id": person.id, "name": "Ada"}])
    rows = [
        {"id": page, "name": f"Page {number}", "people": [person.id], "ad_account": {"id": page}}
        for number, page in enumerate(person.pages)
    ]
    answer = await web.http.post(f"{standin_url}/control/pages", json=rows)
    assert answer.status_code == 200, answer.text
    return person


async def begin_at(
    web: Web, scope: Scope, unit_id: UUID, return_url: str | None = RETURN_URL
) -> tuple[ConnectionRow, str]:
    """The application begins a connection and gets the address of the dialogue."""
    redirect_uri = channels.callback_uri(web.deps.settings.web.public_url, Channel.MESSENGER)
    async with begin(web.deps.database, scope) as uow:
        dialogue = channels.Dialogue(return_url)
        return await channels.begin_connection(uow, web.connector, Channel.MESSENGER, unit_id, redirect_uri, dialogue)


async def walk(web: Web, authorize_url: str, person: str, action: str = "allow") -> str:
    """The person answers the platform's dialogue; return the callback's address with all that it carries."""
    shown = await web.http.get(authorize_url)
    assert shown.status_code == 200, shown.text
    asked = dict(parse_qsl(urlsplit(authorize_url).query))
    answer = await web.http.post(
        authorize_url.split("?", maxsplit=1)[0], data={**asked, "person": person, "action": action}
    )
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].split("#")[0]


@dataclass
class Landed:
    """What the browser was sent back to the application with."""

    query: dict[str, str]

    @property
    def connection_id(self) -> UUID:
        return decode_as(CONNECTION_PREFIX, self.query["connection"])

    @property
    def completion(self) -> str:
        return self.query["completion"]


def landed(answer: httpx.Response) -> Landed:
    """Read a redirect to the application."""
    assert answer.status_code == 303, answer.text
    return Landed(dict(parse_qsl(urlsplit(answer.headers["location"]).query)))


async def granted(web: Web, scope: Scope, unit_id: UUID, person: APlatformPerson) -> Landed:
    """Walk the dialogue to its good end."""
    _, url = await begin_at(web, scope, unit_id)
    return landed(await web.http.get(await walk(web, url, person.id)))


async def finished(web: Web, scope: Scope, at: Landed, *choices: tuple[str, UUID]) -> list[PageResult]:
    """The member chooses pages."""
    async with begin(web.deps.database, scope) as uow:
        return await channels.finish_connection(uow, at.connection_id, at.completion, choices)
