"""Contacts: one person is one contact, and labels stay in their place."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.config import Settings
from server.contacts import service as contacts
from server.contacts.errors import LabelExists, LabelOutOfPlace
from server.kit.db import Database
from server.kit.errors import InvalidCursor, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page
from tests.factories.tenants import a_franchise, a_person, an_agency


async def test_twenty_events_of_a_new_person_at_once_make_one_contact(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])

    async def hear() -> object:
        async with begin(database, agency.scope) as uow:
            return await contacts.identify(uow, page, "9001")

    found = await asyncio.gather(*(hear() for _ in range(20)))

    assert len(set(found)) == 1
    async with begin_read(database, agency.scope) as uow:
        for table in ("contact", "contact_identity"):
            assert (await uow.session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 1


async def test_the_same_number_on_another_page_is_another_person(database: Database) -> None:
    agency = await an_agency(database)
    first, second = [await a_page(database, agency, agency.units[name]) for name in ("client 1", "client 2")]

    async with begin(database, agency.scope) as uow:
        ids = [await contacts.identify(uow, page, "9001") for page in (first, second, first)]
        rows = {row.id: row.unit_id for row in await contacts.contacts_by_id(uow, ids)}
        identities = await contacts.identities_of(uow, ids)

    assert ids[0] == ids[2]
    assert rows == {ids[0]: first.unit_id, ids[1]: second.unit_id}
    assert [one.external_id for one in identities[ids[0]]] == ["9001"]


async def test_a_contact_is_found_by_those_who_reach_its_unit_only(database: Database, settings: Settings) -> None:
    franchise, other = await a_franchise(database), await an_agency(database)
    page = await a_page(database, franchise, franchise.units["location 1"])
    own = await a_person(database, settings, franchise, franchise.units["location 1"], Role.OPERATOR)
    sibling = await a_person(database, settings, franchise, franchise.units["location 2"], Role.OWNER)
    approver = await a_person(database, settings, franchise, franchise.root_id, Role.APPROVER)
    async with begin(database, franchise.scope) as uow:
        contact_id = await contacts.identify(uow, page, "1")

    async with begin(database, own.scope) as uow:
        assert (await contacts.contact(uow, contact_id)).id == contact_id
    for scope in (sibling.scope, other.scope):
        async with begin(database, scope) as uow:
            assert await contacts.contacts_by_id(uow, [contact_id]) == []
            assert (await contacts.list_contacts(uow, PageArguments())).items == []
            for call in (contacts.contact(uow, contact_id), contacts.rename(uow, contact_id, "x")):
                with pytest.raises(NotFound):
                    await call
    async with begin(database, approver.scope) as uow:
        with pytest.raises(NotFound):  # whoever may not read contacts is not told that there is one
            await contacts.contact(uow, contact_id)


async def test_contacts_are_listed_newest_first_and_by_label(database: Database) -> None:
    agency = await an_agency(database)
    first, second = [await a_page(database, agency, agency.units[name]) for name in ("client 1", "client 2")]
    async with begin(database, agency.scope) as uow:
        ids = [await contacts.identify(uow, page, str(n)) for n in range(3) for page in (first, second)]
        label = await contacts.create_label(uow, agency.root_id, "vip", "#ff0000")
        await contacts.label_contact(uow, ids[0], label.id)

    async with begin_read(database, agency.scope) as uow:
        page_one = await contacts.list_contacts(uow, PageArguments(first=4))
        page_two = await contacts.list_contacts(uow, PageArguments(first=4, after=page_one.cursors[-1]))
        of_unit = await contacts.list_contacts(uow, PageArguments(), unit_id=first.unit_id)
        labelled = await contacts.list_contacts(uow, PageArguments(), label_id=label.id)
        with pytest.raises(InvalidCursor):
            await contacts.list_contacts(uow, PageArguments(after=page_one.cursors[0]), unit_id=first.unit_id)

    assert [row.id for row in (*page_one.items, *page_two.items)] == ids[::-1]
    assert [row.id for row in of_unit.items] == [ids[4], ids[2], ids[0]]
    assert [row.id for row in labelled.items] == [ids[0]]


async def test_a_name_is_changed_by_those_who_may_and_only_to_a_name(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    analyst = await a_person(database, settings, agency, agency.root_id, Role.ANALYST)
    async with begin(database, agency.scope) as uow:
        contact_id = await contacts.identify(uow, page, "1")

    async with begin(database, agency.scope) as uow:
        assert (await contacts.rename(uow, contact_id, "Carla Customer", "Carla")).name == "Carla Customer"
        for name in ("", "   ", "x" * 201, "a\x00b", "\ud83d"):
            with pytest.raises(Problems):
                await contacts.rename(uow, contact_id, name)
    async with begin(database, analyst.scope) as uow:
        with pytest.raises(PermissionDenied):
            await contacts.rename(uow, contact_id, "Eve")
    async with begin(database, agency.scope) as uow:
        await contacts.set_profile(uow, contact_id, "Somebody Else", "Somebody")
        nameless = await contacts.identify(uow, page, "2")
        await contacts.set_profile(uow, nameless, "C\x00arla", "")
    async with begin_read(database, agency.scope) as uow:
        renamed, told = await contacts.contact(uow, contact_id), await contacts.contact(uow, nameless)
        assert (renamed.name, renamed.first_name) == ("Carla Customer", "Carla")
        assert (told.name, told.first_name) == ("C\ufffdarla", None)
        assert told.profile_read_at is not None


async def test_a_label_of_headquarters_serves_every_location_and_one_of_a_location_only_its_own(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database)
    one, two = franchise.units["location 1"], franchise.units["location 2"]
    page = await a_page(database, franchise, one)
    operator = await a_person(database, settings, franchise, one, Role.OPERATOR)
    async with begin(database, franchise.scope) as uow:
        contact_id = await contacts.identify(uow, page, "1")
        shared = await contacts.create_label(uow, franchise.root_id, "vip", "#ff0000")
        foreign = await contacts.create_label(uow, two, "regular", "#00ff00")
        with pytest.raises(LabelOutOfPlace):
            await contacts.label_contact(uow, contact_id, foreign.id)

    async with begin(database, operator.scope) as uow:
        own = await contacts.create_label(uow, one, "agile", "#0000ff")
        for label in (shared, own, shared):
            await contacts.label_contact(uow, contact_id, label.id)
        with pytest.raises(NotFound):
            await contacts.label_contact(uow, contact_id, foreign.id)
        with pytest.raises(NotFound):
            await contacts.create_label(uow, two, "mine", "#0000ff")
        named = await contacts.labels_of_contacts(uow, [contact_id, new_id()])
        listed = await contacts.list_labels(uow, PageArguments(), unit_id=one)
        await contacts.unlabel_contact(uow, contact_id, own.id)
        left = await contacts.labels_of_contacts(uow, [contact_id])

    assert [label.name for label in named[contact_id]] == ["agile", "vip"]
    assert [label.name for label in listed.items] == ["agile", "vip"]
    assert [label.name for label in left[contact_id]] == ["vip"]


async def test_a_label_has_a_free_name_and_a_color(database: Database) -> None:
    agency = await an_agency(database)
    unit = agency.units["client 1"]

    async with begin(database, agency.scope) as uow:
        made = await contacts.create_label(uow, unit, "vip", "#ff0000")
        with pytest.raises(LabelExists):
            await contacts.create_label(uow, unit, "vip", "#00ff00")
        with pytest.raises(Problems) as told:
            await contacts.create_label(uow, unit, "", "red")
        assert await contacts.labels_by_id(uow, [made.id, new_id()]) == [made]

    assert [problem.path for problem in told.value.problems] == [("name",), ("color",)]
