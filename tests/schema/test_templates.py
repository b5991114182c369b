"""Shared texts over HTTP: what is published, released, overridden and rolled back, once per key, inside one tenant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person, an_agency
from tests.schema.asking import change, codes, details, send, statements
from tests.workshop import Workshop

TEMPLATE = "template { id name purpose latestVersion archivedAt unit { name } versions { nodes { number body } } }"
VERSION = "version { id number body variables author { name } template { name } } template { latestVersion }"
RELEASE = (
    "release { id state total placed keptOverrides finishedAt template { name } version { number } unit { name } }"
)
EFFECTIVE = """effectiveTemplate { name versionNumber releasedNumber body variables isOverride drift
  override { body baseVersionNumber } template { name } unit { name } version { number } }"""


@dataclass(frozen=True, slots=True)
class Chain:
    """A franchise, its manager at headquarters, and the manager of one location."""

    franchise: AnOrganization
    head: APerson
    local: APerson

    def unit(self, name: str) -> str:
        """The global id of a location."""
        return encode("unit", self.franchise.units[name])

    @property
    def root(self) -> str:
        """The global id of headquarters."""
        return encode("unit", self.franchise.root_id)

    def text(self, **more: object) -> dict[str, Any]:
        """The input of a template of headquarters with a first version."""
        return {"unitId": self.root, "name": "Hours", "purpose": "REPLY", "body": "Open at {{ unit.opens }}"} | more


@pytest.fixture
async def chain(database: Database, settings: Settings) -> Chain:
    """A franchise of three locations."""
    franchise = await a_franchise(database)
    return Chain(
        franchise,
        await a_person(database, settings, franchise, franchise.root_id, Role.MANAGER, "Hera"),
        await a_person(database, settings, franchise, franchise.units["location 1"], Role.MANAGER, "Leo"),
    )


async def created(api: Api, chain: Chain, **more: object) -> str:
    """Create a template of headquarters and return its id."""
    payload = await change(api, "templateCreate", TEMPLATE, chain.text(**more), token=chain.head.token)
    template_id: str = payload["template"]["id"]
    return template_id


async def released(api: Api, chain: Chain, template_id: str) -> str:
    """Release the newest version to all locations and return the release's id."""
    wanted = {"templateId": template_id, "unitId": chain.root}
    payload = await change(api, "templateRelease", RELEASE, wanted, token=chain.head.token)
    release_id: str = payload["release"]["id"]
    return release_id


async def said(api: Api, chain: Chain, unit: str) -> list[str]:
    """The texts in force at a location, as its people see them."""
    document = "query($unit: ID!) { effectiveTemplates(unitId: $unit) { nodes { body } } }"
    answer = await api.ask(document, {"unit": chain.unit(unit)}, token=chain.head.token)
    return [one["body"] for one in answer.data["effectiveTemplates"]["nodes"]]


async def test_a_template_is_created_with_its_first_version_and_gets_another(api: Api, chain: Chain) -> None:
    made = await change(api, "templateCreate", TEMPLATE, chain.text(), token=chain.head.token)
    next_one = {"templateId": made["template"]["id"], "body": "Open from {{ unit.opens | default: '9' }}"}
    published = await change(api, "templatePublishVersion", VERSION, next_one, token=chain.head.token)
    listed = await api.ask(
        "query($unit: ID!) { templates(filter: {unitId: $unit}) { nodes { name latestVersion } } }",
        {"unit": chain.root},
        token=chain.head.token,
    )

    assert made["template"] == {
        "id": made["template"]["id"],
        "name": "Hours",
        "purpose": "REPLY",
        "latestVersion": 1,
        "archivedAt": None,
        "unit": {"name": "Franchise"},
        "versions": {"nodes": [{"number": 1, "body": "Open at {{ unit.opens }}"}]},
    }
    assert (published["version"]["number"], published["version"]["variables"]) == (2, ["unit.opens"])
    assert published["version"]["author"] == {"name": "Hera"}
    assert published["template"] == {"latestVersion": 2}
    assert listed.data["templates"]["nodes"] == [{"name": "Hours", "latestVersion": 2}]


async def test_all_flaws_of_a_template_are_told_at_once(api: Api, chain: Chain) -> None:
    wanted = chain.text(name="", body="Hi {{ agent.shoe }}")
    refused = await change(api, "templateCreate", TEMPLATE, wanted, token=chain.head.token)
    tagged = await change(api, "templateCreate", TEMPLATE, chain.text(body="{% if x %}"), token=chain.head.token)

    assert refused["template"] is None
    assert [(one["code"], one["path"]) for one in refused["userErrors"]] == [
        ("INVALID_INPUT", ["name"]),
        ("TEMPLATE_UNKNOWN_VARIABLE", ["body"]),
    ]
    assert [(one["code"], one["path"]) for one in tagged["userErrors"]] == [("TEMPLATE_TAG_REFUSED", ["body"])]


async def test_an_unknown_variable_is_named_with_its_line(api: Api, chain: Chain) -> None:
    refused = await change(
        api,
        "templateCreate",
        TEMPLATE,
        chain.text(body="Hi\n{{ agent.shoe }} {{ nobody.knows }}"),
        token=chain.head.token,
    )

    assert codes(refused) == ["TEMPLATE_UNKNOWN_VARIABLE", "TEMPLATE_UNKNOWN_VARIABLE"]
    assert [details(one) for one in refused["userErrors"]] == [
        {"variable": ["agent.shoe"], "line": ["2"]},
        {"variable": ["nobody.knows"], "line": ["2"]},
    ]


async def test_a_preview_fills_in_the_unit_and_names_what_is_missing(api: Api, chain: Chain) -> None:
    template_id = await created(api, chain, body="{{ unit.name }} opens at {{ custom.hour }}, {{ contact.name }}")
    document = """query($unit: ID!, $template: ID!, $values: [TemplateVariableInput!]) {
      templatePreview(unitId: $unit, templateId: $template, variables: $values) { text
        userErrors { code ... on DetailedError { details { name values } } } } }"""
    place = {"unit": chain.root, "template": template_id}
    values = [{"name": "custom.hour", "value": "nine"}, {"name": "contact.name", "value": "Ada {{ unit.name }}"}]

    full = await api.ask(document, {**place, "values": values}, token=chain.head.token)
    empty = await api.ask(document, place, token=chain.head.token)
    nowhere = await api.ask(document, {**place, "unit": chain.unit("location 2")}, token=chain.head.token)

    assert full.data["templatePreview"] == {
        "text": "Franchise opens at nine, Ada {{ unit.name }}",
        "userErrors": [],
    }
    (missing,) = empty.data["templatePreview"]["userErrors"]
    assert (missing["code"], details(missing)) == (
        "TEMPLATE_MISSING_VALUE",
        {"variables": ["custom.hour", "contact.name"]},
    )
    assert nowhere.data["templatePreview"]["userErrors"] == [{"code": "TEMPLATE_NOT_RELEASED_HERE"}]


OWN_WORDS = {
    "name": "Hours",
    "versionNumber": 1,
    "releasedNumber": 1,
    "body": "Come at ten",
    "variables": [],
    "isOverride": True,
    "drift": "OVERRIDDEN",
    "override": {"body": "Come at ten", "baseVersionNumber": 1},
    "template": {"name": "Hours"},
    "unit": {"name": "location 1"},
    "version": {"number": 1},
}


async def test_a_release_reaches_every_location_keeps_own_words_and_can_be_taken_back(
    api: Api, chain: Chain, workshop: Workshop
) -> None:
    template_id = await created(api, chain)
    await released(api, chain, template_id)
    await workshop.settle(chain.franchise.id)
    place = {"unitId": chain.unit("location 1"), "templateId": template_id}
    own = await change(api, "templateOverride", EFFECTIVE, {**place, "body": "Come at ten"}, token=chain.local.token)
    await change(
        api, "templatePublishVersion", VERSION, {"templateId": template_id, "body": "Open"}, token=chain.head.token
    )
    second = await released(api, chain, template_id)
    await workshop.settle(chain.franchise.id)

    shown = await api.ask(
        f"query($id: ID!) {{ node(id: $id) {{ ... on TemplateRelease {{ {RELEASE[10:-2]} }} }} }}",
        {"id": second},
        token=chain.head.token,
    )
    everywhere = [await said(api, chain, f"location {n}") for n in (1, 2, 3)]
    back = await change(api, "templateReleaseRollBack", RELEASE, {"releaseId": second}, token=chain.head.token)
    rolled = [await said(api, chain, f"location {n}") for n in (1, 2, 3)]
    dropped = await change(api, "templateOverrideRemove", EFFECTIVE, place, token=chain.local.token)

    assert own["effectiveTemplate"] == OWN_WORDS
    node = shown.data["node"]
    assert (node["state"], node["total"], node["placed"], node["keptOverrides"]) == ("DONE", 3, 3, 1)
    assert everywhere == [["Come at ten"], ["Open"], ["Open"]]
    assert back["release"]["state"] == "ROLLED_BACK"
    assert rolled == [["Come at ten"], ["Open at {{ unit.opens }}"], ["Open at {{ unit.opens }}"]]
    assert dropped["effectiveTemplate"]["override"] is None
    assert (dropped["effectiveTemplate"]["drift"], dropped["effectiveTemplate"]["isOverride"]) == ("INHERITS", False)


async def test_an_archived_template_is_listed_only_on_request_and_takes_no_version(api: Api, chain: Chain) -> None:
    template_id = await created(api, chain)

    archived = await change(api, "templateArchive", TEMPLATE, {"templateId": template_id}, token=chain.head.token)
    refused = await change(
        api, "templatePublishVersion", VERSION, {"templateId": template_id, "body": "x"}, token=chain.head.token
    )
    listed = await api.ask(
        "{ usual: templates { nodes { id } } all: templates(filter: {archived: true}) { nodes { id } } }",
        token=chain.head.token,
    )

    assert archived["template"]["archivedAt"] is not None
    assert codes(refused) == ["TEMPLATE_ARCHIVED"]
    assert listed.data == {"usual": {"nodes": []}, "all": {"nodes": [{"id": template_id}]}}


async def test_publishing_happens_once_per_key_and_a_key_belongs_to_one_input(api: Api, chain: Chain) -> None:
    template_id, key, token = await created(api, chain), new_id().hex, chain.head.token
    wanted = {"templateId": template_id, "body": "Second"}

    done = await change(api, "templatePublishVersion", VERSION, wanted, token=token, key=key)
    repeated = await change(api, "templatePublishVersion", VERSION, wanted, token=token, key=key)
    reused = await send(api, "templatePublishVersion", VERSION, {**wanted, "body": "Other"}, token=token, key=key)
    keyless = await send(api, "templatePublishVersion", VERSION, wanted, token=token, key=None)

    assert done == repeated
    assert done["template"] == {"latestVersion": 2}
    assert (reused.codes, keyless.codes) == (["IDEMPOTENCY_KEY_REUSED"], ["IDEMPOTENCY_REQUIRED"])


async def test_a_release_and_its_undoing_happen_once_per_key(api: Api, chain: Chain) -> None:
    template_id, key, token = await created(api, chain), new_id().hex, chain.head.token
    wanted = {"templateId": template_id, "unitId": chain.root, "versionNumber": 1}

    done = await change(api, "templateRelease", RELEASE, wanted, token=token, key=key)
    repeated = await change(api, "templateRelease", RELEASE, wanted, token=token, key=key)
    reused = await send(
        api, "templateRelease", RELEASE, {**wanted, "unitId": chain.unit("location 1")}, token=token, key=key
    )
    keyless = await send(api, "templateRelease", RELEASE, wanted, token=token, key=None)
    undo = await send(
        api, "templateReleaseRollBack", RELEASE, {"releaseId": done["release"]["id"]}, token=token, key=None
    )
    listed = await api.ask(
        "query($id: ID!) { template(id: $id) { releases { nodes { id } } } }", {"id": template_id}, token=token
    )

    assert done["release"]["id"] == repeated["release"]["id"]
    assert (reused.codes, keyless.codes) == (["IDEMPOTENCY_KEY_REUSED"], ["IDEMPOTENCY_REQUIRED"])
    assert undo.codes == ["IDEMPOTENCY_REQUIRED"]
    assert listed.data["template"]["releases"]["nodes"] == [{"id": done["release"]["id"]}]


FOREIGN = {
    "templateCreate": (TEMPLATE, {"unitId": "unit", "name": "n", "purpose": "REPLY"}),
    "templatePublishVersion": (VERSION, {"templateId": "tpl", "body": "x"}),
    "templateArchive": (TEMPLATE, {"templateId": "tpl"}),
    "templateRelease": (RELEASE, {"templateId": "tpl", "unitId": "own"}),
    "templateReleaseRollBack": (RELEASE, {"releaseId": "tplr"}),
    "templateOverride": (EFFECTIVE, {"unitId": "unit", "templateId": "tpl", "body": "x"}),
    "templateOverrideRemove": (EFFECTIVE, {"unitId": "unit", "templateId": "tpl"}),
}


@pytest.mark.parametrize("_field", FOREIGN)
async def test_texts_of_another_organization_are_no_texts_at_all(
    api: Api, database: Database, settings: Settings, chain: Chain, _field: str
) -> None:
    agency = await an_agency(database)
    stranger = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    template_id = await created(api, chain)
    known = {"unit": chain.root, "tpl": template_id, "tplr": await released(api, chain, template_id)}
    unknown = {kind: encode(kind, new_id()) for kind in known}
    selection, form = FOREIGN[_field]

    answers = [
        await change(
            api,
            _field,
            selection,
            {name: {**ids, "own": encode("unit", agency.root_id)}.get(value, value) for name, value in form.items()},
            token=stranger.token,
        )
        for ids in (known, unknown)
    ]

    assert answers[0] == answers[1]
    assert codes(answers[0]) == ["NOT_FOUND"]


async def test_reads_of_another_organization_and_of_a_sibling_find_nothing(
    api: Api, database: Database, settings: Settings, chain: Chain
) -> None:
    agency = await an_agency(database)
    stranger = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    made = await change(
        api, "templateCreate", TEMPLATE, chain.text(unitId=chain.unit("location 2")), token=chain.head.token
    )
    document = """query($id: ID!, $unit: ID!) { template(id: $id) { id } node(id: $id) { id }
      templates(filter: {unitId: $unit}) { nodes { id } } }"""
    wanted = {"id": made["template"]["id"], "unit": chain.unit("location 2")}
    at_unit = "query($unit: ID!) { effectiveTemplates(unitId: $unit) { nodes { name } } }"

    for token in (stranger.token, chain.local.token):
        assert (await api.ask(document, wanted, token=token)).data == {
            "template": None,
            "node": None,
            "templates": {"nodes": []},
        }
        refused = await api.ask(at_unit, {"unit": wanted["unit"]}, token=token)
        assert refused.codes == ["BAD_REQUEST"]
        assert refused.body["errors"][0]["extensions"]["reason"] == "NOT_FOUND"


async def test_an_operator_reads_and_changes_nothing(
    api: Api, database: Database, settings: Settings, chain: Chain
) -> None:
    operator = await a_person(database, settings, chain.franchise, chain.franchise.root_id, Role.OPERATOR)
    template_id = await created(api, chain)
    attempts = {
        "templatePublishVersion": (VERSION, {"templateId": template_id, "body": "x"}),
        "templateRelease": (RELEASE, {"templateId": template_id, "unitId": chain.root}),
        "templateArchive": (TEMPLATE, {"templateId": template_id}),
    }

    refused = [
        codes(await change(api, field, selection, input, token=operator.token))
        for field, (selection, input) in attempts.items()
    ]

    assert refused == [["PERMISSION_DENIED"]] * 3
    assert (await api.ask("{ templates { nodes { id } } }", token=operator.token)).data["templates"]["nodes"] == [
        {"id": template_id}
    ]


async def test_a_search_with_a_control_character_is_refused_as_such(api: Api, chain: Chain) -> None:
    document = (
        "query($unit: ID!, $search: String) { effectiveTemplates(unitId: $unit, search: $search) { nodes { name } } }"
    )

    answer = await api.ask(document, {"unit": chain.root, "search": "a\x00b"}, token=chain.head.token)

    assert answer.codes == ["BAD_REQUEST"]
    assert answer.body["errors"][0]["extensions"]["reason"] == "INVALID_INPUT"


PAGE = """query($unit: ID!, $first: Int!) { effectiveTemplates(unitId: $unit, first: $first) { nodes {
  name body drift unit { name } template { name unit { name } } version { number author { name } } } } }"""


async def test_a_page_of_texts_in_force_takes_the_same_number_of_statements_for_one_and_for_eight(
    api: Api, chain: Chain
) -> None:
    for number in range(8):
        await created(api, chain, name=f"Text {number}")
    token = chain.head.token
    await api.ask(PAGE, {"unit": chain.root, "first": 8}, token=token)

    with statements() as few:
        one = await api.ask(PAGE, {"unit": chain.root, "first": 1}, token=token)
    with statements() as many:
        eight = await api.ask(PAGE, {"unit": chain.root, "first": 8}, token=token)

    assert len(one.data["effectiveTemplates"]["nodes"]) == 1
    assert len(eight.data["effectiveTemplates"]["nodes"]) == 8
    assert len(many) == len(few), "\n".join(many)
