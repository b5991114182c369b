"""Connecting pages over HTTP: begin, the dialogue at the platform, the way back, the choice; and disconnecting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.channels import a_page, an_external_id
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details, statements
from tests.standin_server import Platform

RETURN_URL = "https://app.example.test/connected"
BEGIN = "connection { id channel state pages { name } } authorizeUrl"
FINISH = """results { externalId page { id name health externalId unit { name } }
  userErrors { __typename code message path ... on DetailedError { details { name values } } } }"""
FOUND = """query($id: ID!, $completion: String!) { channelConnection(id: $id, completion: $completion) {
  id state channel pages { externalId name tasks hasAdAccount } } }"""
PAGES = "query($first: Int, $filter: PageFilter) { pages(first: $first, filter: $filter) { nodes { id name unit { name } } } }"


@dataclass(frozen=True, slots=True)
class AnApplication:
    """A front end with its manager, and the manager's account at the platform with pages of its own."""

    api: Api
    platform: Platform = field(repr=False)
    organization: AnOrganization
    manager: APerson
    account: str
    pages: list[str]

    def unit(self, name: str = "client 1") -> str:
        """The id of a unit."""
        return encode("unit", self.organization.units[name])

    async def connected(self) -> dict[str, str]:
        """Walk the dialogue; return the parameters that the browser brought back."""
        asked = {"channel": "MESSENGER", "unitId": self.unit(), "returnUrl": RETURN_URL}
        begun = await change(self.api, "channelConnectBegin", BEGIN, asked, token=self.manager.token)
        assert codes(begun) == []
        dialogue = urlsplit(begun["authorizeUrl"])
        form = dict(parse_qsl(dialogue.query)) | {"person": self.account, "action": "allow"}
        answer = await self.platform.http.post(f"{self.platform.url}{dialogue.path}", data=form)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        landed = await self.api.http.get(f"{self.api.url}{back.path}?{back.query}")
        assert landed.status_code == 303, landed.text
        brought = dict(parse_qsl(urlsplit(landed.headers["location"]).query))
        assert brought["connection"] == begun["connection"]["id"]
        return brought

    def choice(self, brought: dict[str, str], *pages: tuple[str, str]) -> dict[str, Any]:
        """The input that connects pages to units."""
        chosen = [{"externalId": page, "unitId": unit} for page, unit in pages]
        return {"connectionId": brought["connection"], "completion": brought["completion"], "pages": chosen}


@pytest.fixture
async def application(api: Api, database: Database, settings: Settings, platform: Platform) -> AnApplication:
    """An application whose manager has two pages at the platform."""
    agency = await an_agency(database)
    manager = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    account, pages = an_external_id(), [an_external_id(), an_external_id()]
    await platform.control("people", [{"id": account, "name": "Ada"}])
    rows = [
        {"id": page, "name": f"Page {number}", "people": [account], "ad_account": {"id": page}}
        for number, page in enumerate(pages)
    ]
    await platform.control("pages", rows)
    return AnApplication(api, platform, agency, manager, account, pages)


async def test_pages_are_connected_to_their_units_and_one_that_fails_keeps_none_away(
    application: AnApplication, database: Database
) -> None:
    app, token = application, application.manager.token
    brought = await app.connected()
    one, two = app.pages

    offered = await app.api.ask(FOUND, {"id": brought["connection"], "completion": brought["completion"]}, token=token)
    chosen = app.choice(brought, (one, app.unit("client 1")), ("4711", app.unit()), (two, app.unit("client 2")))
    finished = await change(app.api, "channelConnectFinish", FINISH, chosen, token=token, key="finish")
    again = await change(app.api, "channelConnectFinish", FINISH, chosen, token=token, key="finish")
    listed = await app.api.ask(PAGES, {"filter": {"unitId": app.unit("client 2")}}, token=token)

    shown = offered.data["channelConnection"]
    assert (shown["state"], [page["externalId"] for page in shown["pages"]]) == ("GRANTED", [one, two])
    results = finished["results"]
    assert [result["page"] and result["page"]["unit"]["name"] for result in results] == ["client 1", None, "client 2"]
    assert codes(results[1]) == ["CHANNEL_PAGE_NOT_OFFERED"]
    assert again == finished
    assert [page["name"] for page in listed.data["pages"]["nodes"]] == ["Page 1"]
    async with begin_read(database, app.organization.scope) as uow:
        acts = await uow.session.scalars(text("SELECT action FROM audit_event WHERE action LIKE 'channel:page:%'"))
        assert acts.all() == ["channel:page:connect"] * 2


async def test_a_page_with_its_history_elsewhere_names_the_unit_by_a_usable_id(application: AnApplication) -> None:
    app, token = application, application.manager.token
    first, page = await app.connected(), app.pages[0]
    await change(app.api, "channelConnectFinish", FINISH, app.choice(first, (page, app.unit("client 2"))), token=token)
    second = await app.connected()

    refused = await change(
        app.api, "channelConnectFinish", FINISH, app.choice(second, (page, app.unit("client 1"))), token=token
    )

    (error,) = refused["results"][0]["userErrors"]
    assert error["code"] == "CHANNEL_PAGE_IN_OTHER_UNIT"
    assert details(error) == {"unitId": [app.unit("client 2")]}


async def test_a_connection_belongs_to_who_began_it_and_to_the_browser_that_ended_it(
    application: AnApplication, database: Database, settings: Settings
) -> None:
    app = application
    brought = await app.connected()
    colleague = await a_person(database, settings, app.organization, app.organization.root_id, Role.ADMIN)
    chosen = app.choice(brought, (app.pages[0], app.unit()))

    stolen = await change(app.api, "channelConnectFinish", FINISH, chosen, token=colleague.token)
    seen = await app.api.ask(
        FOUND, {"id": brought["connection"], "completion": brought["completion"]}, token=colleague.token
    )
    node = await app.api.ask(
        "query($id: ID!) { node(id: $id) { id } }", {"id": brought["connection"]}, token=colleague.token
    )
    guessed = await change(
        app.api, "channelConnectFinish", FINISH, chosen | {"completion": "x" * 43}, token=app.manager.token
    )

    assert codes(stolen) == ["NOT_FOUND"]
    assert seen.codes == ["BAD_REQUEST"]
    assert node.data["node"] is None
    assert codes(guessed) == ["CHANNEL_COMPLETION_INVALID"]


@pytest.mark.parametrize("_case", ["foreign unit", "random unit", "login", "address", "too many", "none"])
async def test_a_connection_that_cannot_be_is_refused_as_data(
    application: AnApplication, database: Database, _case: str
) -> None:
    app, other = application, await an_agency(database)
    begin: dict[str, Any] = {"channel": "MESSENGER", "unitId": app.unit()}
    finish: dict[str, Any] = {"connectionId": encode("con", new_id()), "completion": "x", "pages": []}
    page = {"externalId": "1", "unitId": app.unit()}
    field, input, code, path = {
        "foreign unit": ("channelConnectBegin", begin | {"unitId": encode("unit", other.root_id)}, "NOT_FOUND", None),
        "random unit": ("channelConnectBegin", begin | {"unitId": "unit_x"}, "NOT_FOUND", ["unitId"]),
        "login": ("channelConnectBegin", begin | {"login": "DIRECT"}, "INVALID_INPUT", ["login"]),
        "address": ("channelConnectBegin", begin | {"returnUrl": "javascript:1"}, "INVALID_INPUT", ["returnUrl"]),
        "too many": ("channelConnectFinish", finish | {"pages": [page] * 251}, "INVALID_INPUT", ["pages"]),
        "none": ("channelConnectFinish", finish, "INVALID_INPUT", ["pages"]),
    }[_case]

    refused = await change(app.api, field, "__typename", input, token=app.manager.token)

    assert codes(refused) == [code]
    if path is not None:
        assert refused["userErrors"][0]["path"] == path


async def test_the_address_of_a_dialogue_is_not_kept_under_an_idempotency_key(
    application: AnApplication, database: Database
) -> None:
    app = application
    asked = {"channel": "MESSENGER", "unitId": app.unit()}

    first = await change(app.api, "channelConnectBegin", BEGIN, asked, token=app.manager.token, key="k")
    second = await change(app.api, "channelConnectBegin", BEGIN, asked, token=app.manager.token, key="k")

    assert first["connection"]["state"] == "STARTED"
    assert first["authorizeUrl"] != second["authorizeUrl"]
    assert first["connection"]["id"] != second["connection"]["id"]


async def test_a_page_is_disconnected_and_its_history_stays(api: Api, database: Database, settings: Settings) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    manager = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    operator = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.MANAGER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    one, selection = {"pageId": encode("page", page.id)}, "page { id health disconnectedAt }"

    for person, code in ((operator, "PERMISSION_DENIED"), (sibling, "NOT_FOUND"), (stranger, "NOT_FOUND")):
        assert codes(await change(api, "pageDisconnect", selection, one, token=person.token)) == [code]
    done = await change(api, "pageDisconnect", selection, one, token=manager.token)

    assert done["page"]["id"] == encode("page", page.id)
    assert done["page"]["health"] == "RECONNECT_NEEDED"
    assert done["page"]["disconnectedAt"] is not None


async def test_a_list_of_pages_with_their_units_costs_the_same_for_any_number(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database, clients=3)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    for number in range(12):
        await a_page(database, agency, agency.units[f"client {number % 3 + 1}"], name=f"Page {number:02}")

    with statements() as few:
        await api.ask(PAGES, {"first": 2}, token=owner.token)
    with statements() as many:
        listed = await api.ask(PAGES, {"first": 12}, token=owner.token)
    cut = await api.ask(PAGES, token=clerk.token)

    assert [page["name"] for page in listed.data["pages"]["nodes"]] == [f"Page {number:02}" for number in range(12)]
    assert len(many) == len(few), "\n".join(many)
    assert {page["unit"]["name"] for page in cut.data["pages"]["nodes"]} == {"client 1"}
