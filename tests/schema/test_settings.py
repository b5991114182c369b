"""Settings over the API: what counts and why, what is refused, what leaves a trace, and who answers too late."""

from __future__ import annotations

from typing import Any

import pytest

from server.audit import service as audit
from server.config import Settings
from server.consent import service as consent
from server.inbox import service as inbox
from server.inbox.models import Category, ConversationStatus
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.kit.pagination import PageArguments
from server.platforms.port import MessageEchoed
from server.tenants.rules import Role
from server.tenants.settings import FirstResponse, MarketingCap, Tone
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.inbox import a_conversation, a_page, at
from tests.factories.sends import AShop, marketing
from tests.factories.settings import a_setting
from tests.factories.tenants import AnOrganization, APerson, a_person
from tests.factories.trees import two_regions
from tests.schema.asking import change, codes, details, statements

_VALUE = """firstResponseMinutes tone { text isLocked } marketingCap { messages hours }
  quietHours { weekday start end } approvalQuorum"""
_SETTINGS = f"""settings {{ name value {{ {_VALUE} }} sourceUnitId sourceUnitName limit {{ {_VALUE} }} limitUnitId limitUnitName
  ownValue {{ {_VALUE} }} isOwn isOverruled }}"""
_UNIT = f"unit {{ id {_SETTINGS} }}"
_EMPTY = {"firstResponseMinutes": None, "tone": None, "marketingCap": None, "quietHours": None, "approvalQuorum": None}


def _id(tree: AnOrganization, name: str) -> str:
    return encode("unit", tree.units[name])


def _by_name(unit: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in unit["settings"]}


async def _acts(database: Database, tree: AnOrganization) -> list[tuple[str, dict[str, Any]]]:
    async with begin_read(database, tree.scope) as uow:
        page = await audit.list_events(uow, PageArguments(first=20))
    return [(one.action, dict(one.details)) for one in page.items]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"firstResponseMinutes": 30}, {"firstResponseMinutes": 30}),
        ({"tone": {"text": "Warm.", "isLocked": True}}, {"tone": {"text": "Warm.", "isLocked": True}}),
        ({"marketingCap": {"messages": 1, "hours": 48}}, {"marketingCap": {"messages": 1, "hours": 48}}),
        ({"approvalQuorum": 2}, {"approvalQuorum": 2}),
        (
            {"quietHours": [{"weekdays": ["FRI"], "start": "22:00", "end": "07:00"}]},
            {
                "quietHours": [
                    {"weekday": "FRI", "start": "22:00", "end": "24:00"},
                    {"weekday": "SAT", "start": "00:00", "end": "07:00"},
                ]
            },
        ),
    ],
)
async def test_each_setting_is_set_shown_with_its_source_and_cleared(
    database: Database, settings: Settings, api: Api, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    tree = await two_regions(database)
    manager = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)
    clerk = await a_person(database, settings, tree, tree.units["n1"], Role.OPERATOR)

    payload = await change(api, "unitSettingSet", _UNIT, {"unitId": _id(tree, "north"), **given}, token=manager.token)

    assert payload["userErrors"] == []
    (name,) = [one["name"] for one in payload["unit"]["settings"] if one["isOwn"]]
    own = _by_name(payload["unit"])[name]
    assert own["value"] == own["ownValue"] == _EMPTY | shown
    answer = await api.ask(
        f"query($id: ID!) {{ unit(id: $id) {{ {_SETTINGS} }} }}", {"id": _id(tree, "n1")}, token=clerk.token
    )
    below = _by_name(answer.data["unit"])[name]
    assert below["value"] == _EMPTY | shown
    assert (below["sourceUnitId"], below["sourceUnitName"]) == (_id(tree, "north"), "north")
    assert (below["limitUnitName"], below["ownValue"], below["isOwn"]) == ("north", None, False)

    cleared = {"unitId": _id(tree, "north"), "name": name}
    for _ in range(2):
        payload = await change(api, "unitSettingClear", _UNIT, cleared, token=manager.token)
    assert not any(one["isOwn"] for one in payload["unit"]["settings"])
    acts = [(act, told["setting"]) for act, told in await _acts(database, tree) if act.startswith("unit:setting")]
    assert acts == [("unit:setting:clear", name), ("unit:setting:set", name)]


async def test_a_looser_value_is_refused_with_what_would_help(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    manager = await a_person(database, settings, tree, tree.units["n1"], Role.MANAGER)
    await a_setting(database, tree, tree.root_id, FirstResponse(30))

    payload = await change(
        api, "unitSettingSet", _UNIT, {"unitId": _id(tree, "n1"), "firstResponseMinutes": 31}, token=manager.token
    )

    (error,) = payload["userErrors"]
    assert (error["code"], error["path"], payload["unit"]) == ("SETTING_LOOSENS", ["firstResponseMinutes"], None)
    assert details(error) == {
        "limit": ["30 minutes"],
        "unitId": [encode("unit", tree.root_id)],
        "unitName": ["Chain"],
    }
    assert not [act for act, _ in await _acts(database, tree) if act.startswith("unit:setting")]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"firstResponseMinutes": 5, "approvalQuorum": 2},
        {"firstResponseMinutes": 0},
        {"approvalQuorum": 6},
        {"tone": {"text": ""}},
        {"marketingCap": {"messages": -1, "hours": 24}},
        {"quietHours": []},
        {"quietHours": [{"start": "25:00", "end": "07:00"}]},
        {"quietHours": [{"weekdays": [], "start": "22:00", "end": "07:00"}]},
    ],
)
async def test_bad_input_is_told(database: Database, settings: Settings, api: Api, given: dict[str, Any]) -> None:
    tree = await two_regions(database)
    owner = await a_person(database, settings, tree, tree.root_id, Role.OWNER)

    payload = await change(api, "unitSettingSet", _UNIT, {"unitId": _id(tree, "n1"), **given}, token=owner.token)

    assert codes(payload) == ["INVALID_INPUT"]


async def test_a_unit_out_of_reach_and_a_missing_permission_are_refused(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    manager = await a_person(
        database, settings, tree, tree.units["n1"], Role.MANAGER, also=[(tree.units["n2"], Role.OPERATOR)]
    )

    for name, expected in (("s1", "NOT_FOUND"), ("north", "NOT_FOUND"), ("n2", "PERMISSION_DENIED")):
        where = {"unitId": _id(tree, name)}
        payload = await change(api, "unitSettingSet", _UNIT, where | {"approvalQuorum": 2}, token=manager.token)
        assert codes(payload) == [expected]
        payload = await change(api, "unitSettingClear", _UNIT, where | {"name": "TONE"}, token=manager.token)
        assert codes(payload) == [expected]


async def test_the_trail_keeps_what_was_set_but_not_the_words_of_a_tone(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    owner = await a_person(database, settings, tree, tree.root_id, Role.OWNER)
    where = {"unitId": _id(tree, "n1")}
    await change(api, "unitSettingSet", _UNIT, where | {"tone": {"text": "Warm."}}, token=owner.token)
    await change(
        api, "unitSettingSet", _UNIT, where | {"marketingCap": {"messages": 0, "hours": 24}}, token=owner.token
    )

    assert (await _acts(database, tree))[:2] == [
        ("unit:setting:set", {"setting": "MARKETING_CAP", "value": {"messages": 0, "hours": 24}}),
        ("unit:setting:set", {"setting": "TONE", "value": {"isLocked": False, "length": 5}}),
    ]


async def test_a_page_of_units_with_settings_costs_the_same_for_one_and_for_all(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    owner = await a_person(database, settings, tree, tree.root_id, Role.OWNER)
    await a_setting(database, tree, tree.root_id, FirstResponse(30), Tone("Warm."))
    await a_setting(database, tree, tree.units["south"], MarketingCap(1, 48))
    query = f"query($first: Int) {{ units(first: $first) {{ nodes {{ name {_SETTINGS} }} }} }}"

    with statements() as few:
        await api.ask(query, {"first": 1}, token=owner.token)
    with statements() as many:
        answer = await api.ask(query, {"first": 6}, token=owner.token)

    assert len(answer.data["units"]["nodes"]) == 6
    assert len(few) == len(many), "\n".join(many)


# --------------------------------------------------------------------------- answers that are due

_DUE = "query($first: Int) { conversations(first: $first) { nodes { id firstResponseDueAt isOverdue } } }"


async def _due(api: Api, person: APerson) -> dict[str, tuple[str | None, bool]]:
    answer = await api.ask(_DUE, {"first": 50}, token=person.token)
    return {one["id"]: (one["firstResponseDueAt"], one["isOverdue"]) for one in answer.data["conversations"]["nodes"]}


async def test_an_answer_is_due_by_what_the_unit_promises_now(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    page, other = await a_page(database, tree, tree.units["n1"]), await a_page(database, tree, tree.units["s1"])
    clerk = await a_person(database, settings, tree, tree.root_id, Role.OPERATOR)
    late = await a_conversation(database, tree, page, "Hello?", "Anybody?", start=at(0))
    free = await a_conversation(database, tree, other, "Hello?", start=at(0))
    late_id, free_id = encode("cnv", late.id), encode("cnv", free.id)
    assert await _due(api, clerk) == {late_id: (None, False), free_id: (None, False)}

    await a_setting(database, tree, tree.units["north"], FirstResponse(60 * 24))
    in_time = await _due(api, clerk)
    await a_setting(database, tree, tree.units["n1"], FirstResponse(60))
    overdue = await _due(api, clerk)

    assert in_time[late_id][1] is False
    assert in_time[late_id][0] is not None
    assert overdue[late_id] == (at(60).isoformat(), True)
    assert in_time[free_id] == overdue[free_id] == (None, False)


async def test_who_was_answered_or_is_done_does_not_wait_and_who_asks_again_does(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    page = await a_page(database, tree, tree.units["n1"])
    clerk = await a_person(database, settings, tree, tree.root_id, Role.OPERATOR)
    await a_setting(database, tree, tree.root_id, FirstResponse(1))
    row = await a_conversation(database, tree, page, "Hello?", start=at(0))
    key = encode("cnv", row.id)

    async with begin(database, tree.scope) as uow:
        echo = MessageEchoed("person", "m_answer", "Hello!", (), at(10))
        await inbox.record_echo(uow, page, row.contact_id, echo, None)
    assert (await _due(api, clerk))[key] == (None, False)

    await a_conversation(database, tree, page, "And now?", contact_id=row.contact_id, start=at(20))
    assert (await _due(api, clerk))[key] == (at(21).isoformat(), True)

    async with begin(database, clerk.scope) as uow:
        await inbox.set_category(uow, row.id, Category.INQUIRY)
        await inbox.set_status(uow, row.id, ConversationStatus.RESOLVED)
    assert (await _due(api, clerk))[key] == (None, False)


async def test_a_message_of_a_campaign_is_no_answer(database: Database, settings: Settings, api: Api) -> None:
    tree = await two_regions(database)
    page = await a_page(database, tree, tree.units["n1"])
    clerk = await a_person(database, settings, tree, tree.root_id, Role.OPERATOR)
    await a_setting(database, tree, tree.root_id, FirstResponse(1))
    row = await a_conversation(database, tree, page, "Hello?", start=at(0))
    async with begin(database, tree.scope) as uow:
        topic = await consent.create_topic(uow, tree.root_id, "offers", "Offers")
    (send_id,) = await marketing(database, AShop(tree, page, topic.id), new_id(), [(row.contact_id, "person")])

    async with begin(database, tree.scope) as uow:
        echo = MessageEchoed("person", "m_offer", "Half price!", (), at(10))
        await inbox.record_echo(uow, page, row.contact_id, echo, send_id)

    assert (await _due(api, clerk))[encode("cnv", row.id)] == (at(1).isoformat(), True)


async def test_a_page_of_the_inbox_with_due_answers_costs_the_same_for_one_and_for_fifty(
    database: Database, settings: Settings, api: Api
) -> None:
    tree = await two_regions(database)
    pages = [await a_page(database, tree, tree.units[name]) for name in ("n1", "n2", "s1")]
    clerk = await a_person(database, settings, tree, tree.root_id, Role.OPERATOR)
    await a_setting(database, tree, tree.root_id, FirstResponse(30))
    for number in range(50):
        await a_conversation(database, tree, pages[number % 3], start=at(number))

    with statements() as few:
        await api.ask(_DUE, {"first": 1}, token=clerk.token)
    with statements() as many:
        answer = await api.ask(_DUE, {"first": 50}, token=clerk.token)

    assert sum(one["isOverdue"] for one in answer.data["conversations"]["nodes"]) == 50
    assert len(few) == len(many), "\n".join(many)
