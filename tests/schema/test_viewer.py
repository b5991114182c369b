"""The viewer: a front end is told what the caller may do where, all of it, and nothing of what is out of reach."""

from __future__ import annotations

from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import ROLE_PERMISSIONS, Role, UnitKind
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person, an_agency
from tests.schema.asking import change

UNITS = """query($first: Int, $after: String, $permission: Permission) { viewer { permissions
  units(first: $first, after: $after, permission: $permission) {
    nodes { unit { name kind } permissions } pageInfo { hasNextPage endCursor } } } }"""
CAN = "query($p: Permission!, $u: ID) { viewerCan(permission: $p, unitId: $u) }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


async def units(api: Api, person: APerson, **arguments: object) -> list[dict[str, Any]]:
    """Read all pages of the caller's units."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        answer = await api.ask(UNITS, {"after": after, **arguments}, token=person.token)
        page = answer.data["viewer"]["units"]
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_rights_are_told_unit_by_unit_without_the_line_above(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    async with begin(database, agency.scope) as uow:
        await tenants.create_unit(uow, parent_id=agency.units["client 1"], kind=UnitKind.LOCATION, name="Shop")
    held = sorted(one.name for one in ROLE_PERMISSIONS[Role.ANALYST])

    assert [
        (one["unit"]["name"], one["unit"]["kind"], sorted(one["permissions"])) for one in await units(api, analyst)
    ] == [("Shop", "LOCATION", held), ("client 1", "CLIENT", held)]


async def test_every_unit_is_told_however_many_there_are(api: Api, database: Database, settings: Settings) -> None:
    franchise = await a_franchise(database, locations=120)
    owner = await a_person(database, settings, franchise, franchise.root_id, Role.OWNER)

    found = await units(api, owner, first=50)

    assert {one["unit"]["name"] for one in found} == {"Franchise", *franchise.units}
    assert len(found) == 121


async def test_units_are_asked_for_by_what_may_be_done_there(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    async with begin(database, agency.scope) as uow:
        await tenants.grant_role(uow, person.member_id, agency.units["client 2"], Role.ANALYST)

    async def names(permission: str) -> list[str]:
        return [one["unit"]["name"] for one in await units(api, person, permission=permission)]

    assert await names("INBOX_REPLY") == ["client 1"]
    assert await names("INBOX_READ") == ["client 1", "client 2"]
    assert await names("CAMPAIGN_APPROVE") == []


async def test_one_question_is_answered_by_yes_or_no_also_for_what_is_not_there(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    other = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async def can(person: APerson, permission: str, unit_id: str | None) -> bool:
        answer = await api.ask(CAN, {"p": permission, "u": unit_id}, token=person.token)
        told: bool = answer.data["viewerCan"]
        return told

    own, sibling, root = (
        encode("unit", one) for one in (agency.units["client 1"], agency.units["client 2"], agency.root_id)
    )
    assert [await can(clerk, "INBOX_REPLY", one) for one in (None, own, sibling, root)] == [True, True, False, False]
    assert [await can(clerk, "COST_READ", one) for one in (None, own)] == [False, False]
    foreign = (encode("unit", new_id()), encode("unit", other.root_id))
    assert [await can(owner, "COST_READ", one) for one in (None, own, root, *foreign)] == [
        True,
        True,
        True,
        False,
        False,
    ]


async def test_a_unit_says_what_the_caller_may_do_on_it(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)

    answer = await api.ask("{ units { nodes { name viewerPermissions } } }", token=approver.token)

    told = {one["name"]: one["viewerPermissions"] for one in answer.data["units"]["nodes"]}
    assert told["Agency"] == []
    assert sorted(told["client 1"]) == sorted(one.name for one in ROLE_PERMISSIONS[Role.APPROVER])
    assert "client 2" not in told


async def test_the_token_tells_what_cuts_it(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    document = """{ viewer { name memberId member { email } permissions organization { name }
      token { kind name permissions units { name } expiresAt } } }"""
    cut = {"name": "Cut", "permissions": ["INBOX_READ"], "expiresInDays": 1}
    app = {**cut, "name": "App", "unitId": encode("unit", agency.units["client 2"])}

    secrets = [(await change(api, "tokenCreate", "secret", one, token=owner.token))["secret"] for one in (cut, app)]
    person, robot = [(await api.ask(document, token=one)).data["viewer"] for one in secrets]

    assert person["permissions"] == ["INBOX_READ"]
    assert person["member"]["email"].endswith("@example.test")
    assert (person["token"]["kind"], person["token"]["units"]) == ("PERSONAL", None)
    assert person["token"]["expiresAt"] is not None
    assert (robot["name"], robot["memberId"], robot["member"], robot["permissions"]) == ("App", None, None, [])
    assert (robot["token"]["kind"], robot["token"]["units"]) == ("SERVICE", [{"name": "client 2"}])


async def test_a_person_of_two_organizations_acts_in_the_one_that_the_token_names(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    other = await an_agency(database, name="Other")
    user_id = new_id()
    told = []
    for organization in (agency, other):
        async with begin(database, organization.scope) as uow:
            member = await tenants.create_member(uow, name="Ada", email=f"{new_id().hex}@example.test", user_id=user_id)
            await tenants.grant_role(uow, member.id, organization.root_id, Role.OWNER)
        boss = await a_person(database, settings, organization, organization.root_id, Role.OWNER, "Ada")
        answer = await api.ask("{ viewer { organization { name } units { nodes { unit { id } } } } }", token=boss.token)
        told.append(answer.data["viewer"])

    assert [one["organization"]["name"] for one in told] == ["Agency", "Other"]
    seen = [{node["unit"]["id"] for node in one["units"]["nodes"]} for one in told]
    assert seen[0] & seen[1] == set()
    assert seen[1] == {encode("unit", one) for one in (other.root_id, *other.units.values())}
