"""Roles of the organization's own: made from the list of permissions, by who holds them, and gone when they are archived."""

from __future__ import annotations

import asyncio

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Permission, Role
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes
from tests.schema.test_members import acts

ROLE = "role { id name permissions archivedAt }"
GRANT = "membership { role customRole { name } }"
CAN = "query($p: Permission!, $u: ID) { viewerCan(permission: $p, unitId: $u) }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def a_role(api: Api, person: APerson, *permissions: str, name: str = "Night shift") -> str:
    """Make a role and return its global id."""
    wanted = {"name": name, "permissions": list(permissions)}
    made = await change(api, "roleCreate", ROLE, wanted, token=person.token)
    role_id: str = made["role"]["id"]
    return role_id


async def can(api: Api, person: APerson, permission: str, unit_id: str | None = None) -> bool:
    """Ask whether a person may do something."""
    answer: bool = (await api.ask(CAN, {"p": permission, "u": unit_id}, token=person.token)).data["viewerCan"]
    return answer


async def test_a_role_gives_what_it_names_on_the_unit_of_the_grant_until_it_is_changed_or_archived(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 2"], Role.APPROVER)
    here, there = (encode("unit", agency.units[name]) for name in ("client 1", "client 2"))
    role = await a_role(api, owner, "INBOX_READ", "INBOX_WORK")
    wanted = {"memberId": encode("mem", grace.member_id), "unitId": here, "customRoleId": role}

    granted = await change(api, "membershipGrant", GRANT, wanted, token=owner.token)
    at_first = [await can(api, grace, "INBOX_WORK", one) for one in (here, there)]
    cut = await change(api, "roleUpdate", ROLE, {"roleId": role, "permissions": ["INBOX_READ"]}, token=owner.token)
    after_change = [await can(api, grace, one, here) for one in ("INBOX_READ", "INBOX_WORK")]
    gone = await change(api, "roleArchive", ROLE, {"roleId": role}, token=owner.token)
    after_archive = await can(api, grace, "INBOX_READ", here)
    late = await change(api, "membershipGrant", GRANT, {**wanted, "unitId": there}, token=owner.token)

    assert granted["membership"] == {"role": None, "customRole": {"name": "Night shift"}}
    assert (at_first, after_change, after_archive) == ([True, False], [True, False], False)
    assert cut["role"]["permissions"] == ["INBOX_READ"]
    assert gone["role"]["archivedAt"] is not None
    assert codes(late) == ["ROLE_ARCHIVED"]


async def test_nobody_makes_or_widens_a_role_beyond_themselves(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)
    strong = await a_role(api, owner, "LEGAL_GRANT", "INBOX_READ", name="Counsel")
    plain = await a_role(api, owner, "INBOX_READ", name="Reader")

    made = await change(api, "roleCreate", ROLE, {"name": "X", "permissions": ["LEGAL_GRANT"]}, token=admin.token)
    widened = await change(
        api, "roleUpdate", ROLE, {"roleId": plain, "permissions": ["INBOX_READ", "LEGAL_GRANT"]}, token=admin.token
    )
    cut = await change(api, "roleUpdate", ROLE, {"roleId": strong, "permissions": ["INBOX_READ"]}, token=admin.token)
    archived = await change(api, "roleArchive", ROLE, {"roleId": strong}, token=admin.token)
    renamed = await change(api, "roleUpdate", ROLE, {"roleId": strong, "name": "Lawyer"}, token=admin.token)
    by_local = await change(api, "roleCreate", ROLE, {"name": "Y", "permissions": ["INBOX_READ"]}, token=local.token)

    assert [codes(one) for one in (made, widened, cut, archived, by_local)] == [["PERMISSION_DENIED"]] * 5
    assert codes(renamed) == []


async def test_a_manager_of_one_unit_grants_a_role_only_as_far_as_they_hold_it_there(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    strong = await a_role(api, owner, "LEGAL_GRANT", name="Counsel")
    plain = await a_role(api, owner, "INBOX_READ", name="Reader")
    wanted = {"memberId": encode("mem", grace.member_id), "unitId": encode("unit", agency.units["client 1"])}

    told = [
        await change(api, "membershipGrant", GRANT, {**wanted, "customRoleId": one}, token=admin.token)
        for one in (strong, plain)
    ]

    assert [codes(one) for one in told] == [["PERMISSION_DENIED"], []]


async def test_a_role_of_another_organization_is_no_role(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    role = await a_role(api, owner, "INBOX_READ")
    mine = {"memberId": encode("mem", stranger.member_id), "unitId": encode("unit", other.root_id)}

    for field, foreign, random in (
        ("membershipGrant", {**mine, "customRoleId": role}, {**mine, "customRoleId": encode("role", new_id())}),
        ("roleUpdate", {"roleId": role, "name": "Z"}, {"roleId": encode("role", new_id()), "name": "Z"}),
        ("roleArchive", {"roleId": role}, {"roleId": encode("role", new_id())}),
    ):
        selection = GRANT if field == "membershipGrant" else ROLE
        told = [await change(api, field, selection, one, token=stranger.token) for one in (foreign, random)]
        assert told[0] == told[1]
        assert codes(told[0]) == ["NOT_FOUND"]


async def test_names_are_unique_also_at_once_and_the_form_is_checked_together(api: Api, owner: APerson) -> None:
    wanted = {"name": "Twin", "permissions": ["INBOX_READ"]}

    told = await asyncio.gather(*(change(api, "roleCreate", ROLE, wanted, token=owner.token) for _ in range(3)))
    empty = await change(api, "roleCreate", ROLE, {"name": " ", "permissions": []}, token=owner.token)

    assert sorted(code for one in told for code in codes(one)) == ["ALREADY_EXISTS"] * 2
    assert [one["path"] for one in empty["userErrors"]] == [["name"], ["permissions"]]


async def test_each_change_of_a_role_leaves_one_event_and_what_changes_nothing_none(
    api: Api, database: Database, agency: AnOrganization, owner: APerson
) -> None:
    role = await a_role(api, owner, "INBOX_READ", name="Reader")
    for wanted in ({"name": "Reader"}, {"permissions": ["INBOX_READ"]}, {"name": "Clerk"}):
        await change(api, "roleUpdate", ROLE, {"roleId": role, **wanted}, token=owner.token)
    for _ in range(2):
        await change(api, "roleArchive", ROLE, {"roleId": role}, token=owner.token)

    assert await acts(database, agency) == ["role:self:create", "role:self:edit", "role:self:archive"]


async def test_the_roles_that_can_be_granted_are_told(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    role = await a_role(api, owner, "INBOX_READ")
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)
    document = "{ builtInRoles { role permissions } roles { nodes { id permissions } } }"

    seen = (await api.ask(document, token=owner.token)).data
    refused = await api.ask(document, token=approver.token)

    assert [one["role"] for one in seen["builtInRoles"]] == [one.value for one in Role]
    assert len(seen["builtInRoles"][0]["permissions"]) == len(Permission)
    assert seen["roles"]["nodes"] == [{"id": role, "permissions": ["INBOX_READ"]}]
    assert refused.codes == ["FORBIDDEN"]
