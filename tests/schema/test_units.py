"""Units and groups over the API: what is shown, what is refused, and what leaves a trace."""

from __future__ import annotations

from typing import Any

from server.audit import service as audit
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import AnOrganization, a_person
from tests.factories.trees import two_regions
from tests.schema.asking import change, codes

_UNIT = """unit { id name kind externalCode parentId path archivedAt childrenCount ancestors { name }
  attributes { addressLines postalCode city country phone locale timeZone custom { name value }
    openingHours { text weekly { weekday intervals { opens closes } } special { date intervals { opens } } } } }"""

ATTRIBUTES: dict[str, Any] = {
    "addressLines": ["Hauptplatz 1"],
    "postalCode": "4020",
    "city": "Linz",
    "country": "at",
    "phone": "+43 732 123456",
    "locale": "de-AT",
    "timeZone": "Europe/Vienna",
    "openingHours": {
        "weekly": [
            {"weekday": "MON", "intervals": [{"opens": "09:00", "closes": "17:00"}]},
            {"weekday": "SUN", "intervals": []},
        ],
        "special": [{"date": "2026-12-24", "intervals": []}],
    },
    "custom": [{"name": "parking", "value": "Behind the house"}],
}
WRONG: dict[str, Any] = {
    "name": "n2",
    "externalCode": " ",
    "attributes": {
        "addressLines": ["ok", ""],
        "timeZone": "Mars",
        "openingHours": {"weekly": [{"weekday": "MON", "intervals": [{"opens": "9", "closes": "10"}]}]},
        "custom": [{"name": "1", "value": "x"}],
    },
}

_GROUP = "group { id name membersCount unit { name } members { nodes { name } } }"


def _id(tree: AnOrganization, name: str) -> str:
    return encode("unit", tree.units[name])


async def _acts(database: Database, tree: AnOrganization) -> list[tuple[str, dict[str, Any]]]:
    async with begin_read(database, tree.scope) as uow:
        page = await audit.list_events(uow, PageArguments(first=20))
    return [(one.action, dict(one.details)) for one in page.items]


async def test_a_unit_is_made_described_and_shown_with_its_place(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    made = {"parentId": _id(tree, "north"), "kind": "LOCATION", "name": "n3", "attributes": ATTRIBUTES}

    payload = await change(api, "unitCreate", _UNIT, made, token=admin.token)

    unit = payload["unit"]
    assert unit["path"] == ["Chain", "north", "n3"]
    assert [one["name"] for one in unit["ancestors"]] == ["Chain", "north"]
    told = unit["attributes"]
    assert (told["addressLines"], told["country"], told["phone"]) == (["Hauptplatz 1"], "AT", "+43732123456")
    assert told["openingHours"]["text"] == "Mo 09:00–17:00; So geschlossen; 2026-12-24 geschlossen"
    assert told["openingHours"]["special"] == [{"date": "2026-12-24", "intervals": []}]
    assert told["custom"] == [{"name": "parking", "value": "Behind the house"}]

    change_of = {
        "unitId": unit["id"],
        "externalCode": "77",
        "attributes": {"addressLines": None, "city": None, "custom": [{"name": "parking", "value": None}]},
    }
    payload = await change(api, "unitUpdate", _UNIT, change_of, token=admin.token)

    told = payload["unit"]["attributes"]
    assert (payload["unit"]["externalCode"], payload["unit"]["name"]) == ("77", "n3")
    assert (told["addressLines"], told["city"], told["custom"], told["postalCode"]) == ([], None, [], "4020")
    assert [act for act, _ in await _acts(database, tree)][:2] == ["unit:self:edit", "unit:self:create"]


async def test_all_that_is_wrong_with_a_unit_is_told_at_the_place_of_the_input(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    wrong = {"unitId": _id(tree, "n1")} | WRONG

    payload = await change(api, "unitUpdate", "unit { id }", wrong, token=admin.token)

    assert [(one["code"], one["path"]) for one in payload["userErrors"]] == [
        ("INVALID_INPUT", ["attributes", "addressLines", "1"]),
        ("INVALID_INPUT", ["attributes", "timeZone"]),
        ("INVALID_INPUT", ["attributes", "openingHours"]),
        ("INVALID_INPUT", ["attributes", "custom", "1"]),
        ("ALREADY_EXISTS", ["name"]),
        ("INVALID_INPUT", ["externalCode"]),
    ]
    twice = [{"weekday": "MON", "intervals": []}] * 2
    for bad in (
        {"openingHours": {"weekly": twice}},
        {"addressLines": ["a"] * 4},
        {"custom": [{"name": "city", "value": "x"}]},
        {"openingHours": {}},
    ):
        payload = await change(
            api,
            "unitUpdate",
            "unit { id }",
            {"unitId": _id(tree, "n1"), "attributes": bad},
            token=admin.token,
        )
        assert codes(payload) == ["INVALID_INPUT"]


async def test_a_move_is_shown_to_who_made_it_and_leaves_a_trace(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    north = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    wanted = {"unitId": _id(tree, "n1"), "parentId": _id(tree, "south")}

    refused = await change(api, "unitMove", _UNIT, wanted, token=north.token)
    moved = await change(api, "unitMove", _UNIT, wanted, token=admin.token)
    again = await change(api, "unitMove", _UNIT, wanted, token=admin.token)
    seen = await api.ask("query($id: ID!) { unit(id: $id) { id } }", {"id": _id(tree, "n1")}, token=north.token)

    assert codes(refused) == ["NOT_FOUND"]
    assert moved["unit"]["path"] == again["unit"]["path"] == ["Chain", "south", "n1"]
    assert seen.data["unit"] is None
    acts = await _acts(database, tree)
    expected = {"from": str(tree.units["north"]), "to": str(tree.units["south"])}
    assert [details for act, details in acts if act == "unit:self:move"] == [expected]


async def test_archived_units_are_left_out_unless_asked_for(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    listing = "query($f: UnitFilter) { units(filter: $f) { nodes { name archivedAt } } }"

    archived = await change(api, "unitArchive", _UNIT, {"unitId": _id(tree, "north")}, token=admin.token)

    async def names(filter: dict[str, Any] | None) -> list[str]:
        answer = await api.ask(listing, {"f": filter}, token=admin.token)
        return [one["name"] for one in answer.data["units"]["nodes"]]

    assert archived["unit"]["archivedAt"] is not None
    assert await names(None) == ["Chain", "s1", "south"]
    assert await names({"isArchived": True}) == ["n1", "n2", "north"]
    assert await names({"isArchived": None, "underId": _id(tree, "north")}) == ["n1", "n2", "north"]
    child = await change(api, "unitRestore", "unit { id }", {"unitId": _id(tree, "n1")}, token=admin.token)
    assert codes(child) == ["UNIT_ARCHIVED"]
    restored = await change(api, "unitRestore", _UNIT, {"unitId": _id(tree, "north")}, token=admin.token)
    assert restored["unit"]["archivedAt"] is None
    assert await names({"search": "n"}) == ["n1", "n2", "north"]
    acts = [(act, details) for act, details in await _acts(database, tree) if "archive" in act or "restore" in act]
    assert acts == [("unit:self:restore", {"units": 3}), ("unit:self:archive", {"units": 3})]


async def test_the_organization_is_changed_by_its_owner(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    owner = await a_person(database, settings, tree, tree.root_id, Role.OWNER)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    wanted = {"name": "Chain & Co", "timeZone": "Europe/Vienna"}

    refused = await change(api, "organizationUpdate", "organization { name }", wanted, token=admin.token)
    done = await change(api, "organizationUpdate", "organization { name timeZone }", wanted, token=owner.token)

    assert codes(refused) == ["PERMISSION_DENIED"]
    assert done["organization"] == wanted


async def test_a_group_is_made_filled_listed_and_deleted(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    shown = _GROUP

    made = await change(
        api,
        "locationGroupCreate",
        shown,
        {"unitId": _id(tree, "north"), "name": "Stations"},
        token=admin.token,
    )
    group = made["group"]["id"]
    filled = await change(
        api,
        "locationGroupMembers",
        shown,
        {"groupId": group, "add": [_id(tree, "n1"), _id(tree, "n2")]},
        token=admin.token,
    )
    listing = "query($g: ID!) { locationGroup(id: $g) { name } units(filter: { groupId: $g }) { nodes { name } } }"
    seen = await api.ask(listing, {"g": group}, token=admin.token)
    renamed = await change(
        api,
        "locationGroupUpdate",
        shown,
        {"groupId": group, "name": "Railway"},
        token=admin.token,
    )
    gone = await change(api, "locationGroupDelete", "deletedId", {"groupId": group}, token=admin.token)
    listed = await api.ask("{ locationGroups { nodes { name } } }", token=admin.token)

    assert made["group"]["members"]["nodes"] == []
    assert filled["group"]["membersCount"] == 2
    assert [one["name"] for one in seen.data["units"]["nodes"]] == ["n1", "n2"]
    assert (renamed["group"]["name"], renamed["group"]["unit"]) == ("Railway", {"name": "north"})
    assert (gone["deletedId"], listed.data["locationGroups"]["nodes"]) == (group, [])
    acts = [act for act, _ in await _acts(database, tree) if act.startswith("group")]
    assert acts == ["group:self:delete", "group:self:edit", "group:self:edit", "group:self:create"]


async def test_a_group_is_not_there_for_who_works_at_a_member(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    local = await a_person(database, settings, tree, tree.units["n1"], Role.ADMIN)
    wanted = {"unitId": _id(tree, "north"), "name": "Stations"}
    group = (await change(api, "locationGroupCreate", _GROUP, wanted, token=admin.token))["group"]["id"]
    members = {"groupId": group, "add": [_id(tree, "n1")]}
    await change(api, "locationGroupMembers", _GROUP, members, token=admin.token)

    one = await api.ask("query($g: ID!) { locationGroup(id: $g) { name } }", {"g": group}, token=local.token)
    listed = await api.ask("{ locationGroups { nodes { name } } }", token=local.token)
    gone = await change(api, "locationGroupDelete", "deletedId", {"groupId": group}, token=local.token)

    assert (one.data["locationGroup"], listed.data["locationGroups"]["nodes"]) == (None, [])
    assert codes(gone) == ["NOT_FOUND"]
