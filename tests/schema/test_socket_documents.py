"""Known documents over a WebSocket."""

from __future__ import annotations

from copy import copy

import httpx
import pytest

from server.app import create_app
from server.config import DocumentMode, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.conftest import ROOT
from tests.factories.documents import WEB_1, registered, the_id_of
from tests.factories.inbox import a_conversation, a_page
from tests.factories.tenants import APerson, a_person, an_agency
from tests.schema.live import CHANGES, a_socket, cursor_of


async def test_in_known_mode_a_socket_runs_known_documents_only(settings: Settings, database: Database) -> None:
    configured = copy(settings)
    configured.web = settings.web.model_copy(update={"documents": DocumentMode.KNOWN})
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    shipped = (ROOT / "frontend-contract" / "operations" / "inbox-changes.graphql").read_text()
    async with (
        serving(create_app(configured)) as url,
        httpx.AsyncClient() as http,
        a_socket(Api(url, http), person.token) as socket,
    ):
        await socket.say({"id": "1", "type": "subscribe", "payload": {"query": "subscription{inboxChanges{cursor}}"}})
        refused = await socket.hear()
        await socket.say({"id": "2", "type": "subscribe", "payload": {"query": shipped}})
        await socket.say({"type": "ping"})
        alive = await socket.hear()

    assert refused["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_ALLOWED"
    assert alive["type"] == "pong"


@pytest.mark.parametrize("says", ["with the upgrade", "in connection_init"])
async def test_a_socket_is_served_by_the_id_of_a_document_and_its_use_is_counted(
    settings: Settings, database: Database, says: str
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    text = "subscription Ours($after: String) { inboxChanges(after: $after) { conversation { contact { name } } } }"
    await registered(database, agency.scope, WEB_1, [text])
    build = {"x-client-name": "web", "x-client-version": "9"}
    headers, init = ({}, build) if says == "in connection_init" else (build, {})
    told = {}
    async with serving(create_app(settings)) as url, httpx.AsyncClient(trust_env=False) as http:
        api = Api(url, http)
        after = await cursor_of(api, person.token)
        await a_conversation(database, agency, await a_page(database, agency, agency.root_id), "Hello")
        async with a_socket(api, person.token, headers, init) as socket:
            for id, payload in {
                "by id": {"documentId": the_id_of(text)},
                "by both": {"documentId": the_id_of(text), "query": text},
                "of nothing": {"documentId": the_id_of("query Others { viewer { name } }")},
                "of another text": {"documentId": the_id_of(text), "query": CHANGES},
                "no text": {"documentId": 5},
            }.items():
                await socket.say({"id": id, "type": "subscribe", "payload": {**payload, "variables": {"after": after}}})
                told[id] = await socket.hear()
                await socket.say({"id": id, "type": "complete"})
    counted = await counted_uses(settings, person)

    assert [told[one]["type"] for one in ("by id", "by both")] == ["next", "next"]
    assert told["by id"]["payload"]["data"]["inboxChanges"]["conversation"]["contact"] is not None
    refused = {
        one: answer["payload"][0]["extensions"]["code"] for one, answer in told.items() if answer["type"] == "error"
    }
    assert refused == {
        "of nothing": "DOCUMENT_NOT_FOUND",
        "of another text": "DOCUMENT_NOT_FOUND",
        "no text": "BAD_REQUEST",
    }
    # In open mode a text is not looked up, so only what came by its id alone counts.
    assert counted == [{"operationName": "Ours", "app": "web", "version": "9", "uses": "1"}]


async def counted_uses(settings: Settings, person: APerson) -> list[object]:
    """Return what another process says of the uses of documents."""
    async with serving(create_app(settings)) as url, httpx.AsyncClient(trust_env=False) as http:
        asked = "{ documentUses { operationName app version uses } }"
        found: list[object] = (await Api(url, http).ask(asked, token=person.token)).data["documentUses"]
        return found
