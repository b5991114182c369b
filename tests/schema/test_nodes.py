"""Asking for things by id: one that may not be seen is null by itself, and takes nothing with it."""

from __future__ import annotations

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Permission, Role
from tests.api import Api
from tests.factories.approvals import a_request
from tests.factories.tenants import a_person, an_agency
from tests.tenancy.insiders import a_person_who_may

NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"


async def test_an_approval_without_campaign_read_is_null_like_an_id_of_nothing_and_its_neighbours_are_shown(
    api: Api, database: Database, settings: Settings
) -> None:
    # Given: a question at a unit, and somebody there who may read nothing of campaigns.
    agency = await an_agency(database)
    here = agency.units["client 1"]
    person = await a_person_who_may(database, settings, agency, [Permission.COST_READ], None)
    asked = encode("apr", (await a_request(database, agency, here)).id)
    unit = encode("unit", here)

    one, none = [await api.ask(NODE, {"id": id_}, token=person.token) for id_ in (asked, encode("apr", new_id()))]
    many = await api.ask(NODES, {"ids": [unit, asked, unit]}, token=person.token)

    assert one.body == none.body == {"data": {"node": None}}
    assert many.data["nodes"] == [{"id": unit}, None, {"id": unit}]


async def test_people_and_roles_are_found_by_id_with_what_lists_them_and_oneself_always(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    insider = await a_person_who_may(database, settings, agency, [Permission.COST_READ], None)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    own, other = encode("mem", insider.member_id), encode("mem", analyst.member_id)
    held = "{ viewer { member { memberships { customRole { id } } } } }"
    roles = await api.ask("{ roles { nodes { id } } }", token=analyst.token)
    role = roles.data["roles"]["nodes"][0]["id"]

    seen = await api.ask(NODES, {"ids": [own, other, role]}, token=insider.token)
    by_analyst = await api.ask(NODES, {"ids": [own, other, role]}, token=analyst.token)

    assert seen.data["nodes"] == [{"id": own}, None, None]
    assert by_analyst.data["nodes"] == [{"id": own}, {"id": other}, {"id": role}]
    assert (await api.ask(held, token=insider.token)).data["viewer"]["member"] is not None
