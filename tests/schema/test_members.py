"""Members over HTTP: nobody hands on more than they hold, the last owner stays, siblings do not see each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from server.audit.models import AuditEventRow
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.models import MembershipRow
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes

GRANT = "membership { id role unit { name } } member { name memberships { role unit { name } } }"
MEMBER = "member { id name deactivatedAt }"
PEOPLE = (
    "query($filter: MemberFilter) { members(filter: $filter) { nodes { name email memberships { unit { name } } } } }"
)


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner, called Olga."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


def mem(person: APerson) -> str:
    """The global id of a person."""
    return encode("mem", person.member_id)


def unit(agency: AnOrganization, name: str) -> str:
    """The global id of a unit."""
    return encode("unit", agency.units[name])


async def membership_of(database: Database, agency: AnOrganization, person: APerson) -> str:
    """Return the global id of a person's first grant."""
    async with begin_read(database, agency.scope) as uow:
        statement = (
            select(MembershipRow.id)
            .where(MembershipRow.organization_id == agency.id, MembershipRow.member_id == person.member_id)
            .order_by(MembershipRow.id)
        )
        return encode("mbs", (await uow.session.scalars(statement)).first() or new_id())


async def acts(database: Database, agency: AnOrganization) -> list[str]:
    """Return what the trail tells, oldest first, without the making of tokens."""
    async with begin_read(database, agency.scope) as uow:
        statement = (
            select(AuditEventRow.action)
            .where(AuditEventRow.organization_id == agency.id, AuditEventRow.action != "token:self:issue")
            .order_by(AuditEventRow.seq)
        )
        return list(await uow.session.scalars(statement))


async def may_ask(api: Api, person: APerson) -> bool:
    """Say whether a person's token is taken."""
    return (await api.ask("{ viewer { name } }", token=person.token)).codes == []


async def test_a_granted_role_holds_from_the_next_request_on_and_a_revoked_one_no_more(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST, "Grace")
    can = "query($u: ID) { viewerCan(permission: INBOX_REPLY, unitId: $u) }"
    wanted = {"memberId": mem(grace), "unitId": unit(agency, "client 2"), "role": "OPERATOR"}

    granted = await change(api, "membershipGrant", GRANT, wanted, token=owner.token)
    after_grant = await api.ask(can, {"u": wanted["unitId"]}, token=grace.token)
    given_back = {"membershipId": granted["membership"]["id"]}
    revoked = await change(api, "membershipRevoke", MEMBER, given_back, token=owner.token)
    after_revoke = await api.ask(can, {"u": wanted["unitId"]}, token=grace.token)

    assert granted["membership"] == {
        "id": granted["membership"]["id"],
        "role": "OPERATOR",
        "unit": {"name": "client 2"},
    }
    assert [one["unit"]["name"] for one in granted["member"]["memberships"]] == ["client 1", "client 2"]
    assert (after_grant.data["viewerCan"], after_revoke.data["viewerCan"]) == (True, False)
    assert revoked["userErrors"] == []
    assert await acts(database, agency) == ["member:role:grant", "member:role:revoke"]


async def test_nobody_grants_or_takes_a_role_that_may_more_than_themselves(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    boss = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    here = {"memberId": mem(analyst), "unitId": unit(agency, "client 1")}

    up = await change(api, "membershipGrant", GRANT, {**here, "role": "OWNER"}, token=admin.token)
    self_up = await change(
        api, "membershipGrant", GRANT, {**here, "memberId": mem(admin), "role": "OWNER"}, token=admin.token
    )
    taken = await change(
        api,
        "membershipRevoke",
        MEMBER,
        {"membershipId": await membership_of(database, agency, boss)},
        token=admin.token,
    )
    fine = await change(api, "membershipGrant", GRANT, {**here, "role": "MANAGER"}, token=admin.token)
    lowly = await change(api, "membershipGrant", GRANT, {**here, "role": "ANALYST"}, token=analyst.token)

    assert [codes(one) for one in (up, self_up, taken, lowly)] == [["PERMISSION_DENIED"]] * 4
    assert codes(fine) == []


async def test_a_token_that_was_cut_hands_on_no_more_than_itself(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    cut = {"name": "Cut", "permissions": ["MEMBER_MANAGE", "MEMBER_READ"], "expiresInDays": 1}
    narrow = (await change(api, "tokenCreate", "secret", cut, token=owner.token))["secret"]
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)

    refused = await change(
        api,
        "membershipGrant",
        GRANT,
        {"memberId": mem(grace), "unitId": unit(agency, "client 1"), "role": "OPERATOR"},
        token=narrow,
    )

    assert codes(refused) == ["PERMISSION_DENIED"]


async def test_an_admin_of_one_client_reaches_no_unit_person_or_role_of_another(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    clerk = await a_person(database, settings, agency, agency.units["client 2"], Role.OPERATOR)
    mine, theirs = unit(agency, "client 1"), unit(agency, "client 2")
    other = await an_agency(database)

    async def grant(member: str, at: str) -> list[dict[str, Any]]:
        wanted = {"memberId": member, "unitId": at, "role": "ANALYST"}
        refused = await change(api, "membershipGrant", GRANT, wanted, token=admin.token)
        return [{key: one[key] for key in ("code", "message", "path")} for one in refused["userErrors"]]

    person = [await grant(one, mine) for one in (mem(clerk), encode("mem", new_id()))]
    place = [
        await grant(mem(admin), one)
        for one in (theirs, encode("unit", other.root_id), encode("unit", new_id()), "unit_nonsense")
    ]
    taken = [
        await change(api, "membershipRevoke", MEMBER, {"membershipId": one}, token=admin.token)
        for one in (
            await membership_of(database, agency, clerk),
            await membership_of(database, agency, owner),
            encode("mbs", new_id()),
        )
    ]

    assert person[0] == person[1]
    assert (person[0][0]["code"], person[0][0]["path"]) == ("NOT_FOUND", ["memberId"])
    assert place == [place[0]] * 4
    assert (place[0][0]["code"], place[0][0]["path"]) == ("NOT_FOUND", ["unitId"])
    assert taken == [taken[0]] * 3
    assert codes(taken[0]) == ["NOT_FOUND"]


async def test_people_are_listed_near_the_caller_only(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN, "Anna")
    clerk = await a_person(database, settings, agency, agency.units["client 2"], Role.OPERATOR, "Carl")

    async def seen(person: APerson, **filter: object) -> list[tuple[str, list[str]]]:
        answer = await api.ask(PEOPLE, {"filter": filter}, token=person.token)
        nodes = answer.data["members"]["nodes"]
        return [(one["name"], [held["unit"]["name"] for held in one["memberships"]]) for one in nodes]

    everybody = [("Anna", ["client 1"]), ("Carl", ["client 2"]), ("Olga", ["Agency"])]
    assert await seen(owner) == everybody
    assert await seen(owner, unitId=unit(agency, "client 2")) == [("Carl", ["client 2"])]
    assert await seen(admin) == [everybody[0], everybody[2]]
    assert await seen(clerk) == [everybody[1], everybody[2]]
    assert await seen(admin, unitId=encode("unit", agency.root_id)) == [everybody[0], everybody[2]]
    foreign = await api.ask(PEOPLE, {"filter": {"unitId": unit(agency, "client 2")}}, token=admin.token)
    assert foreign.codes == ["BAD_REQUEST"]


async def test_an_address_is_shown_to_its_owner_and_to_who_manages_the_person(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN, "Anna")
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, "Carl")

    shown = {}
    for who, person in (("owner", owner), ("admin", admin), ("clerk", clerk)):
        nodes = (await api.ask(PEOPLE, {}, token=person.token)).data["members"]["nodes"]
        shown[who] = {one["name"] for one in nodes if one["email"] is not None}

    assert shown == {"owner": {"Anna", "Carl", "Olga"}, "admin": {"Anna", "Carl"}, "clerk": {"Carl"}}


async def test_a_deactivated_member_stops_at_the_next_request_and_comes_back_without_tokens(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    ended = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(grace)}, token=owner.token)
    again = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(grace)}, token=owner.token)
    in_between = await may_ask(api, grace)
    granted = await change(
        api,
        "membershipGrant",
        GRANT,
        {"memberId": mem(grace), "unitId": unit(agency, "client 1"), "role": "ANALYST"},
        token=owner.token,
    )
    back = await change(api, "memberReactivate", MEMBER, {"memberId": mem(grace)}, token=owner.token)

    assert ended["member"]["deactivatedAt"] is not None
    assert ended == again
    assert codes(granted) == ["MEMBER_DEACTIVATED"]
    assert back["member"]["deactivatedAt"] is None
    assert (in_between, await may_ask(api, grace)) == (False, False)
    assert await acts(database, agency) == ["member:self:deactivate", "member:self:reactivate"]


async def test_deactivation_is_the_headquarters_business_and_not_done_to_who_may_more(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)
    admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    by_local = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(clerk)}, token=local.token)
    by_admin = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(owner)}, token=admin.token)
    allowed = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(clerk)}, token=admin.token)

    assert (codes(by_local), codes(by_admin), codes(allowed)) == (["PERMISSION_DENIED"], ["PERMISSION_DENIED"], [])


async def test_the_last_owner_is_neither_deactivated_nor_loses_the_role(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grant = {"membershipId": await membership_of(database, agency, owner)}

    ended = await change(api, "memberDeactivate", MEMBER, {"memberId": mem(owner)}, token=owner.token)
    revoked = await change(api, "membershipRevoke", MEMBER, grant, token=owner.token)

    assert (codes(ended), codes(revoked)) == (["MEMBER_LAST_OWNER"], ["MEMBER_LAST_OWNER"])
    assert await may_ask(api, owner)


@pytest.mark.parametrize("_case", ["deactivate each other", "revoke each other", "one of each"])
async def test_of_two_owners_who_end_each_other_at_once_one_stays(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, _case: str
) -> None:
    second = await a_person(database, settings, agency, agency.root_id, Role.OWNER)

    def end(victim: APerson, by: APerson) -> Any:
        return change(api, "memberDeactivate", MEMBER, {"memberId": mem(victim)}, token=by.token)

    async def take(victim: APerson, by: APerson) -> dict[str, Any]:
        grant = {"membershipId": await membership_of(database, agency, victim)}
        return await change(api, "membershipRevoke", MEMBER, grant, token=by.token)

    first_act = take if _case == "revoke each other" else end
    second_act = end if _case == "deactivate each other" else take
    told = await asyncio.gather(first_act(second, owner), second_act(owner, second))

    refused = [code for one in told for code in codes(one)]
    assert refused == ["MEMBER_LAST_OWNER"]


async def test_people_rename_themselves_and_the_headquarters_anybody(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async def rename(whom: APerson, by: APerson, name: str) -> dict[str, Any]:
        return await change(api, "memberUpdate", MEMBER, {"memberId": mem(whom), "name": name}, token=by.token)

    assert (await rename(clerk, clerk, "Carla"))["member"]["name"] == "Carla"
    assert (await rename(clerk, owner, "Carl"))["member"]["name"] == "Carl"
    assert codes(await rename(clerk, admin, "Nobody")) == ["PERMISSION_DENIED"]
    assert codes(await rename(clerk, clerk, " ")) == ["INVALID_INPUT"]


async def test_the_same_role_is_not_granted_twice_also_at_once(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    wanted = {"memberId": mem(grace), "unitId": unit(agency, "client 2"), "role": "ANALYST"}

    told = await asyncio.gather(*(change(api, "membershipGrant", GRANT, wanted, token=owner.token) for _ in range(3)))

    assert sorted(code for one in told for code in codes(one)) == ["ALREADY_EXISTS"] * 2


async def test_a_grant_names_exactly_one_role(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    wanted = {"memberId": mem(owner), "unitId": unit(agency, "client 1")}
    both = {**wanted, "role": "ANALYST", "customRoleId": encode("role", new_id())}

    neither = await change(api, "membershipGrant", GRANT, wanted, token=owner.token)
    twice = await change(api, "membershipGrant", GRANT, both, token=owner.token)

    assert (codes(neither), codes(twice)) == (["INVALID_INPUT"], ["INVALID_INPUT"])
