"""Connecting by the thousand over HTTP: one operation per intention, a problem for each line, and nothing told to strangers."""

from __future__ import annotations

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
from tests.factories.channels import an_external_id
from tests.factories.connecting import Landed, Stage, a_person_with, connected, granted
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, send
from tests.standin_server import Platform
from tests.workshop import Workshop

MANY = "operation { id state total done failed problems { nodes { line code path } } }"
BEGIN = "connection { id state } authorizeUrl"
OPERATION = "query($id: ID!) { " + MANY.replace("operation", "operation(id: $id)") + " }"


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


async def a_manager(stage: Stage) -> tuple[AnOrganization, APerson]:
    """Somebody who may connect pages anywhere in an agency."""
    agency = await an_agency(stage.database)
    return agency, await a_person(stage.database, stage.settings, agency, agency.root_id, Role.ADMIN)


def asked(at: Landed, **rule: Any) -> dict[str, Any]:
    """The input that connects what a dialogue found."""
    return {"connectionId": encode("con", at.connection_id), "completion": at.completion, **rule}


def to(unit: str, *pages: str) -> list[dict[str, str]]:
    """Choices of one unit."""
    return [{"externalId": page, "unitId": unit} for page in pages]


async def test_a_list_is_connected_once_per_intention_and_each_page_that_fails_is_named_by_its_line(
    stage: Stage, api: Api, platform: Platform, workshop: Workshop
) -> None:
    # Given: three pages of which another organization has one, and a unit that the caller does not reach.
    (agency, manager), (foreign, owner) = await a_manager(stage), await a_manager(stage)
    pages = [an_external_id() for _ in range(3)]
    person = await a_person_with(platform, pages)
    await connected(stage, owner.scope, foreign.units["client 1"], person, pages[:1])
    here, there = encode("unit", agency.units["client 1"]), encode("unit", foreign.units["client 1"])
    at = await granted(stage, manager.scope, agency.units["client 1"], person)
    wanted = asked(at, pages=[*to(here, *pages[:2]), *to(there, pages[2])])

    # When: the same wish comes twice with its key.
    first = await change(api, "channelConnectMany", MANY, wanted, token=manager.token, key="k")
    again = await change(api, "channelConnectMany", MANY, wanted, token=manager.token, key="k")
    await workshop.settle(agency.id)

    # Then: one operation connected what it could, and says why not for the rest without naming anybody.
    assert (codes(first), first["operation"]["state"]) == ([], "QUEUED")
    assert again["operation"]["id"] == first["operation"]["id"]
    done = (await api.ask(OPERATION, {"id": first["operation"]["id"]}, token=manager.token)).data["operation"]
    assert (done["total"], done["done"], done["failed"]) == (3, 3, 2)
    told = {one["path"][-1]: one["code"] for one in done["problems"]["nodes"]}
    assert told == {pages[0]: "CHANNEL_PAGE_TAKEN", pages[2]: "NOT_FOUND"}
    assert str(foreign.id) not in str(done)
    async with begin_read(stage.database, agency.scope) as uow:
        acts = await uow.session.scalars(
            text("SELECT action FROM audit_event WHERE action LIKE 'channel:bulk_connect:%'")
        )
        assert sorted(acts) == ["channel:bulk_connect:end", "channel:bulk_connect:start"]


async def test_without_a_key_or_with_another_wish_under_it_nothing_is_begun(
    stage: Stage, api: Api, platform: Platform
) -> None:
    agency, manager = await a_manager(stage)
    unit = encode("unit", agency.units["client 1"])
    at = await granted(stage, manager.scope, agency.units["client 1"], await a_person_with(platform, ["1", "2"]))

    keyless = await send(api, "channelConnectMany", MANY, asked(at, unitId=unit), token=manager.token, key=None)
    first = await change(api, "channelConnectMany", MANY, asked(at, unitId=unit), token=manager.token, key="k")
    other = await send(api, "channelConnectMany", MANY, asked(at, pages=to(unit, "1")), token=manager.token, key="k")
    used = await change(api, "channelConnectMany", MANY, asked(at, unitId=unit), token=manager.token)

    assert (keyless.codes, other.codes) == (["IDEMPOTENCY_REQUIRED"], ["IDEMPOTENCY_KEY_REUSED"])
    assert codes(first) == []
    assert set(codes(used)) <= {"CHANNEL_COMPLETION_INVALID", "CHANNEL_CONNECTION_NOT_OPEN"}
    assert codes(used)


async def test_a_dialogue_of_somebody_else_a_file_out_of_reach_and_a_missing_right_are_refused(
    stage: Stage, api: Api, platform: Platform, database: Database, settings: Settings
) -> None:
    agency, manager = await a_manager(stage)
    _, stranger = await a_manager(stage)
    colleague = await a_person(database, settings, agency, agency.root_id, Role.ADMIN, "colleague")
    operator = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, "operator")
    unit = encode("unit", agency.units["client 1"])
    at = await granted(stage, manager.scope, agency.units["client 1"], await a_person_with(platform, ["1"]))
    uploaded = await api.http.post(
        f"{api.url}/files",
        params={"unit": encode("unit", (await an_agency(database)).root_id), "name": "pages.csv"},
        content=b"externalId,unitId\n",
        headers={"content-type": "text/csv", "authorization": f"Bearer {manager.token}"},
    )
    assert uploaded.status_code == 404

    async def refusal(person: APerson, wanted: dict[str, Any]) -> list[str]:
        return codes(await change(api, "channelConnectMany", MANY, wanted, token=person.token))

    random = asked(Landed(new_id(), at.completion), unitId=unit)
    assert await refusal(colleague, asked(at, unitId=unit)) == ["NOT_FOUND"]
    assert await refusal(stranger, asked(at)) == await refusal(stranger, asked(Landed(new_id(), "x"))) != []
    assert await refusal(manager, random) == ["NOT_FOUND"]
    assert await refusal(operator, asked(at, unitId=unit)) in (["NOT_FOUND"], ["PERMISSION_DENIED"])
    assert await refusal(manager, asked(at, fileId=encode("file", new_id()))) == ["NOT_FOUND"]
    assert await refusal(manager, asked(at, unitId=encode("unit", new_id()))) == ["NOT_FOUND"]


@pytest.mark.parametrize(
    "rule", [{}, {"pages": []}, {"unitId": True, "pages": True}, {"unitId": True, "fileId": True}], ids=str
)
async def test_a_wish_that_is_not_exactly_one_rule_is_refused_and_uses_nothing_up(
    stage: Stage, api: Api, platform: Platform, rule: dict[str, Any]
) -> None:
    agency, manager = await a_manager(stage)
    unit = encode("unit", agency.units["client 1"])
    at = await granted(
        stage, manager.scope, agency.units["client 1"], await a_person_with(platform, [an_external_id()])
    )
    real = {"unitId": unit, "pages": to(unit, "1"), "fileId": encode("file", new_id())}
    wanted = asked(at, **{name: real[name] if value is True else value for name, value in rule.items()})

    refused = await change(api, "channelConnectMany", MANY, wanted, token=manager.token)
    taken = await change(api, "channelConnectMany", MANY, asked(at, unitId=unit), token=manager.token)

    assert codes(refused) == ["CHANNEL_CHOICES_UNCLEAR"]
    assert codes(taken) == []


@pytest.mark.parametrize(("login", "is_direct"), [(None, True), ("DIRECT", True), ("FACEBOOK", False)])
async def test_instagram_is_connected_through_the_login_that_was_asked_for(
    stage: Stage, api: Api, login: str | None, is_direct: bool
) -> None:
    agency, manager = await a_manager(stage)
    wanted = {"channel": "INSTAGRAM", "unitId": encode("unit", agency.units["client 1"]), "login": login}

    begun = await change(api, "channelConnectBegin", BEGIN, wanted, token=manager.token)

    assert (codes(begun), begun["connection"]["state"]) == ([], "STARTED")
    scopes = dict(parse_qsl(urlsplit(begun["authorizeUrl"]).query))["scope"]
    assert ("instagram_business_basic" in scopes) is is_direct


async def test_a_login_that_the_network_does_not_have_is_refused(stage: Stage, api: Api) -> None:
    agency, manager = await a_manager(stage)
    wanted = {"unitId": encode("unit", agency.units["client 1"])}

    for channel, login in (("MESSENGER", "DIRECT"), ("X", "FACEBOOK")):
        told = wanted | {"channel": channel, "login": login}
        refused = await change(api, "channelConnectBegin", BEGIN, told, token=manager.token)
        assert (codes(refused), refused["userErrors"][0]["path"]) == (["INVALID_INPUT"], ["login"])
