"""Tokens over HTTP: a secret is shown once, no token makes a wider one, and a revoked one stops at once."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.schema.asking import change, codes

TOKEN = "token { id name kind permissions expiresAt lastUsedAt revokedAt member { name } units { name } } secret"
REVOKED = "token { revokedAt }"
VIEWER = "{ viewer { name reaches { unitId permissions } } }"
MINE = "{ tokens { nodes { id name } } }"
PERSONAL = {"name": "Laptop", "permissions": ["TEMPLATE_READ"], "expiresInDays": 7}


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


async def test_a_personal_token_acts_as_its_maker_and_may_only_what_it_names(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)

    made = await change(api, "tokenCreate", TOKEN, PERSONAL, token=person.token)
    seen = (await api.ask(VIEWER, token=made["secret"])).data["viewer"]

    assert (made["token"]["kind"], made["token"]["permissions"]) == ("PERSONAL", ["TEMPLATE_READ"])
    assert (made["token"]["member"], made["token"]["units"]) == ({"name": "Ada"}, None)
    assert made["token"]["expiresAt"] is not None
    assert seen == {"name": "Ada", "reaches": [{"unitId": None, "permissions": ["TEMPLATE_READ"]}]}


async def test_a_service_token_acts_as_an_app_on_one_unit(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    unit = encode("unit", agency.units["client 1"])

    made = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitId": unit}, token=owner.token)
    seen = (await api.ask(VIEWER, token=made["secret"])).data["viewer"]

    assert (made["token"]["kind"], made["token"]["units"]) == ("SERVICE", [{"name": "client 1"}])
    assert seen == {"name": "Laptop", "reaches": [{"unitId": unit, "permissions": ["TEMPLATE_READ"]}]}


async def test_a_repeated_request_gives_the_token_again_but_never_the_secret(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    key = new_id().hex

    made = await change(api, "tokenCreate", TOKEN, PERSONAL, token=person.token, key=key)
    again = await change(api, "tokenCreate", TOKEN, PERSONAL, token=person.token, key=key)
    async with begin_read(database, agency.scope) as uow:
        stored = (await uow.session.execute(text("SELECT result::text FROM idempotency"))).scalars().all()

    assert made["secret"].startswith("swb_pat_")
    assert (again["token"]["id"], again["secret"]) == (made["token"]["id"], None)
    assert not any(made["secret"] in one or "swb_" in one for one in stored)


async def test_a_token_cannot_make_one_that_may_do_more(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    narrow = (await change(api, "tokenCreate", TOKEN, PERSONAL, token=owner.token))["secret"]
    wide = {**PERSONAL, "permissions": ["TEMPLATE_READ", "TOKEN_MANAGE"]}
    unit = encode("unit", agency.units["client 1"])

    personal = await change(api, "tokenCreate", TOKEN, wide, token=narrow)
    service = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitId": unit}, token=narrow)

    assert (codes(personal), codes(service)) == (["PERMISSION_DENIED"], ["PERMISSION_DENIED"])
    assert (personal["secret"], service["secret"]) == (None, None)


async def test_a_manager_of_one_client_makes_no_app_for_another_or_for_a_foreign_unit(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    other = await an_agency(database)

    sibling = await change(
        api,
        "tokenCreate",
        TOKEN,
        {**PERSONAL, "unitId": encode("unit", agency.units["client 2"])},
        token=admin.token,
    )
    foreign = await change(
        api, "tokenCreate", TOKEN, {**PERSONAL, "unitId": encode("unit", other.root_id)}, token=owner.token
    )

    assert (codes(sibling), codes(foreign)) == (["NOT_FOUND"], ["NOT_FOUND"])


async def test_the_form_of_a_token_is_checked_all_at_once(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)

    refused = await change(
        api, "tokenCreate", TOKEN, {"name": " ", "permissions": [], "expiresInDays": 0}, token=person.token
    )

    assert [one["path"] for one in refused["userErrors"]] == [["name"], ["expiresInDays"], ["permissions"]]


async def test_people_see_their_own_tokens_and_those_who_manage_see_more(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    for client in ("client 1", "client 2"):
        wanted = {**PERSONAL, "name": client, "unitId": encode("unit", agency.units[client])}
        await change(api, "tokenCreate", TOKEN, wanted, token=owner.token)

    names = {
        who: [one["name"] for one in (await api.ask(MINE, token=token)).data["tokens"]["nodes"]]
        for who, token in {"owner": owner.token, "local": local.token, "analyst": analyst.token}.items()
    }

    assert names == {
        "owner": ["client 2", "client 1", "test", "test", "test"],
        "local": ["client 1", "test"],
        "analyst": ["test"],
    }


async def test_a_revoked_token_stops_at_the_next_request(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    made = await change(api, "tokenCreate", TOKEN, PERSONAL, token=person.token)

    revoked = await change(api, "tokenRevoke", REVOKED, {"tokenId": made["token"]["id"]}, token=person.token)

    assert revoked["token"]["revokedAt"] is not None
    assert (await api.ask(VIEWER, token=made["secret"])).codes == ["UNAUTHENTICATED"]


async def test_nobody_revokes_or_reads_a_token_of_another_agency(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    token_id = (await change(api, "tokenCreate", TOKEN, PERSONAL, token=person.token))["token"]["id"]

    foreign = await change(api, "tokenRevoke", REVOKED, {"tokenId": token_id}, token=stranger.token)
    random = await change(api, "tokenRevoke", REVOKED, {"tokenId": encode("tok", new_id())}, token=stranger.token)
    read = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": token_id}, token=stranger.token)

    assert foreign == random
    assert codes(foreign) == ["NOT_FOUND"]
    assert read.data == {"node": None}


async def test_a_token_is_limited_to_several_units_and_passes_its_limit_on(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    first, second = (encode("unit", agency.units[name]) for name in ("client 1", "client 2"))

    both = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitIds": [first, second]}, token=owner.token)
    one = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitIds": [first]}, token=both["secret"])
    heir = await change(api, "tokenCreate", TOKEN, PERSONAL, token=one["secret"])
    wider = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitIds": [second]}, token=one["secret"])
    root = encode("unit", agency.root_id)
    above = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "unitIds": [root]}, token=one["secret"])
    reached = {
        name: sorted(reach["unitId"] for reach in (await api.ask(VIEWER, token=token)).data["viewer"]["reaches"])
        for name, token in {"both": both["secret"], "one": one["secret"], "heir": heir["secret"]}.items()
    }

    assert both["token"]["kind"] == "PERSONAL"
    assert reached == {"both": sorted([first, second]), "one": [first], "heir": [first]}
    assert (codes(wider), codes(above)) == (["NOT_FOUND"], ["NOT_FOUND"])


async def test_a_service_token_acts_on_several_units(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    units = [encode("unit", one) for one in agency.units.values()]
    wanted = {**PERSONAL, "kind": "SERVICE", "unitIds": units}

    made = await change(api, "tokenCreate", TOKEN, wanted, token=owner.token)
    beyond = await change(api, "tokenCreate", TOKEN, wanted, token=admin.token)
    nowhere = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "kind": "SERVICE"}, token=owner.token)
    session = await change(api, "tokenCreate", TOKEN, {**PERSONAL, "kind": "SESSION"}, token=owner.token)
    mixed = await change(api, "tokenCreate", TOKEN, {**wanted, "unitId": units[0]}, token=owner.token)
    seen = (await api.ask(VIEWER, token=made["secret"])).data["viewer"]

    assert sorted(one["unitId"] for one in seen["reaches"]) == sorted(units)
    assert codes(beyond) == ["NOT_FOUND"]
    assert [codes(one) for one in (nowhere, session, mixed)] == [["INVALID_INPUT"]] * 3
