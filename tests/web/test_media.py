"""Media over HTTP: what is taken must be what it says, and what is served needs a link that holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode_as, encode, new_id
from server.sends import media_links
from server.sends.media_links import MediaLink
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person
from tests.factories.trees import two_regions

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
PDF = b"%PDF-1.7 " + b"0" * 100


async def send(api: Api, unit: str, person: APerson, body: bytes, media: str) -> tuple[int, dict[str, object]]:
    """Upload one file."""
    answer = await api.http.post(
        f"{api.url}/files",
        params={"unit": unit, "name": "menü.bin"},
        content=body,
        headers={"content-type": media, "authorization": f"Bearer {person.token}"},
    )
    return answer.status_code, answer.json()


async def an_agent(database: Database, settings: Settings) -> tuple[AnOrganization, str, APerson]:
    """An organization and somebody who answers there, but manages no units."""
    tree = await two_regions(database)
    agent = await a_person(database, settings, tree, tree.root_id, Role.OPERATOR)
    return tree, encode("unit", tree.root_id), agent


def link_of(settings: Settings, organization: AnOrganization, file_id: object, *, lasts_s: float = 60) -> str:
    """Write the path of a link."""
    ends_at = datetime.now(UTC) + timedelta(seconds=lasts_s)
    link = MediaLink(organization.id, decode_as("file", str(file_id)), ends_at)
    return "/media/" + media_links.write(settings.security.pepper.get_secret_value(), link)


async def test_a_picture_is_taken_and_its_link_shows_it_without_a_token(
    database: Database, settings: Settings, api: Api
) -> None:
    tree, unit, agent = await an_agent(database, settings)

    status, told = await send(api, unit, agent, PNG, "image/png")
    fetched = await api.http.get(api.url + link_of(settings, tree, told["id"]))

    assert (status, told["size"]) == (201, len(PNG))
    assert (fetched.status_code, fetched.content, fetched.headers["content-type"]) == (200, PNG, "image/png")
    assert fetched.headers["content-disposition"] == "inline"
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert fetched.headers["cache-control"].startswith("private, max-age=")


async def test_what_is_no_picture_is_a_download(database: Database, settings: Settings, api: Api) -> None:
    tree, unit, agent = await an_agent(database, settings)
    _, told = await send(api, unit, agent, PDF, "application/pdf")

    fetched = await api.http.get(api.url + link_of(settings, tree, told["id"]))

    assert fetched.headers["content-disposition"].startswith("attachment; ")


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (PDF, "image/png", 415, "media_type_differs"),
        (b"<html><script>alert(1)</script>", "image/jpeg", 415, "media_type_differs"),
        (b"", "image/gif", 415, "media_type_differs"),
        (PNG, "image/svg+xml", 415, "unsupported_media_type"),
        (b"\xff\xd8\xff" + b"0" * 26_000_000, "image/jpeg", 413, "payload_too_large"),
    ],
)
async def test_a_file_that_is_not_what_it_says_or_too_large_for_every_channel_is_refused(
    database: Database, settings: Settings, api: Api, body: bytes, media: str, status: int, code: str
) -> None:
    _, unit, agent = await an_agent(database, settings)

    found, told = await send(api, unit, agent, body, media)

    assert (found, told["error"]["code"]) == (status, code)  # type: ignore[index]


async def test_a_link_that_is_over_forged_or_of_a_foreign_file_shows_nothing(
    database: Database, settings: Settings, api: Api
) -> None:
    tree, unit, agent = await an_agent(database, settings)
    other = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    _, told = await send(api, unit, agent, PNG, "image/png")
    _, sheet = await send(api, unit, admin, b"a,b\n", "text/csv")
    good = link_of(settings, tree, told["id"])
    paths = [
        link_of(settings, tree, told["id"], lasts_s=-1),
        good[:-5] + ("AAAAA" if not good.endswith("AAAAA") else "BBBBB"),
        link_of(settings, other, told["id"]),
        link_of(settings, tree, encode("file", new_id())),
        link_of(settings, tree, sheet["id"]),
        "/media/x",
    ]

    answers = [await api.http.get(api.url + path) for path in paths]

    assert {one.status_code for one in answers} == {404}
    assert len({one.json()["error"]["message"] for one in answers}) == 1
