"""Conflict walls over HTTP (product.md D-02): competing clients share no staff, unless two named people grant it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Role, UnitKind
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details
from tests.schema.test_members import acts

WALL = "conflict { id units { name } reason flaggedBy liftedAt }"
EXCEPTION = "exception { id grantedAt withdrawnAt grantedBy { name } }"
GRANT = "membership { id }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with three clients."""
    return await an_agency(database, clients=3)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner, called Olga."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


def mem(person: APerson) -> str:
    """The global id of a person."""
    return encode("mem", person.member_id)


def unit(agency: AnOrganization, number: int) -> str:
    """The global id of a client."""
    return encode("unit", agency.units[f"client {number}"])


async def flag(api: Api, agency: AnOrganization, person: APerson, first: int = 1, second: int = 2) -> dict[str, Any]:
    """Keep two clients apart."""
    wanted = {"unitId": unit(agency, first), "otherUnitId": unit(agency, second), "reason": "Both sell bread"}
    return await change(api, "unitConflictFlag", WALL, wanted, token=person.token)


async def grant(api: Api, agency: AnOrganization, by: APerson, whom: APerson, number: int | None) -> list[str]:
    """Make somebody an operator at a client, or of the root; return the refusals."""
    unit_id = encode("unit", agency.root_id) if number is None else unit(agency, number)
    wanted = {"memberId": mem(whom), "unitId": unit_id, "role": "OPERATOR"}
    return codes(await change(api, "membershipGrant", GRANT, wanted, token=by.token))


async def request(api: Api, agency: AnOrganization, by: APerson, whom: APerson) -> str:
    """Ask for an exception between client 1 and client 2; return its id."""
    pair = {"unitId": unit(agency, 2), "otherUnitId": unit(agency, 1)}
    wanted = {"memberId": mem(whom), **pair, "reason": "Holiday"}
    made = await change(api, "conflictExceptionRequest", EXCEPTION, wanted, token=by.token)
    exception_id: str = made["exception"]["id"]
    return exception_id


async def agree(api: Api, by: APerson, exception_id: str) -> dict[str, Any]:
    """Agree to an exception."""
    wanted = {"exceptionId": exception_id}
    return await change(api, "conflictExceptionGrant", EXCEPTION, wanted, token=by.token)


async def test_staff_of_one_client_is_refused_at_its_competitor_and_nowhere_else(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    flagged = await flag(api, agency, owner)

    assert sorted(one["name"] for one in flagged["conflict"]["units"]) == ["client 1", "client 2"]
    assert (flagged["conflict"]["reason"], flagged["conflict"]["flaggedBy"]) == ("Both sell bread", "Olga")
    assert await grant(api, agency, owner, grace, 2) == ["CONFLICT_SEPARATED"]
    assert await grant(api, agency, owner, grace, 3) == []
    assert await grant(api, agency, owner, grace, 1) == ["ALREADY_EXISTS"]


async def test_a_role_under_or_above_a_side_counts_as_that_side(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    async with begin(database, agency.scope) as uow:
        shop = await tenants.create_unit(uow, parent_id=agency.units["client 2"], kind=UnitKind.LOCATION, name="Shop")
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    await flag(api, agency, owner)
    wanted = {"memberId": mem(grace), "unitId": encode("unit", shop.id), "role": "ANALYST"}

    under = await change(api, "membershipGrant", GRANT, wanted, token=owner.token)

    assert codes(under) == ["CONFLICT_SEPARATED"]
    assert await grant(api, agency, owner, grace, None) == ["CONFLICT_SEPARATED"]


async def test_who_has_roles_on_the_root_alone_stands_over_the_walls(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    boss = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    await flag(api, agency, owner)

    assert await grant(api, agency, owner, boss, None) == []
    assert await grant(api, agency, owner, boss, 3) == []
    assert await grant(api, agency, owner, boss, 1) == ["CONFLICT_SEPARATED"]


async def test_a_wall_is_not_put_up_through_people_who_work_on_both_sides(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    await grant(api, agency, owner, grace, 2)

    refused = await flag(api, agency, owner)
    exception_id = await request(api, agency, owner, grace)
    second = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    for person in (owner, second):
        await agree(api, person, exception_id)
    after = await flag(api, agency, owner)

    assert codes(refused) == ["CONFLICT_SHARED_STAFF"]
    assert details(refused["userErrors"][0]) == {"memberIds": [mem(grace)], "tokenIds": []}
    assert codes(after) == []


async def test_two_named_people_except_a_member_and_nobody_does_it_alone_or_for_themselves(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    second = await a_person(database, settings, agency, agency.root_id, Role.ADMIN, "Sam")
    await flag(api, agency, owner)
    exception_id = await request(api, agency, owner, grace)
    app = {
        "name": "App",
        "permissions": ["MEMBER_MANAGE"],
        "unitId": encode("unit", agency.root_id),
        "expiresInDays": 1,
    }
    robot = (await change(api, "tokenCreate", "secret", app, token=owner.token))["secret"]
    first = await agree(api, owner, exception_id)
    alone = await agree(api, owner, exception_id)
    by_app = await change(api, "conflictExceptionGrant", EXCEPTION, {"exceptionId": exception_id}, token=robot)
    early = await grant(api, agency, owner, grace, 2)
    both = await agree(api, second, exception_id)
    late = await agree(api, second, exception_id)

    assert (first["exception"]["grantedAt"], codes(alone)) == (None, ["CONFLICT_EXCEPTION_SELF"])
    assert codes(by_app) == ["MEMBER_PERSON_NEEDED"]
    assert early == ["CONFLICT_SEPARATED"]
    assert both["exception"]["grantedAt"] is not None
    assert [one["name"] for one in both["exception"]["grantedBy"]] == ["Olga", "Sam"]
    assert codes(late) == ["CONFLICT_EXCEPTION_NOT_OPEN"]
    assert await grant(api, agency, owner, grace, 2) == []


async def test_the_member_concerned_agrees_to_nothing(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    exception_id = await request(api, agency, admin, admin)
    assert codes(await agree(api, admin, exception_id)) == ["CONFLICT_EXCEPTION_SELF"]


async def test_the_first_yes_counts_only_while_the_first_may_still_give_it(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    gone, third = [await a_person(database, settings, agency, agency.root_id, Role.ADMIN) for _ in range(2)]
    exception_id = await request(api, agency, owner, grace)
    await agree(api, gone, exception_id)
    await change(api, "memberDeactivate", "member { id }", {"memberId": mem(gone)}, token=owner.token)

    second = await agree(api, owner, exception_id)
    last = await agree(api, third, exception_id)

    assert (second["exception"]["grantedAt"], last["exception"]["grantedAt"] is not None) == (None, True)


async def test_of_two_who_agree_at_once_the_second_makes_it_count_and_one_person_is_one(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    second = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    twice = await request(api, agency, owner, grace)

    told = await asyncio.gather(*(agree(api, owner, twice) for _ in range(2)))
    again = await asyncio.gather(*(agree(api, one, twice) for one in (second, owner)))

    assert [code for one in told for code in codes(one)] == ["CONFLICT_EXCEPTION_SELF"]
    assert all(one["exception"] is None or one["exception"]["grantedAt"] is None for one in told)
    assert sum(one["exception"] is not None and one["exception"]["grantedAt"] is not None for one in again) == 1


async def test_an_exception_is_not_withdrawn_from_under_a_person_on_both_sides(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    second = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    await flag(api, agency, owner)
    exception_id = await request(api, agency, owner, grace)
    for person in (owner, second):
        await agree(api, person, exception_id)
    wanted = {"memberId": mem(grace), "unitId": unit(agency, 2), "role": "OPERATOR"}
    held = await change(api, "membershipGrant", GRANT, wanted, token=owner.token)
    withdrawal = {"exceptionId": exception_id}

    refused = await change(api, "conflictExceptionWithdraw", EXCEPTION, withdrawal, token=owner.token)
    back = {"membershipId": held["membership"]["id"]}
    await change(api, "membershipRevoke", "member { id }", back, token=owner.token)
    ended = await change(api, "conflictExceptionWithdraw", EXCEPTION, withdrawal, token=owner.token)

    assert codes(refused) == ["CONFLICT_SEPARATED"]
    assert ended["exception"]["withdrawnAt"] is not None
    assert await grant(api, agency, owner, grace, 2) == ["CONFLICT_SEPARATED"]


async def test_of_two_grants_at_once_one_is_refused(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    await flag(api, agency, owner)

    for _ in range(5):
        grace = await a_person(database, settings, agency, agency.units["client 3"], Role.OPERATOR)
        told = await asyncio.gather(*(grant(api, agency, owner, grace, number) for number in (1, 2)))
        assert sorted(told) == [[], ["CONFLICT_SEPARATED"]]


async def test_a_grant_and_a_flag_at_once_do_not_pass_each_other(
    api: Api, database: Database, settings: Settings, owner: APerson, agency: AnOrganization
) -> None:
    for _ in range(4):
        agency = await an_agency(database)
        boss = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
        grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

        granted, flagged = await asyncio.gather(grant(api, agency, boss, grace, 2), flag(api, agency, boss))

        assert (granted, codes(flagged)) in [
            ([], ["CONFLICT_SHARED_STAFF"]),
            (["CONFLICT_SEPARATED"], []),
        ]


async def test_a_deactivated_person_does_not_come_back_over_a_wall(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    await grant(api, agency, owner, grace, 2)
    await change(api, "memberDeactivate", "member { id }", {"memberId": mem(grace)}, token=owner.token)
    flagged = await flag(api, agency, owner)

    back = await change(api, "memberReactivate", "member { id }", {"memberId": mem(grace)}, token=owner.token)

    assert (codes(flagged), codes(back)) == ([], ["CONFLICT_SEPARATED"])


async def test_an_app_gets_no_token_that_reaches_both_sides(
    api: Api, database: Database, settings: Settings, owner: APerson, agency: AnOrganization
) -> None:
    async with begin(database, agency.scope) as uow:
        brand = await tenants.create_unit(uow, parent_id=agency.root_id, kind=UnitKind.BRAND, name="Bread")
        shops = [await tenants.create_unit(uow, parent_id=brand.id, kind=UnitKind.LOCATION, name=name) for name in "ab"]
    wanted = {"name": "App", "permissions": ["INBOX_READ"], "expiresInDays": 1}
    first, second = (encode("unit", one.id) for one in shops)
    pair = {"unitId": first, "otherUnitId": second, "reason": "Rivals"}
    app = {**wanted, "unitId": encode("unit", brand.id)}

    before = await change(api, "tokenCreate", "token { id }", app, token=owner.token)
    refused = await change(api, "unitConflictFlag", WALL, pair, token=owner.token)
    await change(api, "tokenRevoke", "token { id }", {"tokenId": before["token"]["id"]}, token=owner.token)
    flagged = await change(api, "unitConflictFlag", WALL, pair, token=owner.token)
    both = await change(api, "tokenCreate", "token { id }", app, token=owner.token)
    one = await change(api, "tokenCreate", "token { id }", {**app, "unitId": first}, token=owner.token)
    root = await change(
        api, "tokenCreate", "token { id }", {**app, "unitId": encode("unit", agency.root_id)}, token=owner.token
    )

    assert details(refused["userErrors"][0]) == {"memberIds": [], "tokenIds": [before["token"]["id"]]}
    assert [codes(told) for told in (flagged, both, one, root)] == [[], ["CONFLICT_SEPARATED"], [], []]


async def test_a_lifted_wall_keeps_nobody_apart_and_lifting_is_the_owners(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    wall = {"conflictId": (await flag(api, agency, admin))["conflict"]["id"]}

    by_admin = await change(api, "unitConflictLift", WALL, wall, token=admin.token)
    lifted = await change(api, "unitConflictLift", WALL, wall, token=owner.token)
    again = await change(api, "unitConflictLift", WALL, wall, token=owner.token)

    assert (codes(by_admin), codes(again)) == (["PERMISSION_DENIED"], ["NOT_FOUND"])
    assert lifted["conflict"]["liftedAt"] is not None
    assert await grant(api, agency, owner, grace, 2) == []


async def test_staff_of_a_client_learns_nothing_of_its_competitor(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)
    boss = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    wall = (await flag(api, agency, owner))["conflict"]["id"]
    exception_id = await request(api, agency, owner, boss)
    wanted = {"memberId": mem(boss), "unitId": unit(agency, 1), "role": "ANALYST"}

    refused = await change(api, "membershipGrant", GRANT, wanted, token=local.token)
    lists = [
        await api.ask(f"{{ {field} {{ nodes {{ id }} }} }}", token=local.token)
        for field in ("unitConflicts", "conflictExceptions")
    ]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    nodes = await api.ask(query, {"ids": [wall, exception_id]}, token=local.token)
    acts = [
        await change(api, "unitConflictLift", WALL, {"conflictId": wall}, token=local.token),
        await change(api, "conflictExceptionGrant", EXCEPTION, {"exceptionId": exception_id}, token=local.token),
        await flag(api, agency, local),
    ]

    assert codes(refused) == ["CONFLICT_SEPARATED"]
    assert refused["userErrors"][0]["__typename"] == "InputError"
    assert [one.codes for one in lists] == [["FORBIDDEN"]] * 2
    assert nodes.data["nodes"] == [None, None]
    assert [codes(one) for one in acts] == [["PERMISSION_DENIED"]] * 3


async def test_every_act_on_a_wall_leaves_one_event_and_a_refusal_none(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    wall = {"conflictId": (await flag(api, agency, owner))["conflict"]["id"]}
    exception_id = await request(api, agency, owner, grace)
    await agree(api, owner, exception_id)

    for person, field, wanted in (
        (owner, "conflictExceptionGrant", {"exceptionId": exception_id}),
        (grace, "unitConflictLift", wall),
    ):
        selection = WALL if field == "unitConflictLift" else EXCEPTION
        assert codes(await change(api, field, selection, wanted, token=person.token)) != []
    await change(api, "conflictExceptionWithdraw", EXCEPTION, {"exceptionId": exception_id}, token=owner.token)
    await change(api, "unitConflictLift", WALL, wall, token=owner.token)

    assert await acts(database, agency) == [
        "unit:conflict:flag",
        "unit:conflict_exception:request",
        "unit:conflict_exception:grant",
        "unit:conflict_exception:withdraw",
        "unit:conflict:lift",
    ]


async def test_two_units_that_cannot_compete_are_not_flagged(
    api: Api, agency: AnOrganization, owner: APerson, database: Database
) -> None:
    other = await an_agency(database)

    async def told(first: str, second: str) -> list[str]:
        wanted = {"unitId": first, "otherUnitId": second, "reason": "Rivals"}
        return codes(await change(api, "unitConflictFlag", WALL, wanted, token=owner.token))

    assert await told(unit(agency, 1), unit(agency, 1)) == ["INVALID_INPUT"]
    assert await told(unit(agency, 1), encode("unit", agency.root_id)) == ["INVALID_INPUT"]
    assert await told(unit(agency, 1), unit(other, 1)) == ["NOT_FOUND"]
    assert await told(unit(agency, 1), encode("unit", new_id())) == ["NOT_FOUND"]
    assert await told(unit(agency, 1), unit(agency, 2)) == []
    assert await told(unit(agency, 2), unit(agency, 1)) == ["ALREADY_EXISTS"]
