"""GET /attachments/{id}: our copies, for who may read the inbox there; for everybody else there is nothing."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from server.auth import service as auth
from server.config import Settings
from server.inbox import service as inbox
from server.inbox.service import media
from server.inbox.service.media import Copied
from server.kit.db import Database
from server.kit.ids import decode_as, encode, new_id
from server.platforms.port import Attachment, MessageReceived
from server.sends import media_links
from server.sends.media_links import MediaLink
from server.tenants.rules import Permission, Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.inbox import a_contact, a_page, conversation_of, messages_of
from tests.factories.tenants import AnOrganization, a_person, an_agency

PICTURE = b"\x89PNG\r\n\x1a\n of a cake"


async def a_copy(database: Database, agency: AnOrganization, *copies: Copied) -> list[str]:
    """Let a person of client 1 send attachments, and keep what came of them; return the ids."""
    page = await a_page(database, agency, agency.units["client 1"])
    contact_id = await a_contact(database, agency, page)
    attached = tuple(Attachment("image", f"https://platform.example.test/{one.position}", None) for one in copies)
    async with begin(database, agency.scope) as uow:
        event = MessageReceived("person", f"m_{new_id().hex}", None, attached, await uow.now())
        await inbox.receive_message(uow, page, contact_id, event)
    talk = await conversation_of(database, agency, page, contact_id)
    (message,) = await messages_of(database, agency, talk.id)
    async with begin(database, agency.scope) as uow:
        await media.store_copies(uow, message.id, copies)
    async with begin_read(database, agency.scope) as uow:
        rows = (await media.copies_of(uow, [message.id]))[message.id]
    return [encode("med", row.id) for row in rows]


async def status(api: Api, path: str, token: str | None) -> tuple[int, str]:
    """Ask for an attachment; return the status and what stands in the body instead of it, without the request's number."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = await api.http.get(f"{api.url}/attachments/{path}", headers=headers)
    told = answer.json()["error"]["message"] if answer.status_code >= 400 else ""
    assert PICTURE not in answer.content or answer.status_code == 200
    return answer.status_code, told


async def test_a_copy_of_somebody_else_is_as_good_as_none(api: Api, database: Database, settings: Settings) -> None:
    # Given: a copy, and people who may nearly everything at the sibling and in another organization.
    agency, other = await an_agency(database), await an_agency(database)
    (copy,) = await a_copy(database, agency, Copied(0, PICTURE, "image/png"))
    here = agency.units["client 1"]
    reader = await a_person(database, settings, agency, here, Role.ANALYST)
    approver = await a_person(database, settings, agency, here, Role.APPROVER, "approver")
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.ADMIN, "sibling")
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    random = await status(api, encode("med", new_id()), stranger.token)

    # When they ask. Then: foreign, unreadable and random are told the same, and no token tells nothing.
    assert await status(api, copy, reader.token) == (200, "")
    assert {await status(api, copy, one.token) for one in (sibling, stranger, approver)} == {random}
    assert random[0] == 404
    assert (await status(api, copy, None))[0] == (await status(api, copy, "sb_nonsense"))[0] == 401


async def test_ids_of_other_kinds_garbage_and_what_has_no_copy_are_not_found(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    ok, none = await a_copy(
        database, agency, Copied(0, PICTURE, "image/png"), Copied(1, None, problem="the platform says 404")
    )
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    bad = [
        none,
        ok.replace("med_", "file_"),
        ok.replace("med_", "msg_"),
        ok[:-1],
        ok + "0",
        "%00",
        "..%2f" + ok,
        "med_",
    ]

    assert {(await status(api, one, owner.token))[0] for one in bad} == {404}


async def test_a_token_that_was_revoked_or_may_something_else_opens_nothing(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    (copy,) = await a_copy(database, agency, Copied(0, PICTURE, "image/png"))
    unit_id = agency.units["client 1"]
    tokens = {}
    async with begin(database, agency.scope) as uow:
        for name, permission in (("reads", Permission.INBOX_READ), ("contacts", Permission.CONTACT_READ)):
            tokens[name] = await auth.issue_service_token(
                uow, settings.security, name=name, unit_ids=[unit_id], permissions=[permission]
            )
    row, reads = tokens["reads"]
    assert (await status(api, copy, reads))[0] == 200

    async with begin(database, agency.scope) as uow:
        await auth.revoke_token(uow, row.id)

    assert (await status(api, copy, tokens["contacts"][1]))[0] == 404
    assert (await status(api, copy, reads))[0] == 401


def raw_of(token: str) -> bytes:
    """The bytes of a link."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def text_of(raw: bytes | bytearray) -> str:
    """The link of these bytes."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("changed", ["organization", "file", "end", "signature"])
async def test_no_part_of_a_media_link_can_be_exchanged(
    api: Api, database: Database, settings: Settings, changed: str
) -> None:
    # Given: a picture of ours and one of another organization, each with a good link.
    links = []
    for _ in range(2):
        agency = await an_agency(database)
        owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
        stored = await api.http.post(
            f"{api.url}/files",
            params={"unit": encode("unit", agency.root_id), "name": "cake.png"},
            content=PICTURE,
            headers={"content-type": "image/png", "authorization": f"Bearer {owner.token}"},
        )
        links.append((agency, stored.json()["id"]))
    pepper = settings.security.pepper.get_secret_value()
    async with begin_read(database, links[0][0].scope) as uow:
        ends_at = await uow.now() + timedelta(minutes=5)
    raw = [
        bytearray(raw_of(media_links.write(pepper, MediaLink(agency.id, decode_as("file", file_id), ends_at))))
        for agency, file_id in links
    ]
    good = "/media/" + text_of(raw[0])
    assert (await api.http.get(api.url + good)).content == PICTURE

    # When: one part of ours is replaced by that of theirs, or its end is moved.
    part = {"organization": slice(0, 16), "file": slice(16, 32), "end": slice(32, 37), "signature": slice(37, 69)}[
        changed
    ]
    forged = raw[0].copy()
    forged[part] = raw[1][part] if changed != "end" else (int.from_bytes(raw[0][part]) + 60).to_bytes(5)

    # Then: there is nothing.
    answer = await api.http.get(f"{api.url}/media/{text_of(forged)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
