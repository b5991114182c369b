"""Contacts, labels, topics and suppressions over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest

from server.channels.service import PageRef
from server.config import Settings
from server.consent import service as consent
from server.consent.models import ConsentSource
from server.contacts import service as contacts
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.inbox import a_contact, a_page
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, statements

PEOPLE = """query($first: Int, $filter: ContactFilter) { contacts(first: $first, filter: $filter) { nodes { id name firstName
  unit { name } labels { name unit { name } } identities { externalId page { name } } suppression { reason }
  consents { isOptedIn occurredAt expiresAt topic { key unit { name } } page { name } } } } }"""


@dataclass(frozen=True, slots=True)
class AShop:
    """A client of an agency with a page, a manager and somebody who writes to it."""

    organization: AnOrganization
    manager: APerson
    page: PageRef
    contact_id: UUID

    @property
    def unit(self) -> str:
        """The client's id."""
        return encode("unit", self.organization.units["client 1"])

    @property
    def contact(self) -> str:
        """The person's id."""
        return encode("ct", self.contact_id)


@pytest.fixture
async def shop(database: Database, settings: Settings) -> AShop:
    """A shop."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    manager = await a_person(database, settings, agency, unit_id, Role.MANAGER)
    page = await a_page(database, agency, unit_id)
    return AShop(agency, manager, page, await a_contact(database, agency, page))


async def test_a_list_of_people_with_all_their_facts_costs_the_same_for_any_number(
    api: Api, shop: AShop, database: Database
) -> None:
    async with begin(database, shop.organization.scope) as uow:
        unit_id = shop.organization.units["client 1"]
        label = await contacts.create_label(uow, unit_id, "VIP", "#2f6fed")
        await consent.create_topic(uow, unit_id, "offers", "Offers")
    for _ in range(20):
        person = await a_contact(database, shop.organization, shop.page)
        async with begin(database, shop.organization.scope) as uow:
            await contacts.label_contact(uow, person, label.id)
            await consent.opt_in(
                uow, shop.page, person, "offers", None, None, None, await uow.now(), ConsentSource.PLATFORM_OPT_IN, None
            )

    with statements() as few:
        three = await api.ask(PEOPLE, {"first": 3}, token=shop.manager.token)
    with statements() as many:
        twenty = await api.ask(PEOPLE, {"first": 20}, token=shop.manager.token)

    assert (len(three.data["contacts"]["nodes"]), len(twenty.data["contacts"]["nodes"])) == (3, 20)
    assert len(many) == len(few), "\n".join(many)
    person = twenty.data["contacts"]["nodes"][0]
    assert person["labels"] == [{"name": "VIP", "unit": {"name": "client 1"}}]
    assert person["consents"][0]["isOptedIn"] is True
    assert person["consents"][0]["topic"] == {"key": "offers", "unit": {"name": "client 1"}}
    assert person["identities"][0]["page"] == {"name": "Bakery"}


async def test_a_person_is_renamed_labelled_and_found_by_the_label(api: Api, shop: AShop) -> None:
    token = shop.manager.token
    new = {"unitId": shop.unit, "name": "VIP", "color": "#2f6fed"}
    made = await change(api, "labelCreate", "label { id name color unit { name } }", new, token=token)
    wearing = {"contactId": shop.contact, "labelId": made["label"]["id"]}
    names = {"contactId": shop.contact, "name": "Rear Admiral Hopper", "firstName": "Grace"}

    renamed = await change(api, "contactRename", "contact { name firstName }", names, token=token)
    labelled = await change(api, "contactLabel", "contact { labels { name } }", wearing, token=token)
    found = await api.ask(PEOPLE, {"filter": {"labelId": made["label"]["id"]}}, token=token)
    bare = await change(api, "contactUnlabel", "contact { labels { name } }", wearing, token=token)
    gone = await api.ask(PEOPLE, {"filter": {"labelId": made["label"]["id"]}}, token=token)

    assert made["label"] | {"id": ""} == {"id": "", "name": "VIP", "color": "#2f6fed", "unit": {"name": "client 1"}}
    assert renamed["contact"] == {"name": "Rear Admiral Hopper", "firstName": "Grace"}
    assert labelled["contact"]["labels"] == [{"name": "VIP"}]
    assert [node["id"] for node in found.data["contacts"]["nodes"]] == [shop.contact]
    assert bare["contact"]["labels"] == []
    assert gone.data["contacts"]["nodes"] == []


async def test_problems_of_one_input_are_told_together(api: Api, shop: AShop) -> None:
    new = {"unitId": shop.unit, "name": "", "color": "red"}

    refused = await change(api, "labelCreate", "label { id }", new, token=shop.manager.token)

    assert refused["label"] is None
    assert [error["path"] for error in refused["userErrors"]] == [["name"], ["color"]]


async def test_a_suppressed_person_shows_why_until_it_is_lifted(api: Api, shop: AShop) -> None:
    one, token = {"contactId": shop.contact}, shop.manager.token
    selection = "contact { suppression { reason createdAt } }"

    held = await change(api, "contactSuppress", selection, one | {"reason": "ASKED_TO_STOP"}, token=token)
    free = await change(api, "contactUnsuppress", selection, one, token=token)
    by_hand = await change(api, "contactSuppress", selection, one, token=token)

    assert held["contact"]["suppression"]["reason"] == "ASKED_TO_STOP"
    assert free["contact"] == {"suppression": None}
    assert by_hand["contact"]["suppression"]["reason"] == "MANUAL"


async def test_a_topic_is_offered_where_it_was_made_and_below(
    api: Api, shop: AShop, database: Database, settings: Settings
) -> None:
    agency = shop.organization
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    topics = "query($unit: ID) { topics(unitId: $unit) { nodes { key name unit { name } } } }"
    new = {"unitId": encode("unit", agency.root_id), "key": "news", "name": "News"}

    made = await change(api, "topicCreate", "topic { id key }", new, token=owner.token)
    twice = await change(api, "topicCreate", "topic { id }", new, token=owner.token)
    seen = await api.ask(topics, {"unit": shop.unit}, token=shop.manager.token)

    assert made["topic"]["key"] == "news"
    assert codes(twice) == ["ALREADY_EXISTS"]
    assert seen.data["topics"]["nodes"] == [{"key": "news", "name": "News", "unit": {"name": "Agency"}}]


async def test_foreign_ids_and_random_ones_are_the_same_nothing(
    api: Api, shop: AShop, database: Database, settings: Settings
) -> None:
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    async with begin(database, shop.organization.scope) as uow:
        label = await contacts.create_label(uow, shop.organization.units["client 1"], "VIP", "#2f6fed")
    own = await a_contact(database, other, await a_page(database, other, other.units["client 1"]))
    contact, label_id = encode("ct", own), encode("lbl", label.id)

    tried = []
    for unit in (shop.unit, encode("unit", new_id()), "unit_nonsense", ""):
        tried += [
            ("labelCreate", "label { id }", {"unitId": unit, "name": "n"}),
            ("topicCreate", "topic { id }", {"unitId": unit, "key": "k", "name": "n"}),
        ]
    for person in (shop.contact, encode("ct", new_id()), "ct_nonsense"):
        one = {"contactId": person}
        tried += [
            ("contactRename", "contact { id }", one | {"name": "n"}),
            ("contactLabel", "contact { id }", one | {"labelId": label_id}),
            ("contactUnlabel", "contact { id }", one | {"labelId": label_id}),
            ("contactSuppress", "contact { id }", one),
            ("contactUnsuppress", "contact { id }", one),
        ]
    tried.append(("contactLabel", "contact { id }", {"contactId": contact, "labelId": label_id}))
    found = [codes(await change(api, field, shown, given, token=stranger.token)) for field, shown, given in tried]
    nodes = await api.ask(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [shop.contact, label_id]}, token=stranger.token
    )

    assert found == [["NOT_FOUND"]] * len(tried)
    assert nodes.data["nodes"] == [None, None]


async def test_who_may_not_write_is_refused_and_who_may_not_read_sees_nobody(
    api: Api, shop: AShop, database: Database, settings: Settings
) -> None:
    agency = shop.organization
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)
    operator = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    one = {"contactId": shop.contact}

    renamed = await change(api, "contactRename", "contact { id }", one | {"name": "n"}, token=analyst.token)
    suppressed = await change(api, "contactSuppress", "contact { id }", one, token=operator.token)
    listed = await api.ask(PEOPLE, token=approver.token)
    node = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": shop.contact}, token=approver.token)

    assert codes(renamed) == ["PERMISSION_DENIED"]
    assert codes(suppressed) == ["PERMISSION_DENIED"]
    assert listed.codes == ["FORBIDDEN"]
    assert node.data["node"] is None
