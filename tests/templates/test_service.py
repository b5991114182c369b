"""Publishing, reading and overriding shared texts, and who may."""

from __future__ import annotations

import asyncio

import pytest

from server.audit import service as audit
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import DomainError, InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.templates import history
from server.templates import service as templates
from server.templates.errors import (
    NameTaken,
    NothingPublished,
    NotReleasedHere,
    TemplateArchived,
    UnitOutOfLine,
    UnknownVariable,
)
from server.templates.models import TemplatePurpose
from server.templates.rules import Drift, content_digest
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import a_franchise, a_person, an_agency
from tests.templates.shared_texts import a_text, counted, published, released, said_at


async def test_twenty_people_who_publish_at_once_get_the_numbers_one_to_twenty(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    async with begin(database, franchise.scope) as uow:
        made = await templates.create_template(
            uow, unit_id=franchise.root_id, name="Race", purpose=TemplatePurpose.REPLY
        )

    numbers = await asyncio.gather(*(published(database, franchise.scope, made.id, f"Text {n}") for n in range(20)))

    assert sorted(numbers) == list(range(1, 21))
    async with begin_read(database, franchise.scope) as uow:
        page = await history.list_versions(uow, made.id, PageArguments(first=100))
        assert [version.number for version in page.items] == list(range(20, 0, -1))
        assert (await templates.template(uow, made.id)).latest_version == 20
        assert await audit.verify(uow) is None


async def test_a_version_keeps_its_canonical_words_their_variables_and_their_digest(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    template_id = await a_text(database, franchise.scope, franchise.root_id)

    async with begin(database, franchise.scope) as uow:
        version = await templates.publish_version(uow, template_id, " Hi {{ contact.name }},\r\nbye \n")

    assert version.body == "Hi {{ contact.name }},\nbye"
    assert version.variables == ["contact.name"]
    assert version.published_at is not None
    assert bytes(version.digest) == content_digest("Hi {{ contact.name }},\nbye", TemplatePurpose.REPLY)
    assert bytes(version.digest) != content_digest("Hi {{ contact.name }},\nbye", TemplatePurpose.MARKETING)


async def test_an_unknown_variable_publishes_nothing_and_a_bad_name_is_told_with_it(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    template_id = await a_text(database, franchise.scope, franchise.root_id)

    with pytest.raises(Problems) as refused:
        await published(database, franchise.scope, template_id, "{{ contact.secret }}")
    assert isinstance(refused.value.problems[0], UnknownVariable)
    with pytest.raises(Problems) as both:
        await a_text(database, franchise.scope, franchise.root_id, "{{ a.b }} {{ c.d }}", name=" ")

    assert [type(one) for one in both.value.problems] == [InvalidInput, UnknownVariable, UnknownVariable]
    async with begin_read(database, franchise.scope) as uow:
        assert (await templates.template(uow, template_id)).latest_version == 1


async def test_a_name_is_taken_once_per_unit_also_in_a_race(database: Database) -> None:
    agency = await an_agency(database)
    tries = await asyncio.gather(
        *(a_text(database, agency.scope, agency.units["client 1"], name="Hours") for _ in range(5)),
        return_exceptions=True,
    )
    elsewhere = await a_text(database, agency.scope, agency.units["client 2"], name="Hours")

    refusals = [one for one in tries if isinstance(one, Problems)]
    assert len(refusals) == 4
    assert all(isinstance(one.problems[0], NameTaken) for one in refusals)
    assert elsewhere is not None


async def test_a_location_sees_a_text_only_once_it_is_released_there_and_only_that_version(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database, locations=2)
    here, there = franchise.units["location 1"], franchise.units["location 2"]
    manager = await a_person(database, settings, franchise, here, Role.MANAGER)
    template_id = await a_text(database, franchise.scope, franchise.root_id, "one")
    async with begin(database, manager.scope) as uow:
        for reading in (templates.template(uow, template_id), templates.effective(uow, here, template_id)):
            with pytest.raises(NotFound):
                await reading
        assert (await templates.list_templates(uow, PageArguments())).items == []

    await released(database, franchise.scope, template_id, here)
    await published(database, franchise.scope, template_id, "two, not released")

    async with begin_read(database, manager.scope) as uow:
        assert (await templates.effective(uow, here, template_id)).body == "one"
        assert [row.id for row in (await templates.list_templates(uow, PageArguments())).items] == [template_id]
        versions = (await history.list_versions(uow, template_id, PageArguments())).items
        assert [version.body for version in versions] == ["one"]
        with pytest.raises(NotFound):
            await templates.effective(uow, there, template_id)
    async with begin_read(database, franchise.scope) as uow:
        hidden = [row.id for row in (await history.list_versions(uow, template_id, PageArguments())).items]
    async with begin_read(database, manager.scope) as uow:
        assert [row.body for row in await templates.versions_by_id(uow, hidden)] == ["one"]


async def test_another_organization_and_a_sibling_find_nothing_and_change_nothing(
    database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    client = agency.units["client 1"]
    template_id = await a_text(database, agency.scope, client)
    released_here = await released(database, agency.scope, template_id, client)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.OWNER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)

    for scope, own in ((sibling.scope, agency.units["client 2"]), (stranger.scope, other.root_id)):
        async with begin(database, scope) as uow:
            for attempt in (
                templates.template(uow, template_id),
                templates.effective(uow, client, template_id),
                templates.effective(uow, own, template_id),
                templates.list_effective(uow, client, PageArguments()),
                history.list_versions(uow, template_id, PageArguments()),
                history.list_releases(uow, template_id, PageArguments()),
                templates.release_by_id(uow, released_here.id),
                templates.publish_version(uow, template_id, "mine"),
                templates.archive(uow, template_id),
                templates.release(uow, template_id, None, own),
                templates.release(uow, template_id, None, client),
                templates.roll_back(uow, released_here.id),
                templates.override(uow, client, template_id, "mine"),
                templates.override(uow, own, template_id, "mine"),
                templates.remove_override(uow, client, template_id),
                templates.create_template(uow, unit_id=client, name="mine", purpose=TemplatePurpose.REPLY),
            ):
                with pytest.raises(NotFound):
                    await attempt
            assert (await templates.list_templates(uow, PageArguments())).items == []
            assert await templates.versions_by_id(uow, [released_here.version_id]) == []

    assert await said_at(database, agency.scope, client, template_id) == "Hello"


async def test_a_location_reads_but_may_not_touch_what_headquarters_owns(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database, locations=1)
    here = franchise.units["location 1"]
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    release = await released(database, franchise.scope, template_id, franchise.root_id)
    owner = await a_person(database, settings, franchise, here, Role.OWNER)
    operator = await a_person(database, settings, franchise, here, Role.OPERATOR)

    async with begin(database, owner.scope) as uow:
        for attempt in (
            templates.publish_version(uow, template_id, "mine"),
            templates.archive(uow, template_id),
            templates.roll_back(uow, release.id),
            templates.release(uow, template_id, None, franchise.root_id),
        ):
            with pytest.raises(NotFound):
                await attempt
    async with begin(database, operator.scope) as uow:
        assert (await templates.effective(uow, here, template_id)).body == "Hello"
        for denied in (
            templates.override(uow, here, template_id, "mine"),
            templates.remove_override(uow, here, template_id),
            templates.release(uow, template_id, None, here),
            templates.create_template(uow, unit_id=here, name="x", purpose=TemplatePurpose.REPLY),
        ):
            with pytest.raises(PermissionDenied):
                await denied


async def test_an_override_stays_through_a_newer_release_which_makes_it_stale(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database, locations=2)
    here, there = franchise.units["location 1"], franchise.units["location 2"]
    manager = await a_person(database, settings, franchise, here, Role.MANAGER)
    template_id = await a_text(database, franchise.scope, franchise.root_id, "one {{ page.name }}")
    await released(database, franchise.scope, template_id, franchise.root_id)

    async with begin(database, manager.scope) as uow:
        own = await templates.override(uow, here, template_id, "ours {{ contact.first_name }}")
    await published(database, franchise.scope, template_id, "two")
    second = await released(database, franchise.scope, template_id, franchise.root_id)

    assert (own.is_override, own.drift, own.version_number, own.variables) == (
        True,
        Drift.OVERRIDDEN,
        1,
        ["contact.first_name"],
    )
    assert (second.placed, second.total, second.kept_overrides) == (2, 2, 1)
    async with begin_read(database, franchise.scope) as uow:
        kept = await templates.effective(uow, here, template_id)
        follows = await templates.effective(uow, there, template_id)
    assert (kept.body, kept.drift, kept.version_number, kept.released_number) == (own.body, Drift.STALE_OVERRIDE, 1, 2)
    assert (follows.body, follows.drift, follows.version_number) == ("two", Drift.INHERITS, 2)

    async with begin(database, manager.scope) as uow:
        assert (await templates.override(uow, here, template_id, "ours, again")).drift is Drift.OVERRIDDEN
        assert (await templates.remove_override(uow, here, template_id)).body == "two"
        assert (await templates.remove_override(uow, here, template_id)).drift is Drift.INHERITS


async def test_an_override_of_two_managers_at_once_leaves_one_row(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    here = franchise.units["location 1"]
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    await released(database, franchise.scope, template_id, here)

    async def say(words: str) -> None:
        async with begin(database, franchise.scope) as uow:
            await templates.override(uow, here, template_id, words)

    await asyncio.gather(*(say(f"text {n}") for n in range(5)))

    assert (await said_at(database, franchise.scope, here, template_id)).startswith("text ")


async def test_an_override_needs_a_release_that_stands(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    here = franchise.units["location 1"]
    template_id = await a_text(database, franchise.scope, franchise.root_id)

    async with begin(database, franchise.scope) as uow:
        for attempt in (
            templates.override(uow, here, template_id, "mine"),
            templates.override(uow, franchise.root_id, template_id, "mine"),
            templates.effective(uow, here, template_id),
        ):
            with pytest.raises(NotReleasedHere):
                await attempt
        assert (await templates.effective(uow, franchise.root_id, template_id)).body == "Hello"


async def test_what_cannot_be_released_is_refused_with_its_reason(database: Database) -> None:
    agency = await an_agency(database)
    one, two = agency.units["client 1"], agency.units["client 2"]
    template_id = await a_text(database, agency.scope, one)
    async with begin(database, agency.scope) as uow:
        empty = await templates.create_template(uow, unit_id=one, name="Empty", purpose=TemplatePurpose.REPLY)

    refusals: list[tuple[type[DomainError], object]] = []
    async with begin(database, agency.scope) as uow:
        for kind, attempt in (
            (UnitOutOfLine, templates.release(uow, template_id, None, two)),
            (UnitOutOfLine, templates.release(uow, template_id, None, agency.root_id)),
            (NothingPublished, templates.release(uow, empty.id, None, one)),
            (NotFound, templates.release(uow, template_id, 9, one)),
            (NotFound, templates.release(uow, new_id(), None, one)),
            (NotFound, templates.release(uow, template_id, None, new_id())),
        ):
            with pytest.raises(kind) as refused:
                await attempt
            refusals.append((kind, refused.value.code))
    assert len(refusals) == 6


async def test_an_archived_text_is_no_longer_offered_changed_or_released(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    here = franchise.units["location 1"]
    template_id = await a_text(database, franchise.scope, franchise.root_id)
    await released(database, franchise.scope, template_id, here)

    async with begin(database, franchise.scope) as uow:
        first = await templates.archive(uow, template_id)
        assert first.archived_at is not None
        assert (await templates.archive(uow, template_id)).archived_at == first.archived_at
        for attempt in (
            templates.publish_version(uow, template_id, "more"),
            templates.release(uow, template_id, None, here),
            templates.effective(uow, here, template_id),
            templates.override(uow, here, template_id, "mine"),
        ):
            with pytest.raises(TemplateArchived):
                await attempt
        assert (await templates.list_effective(uow, here, PageArguments())).items == []
        assert (await templates.list_templates(uow, PageArguments())).items == []
        kept = await templates.list_templates(uow, PageArguments(), archived=True)
        assert [row.id for row in kept.items] == [template_id]
        assert len((await history.list_versions(uow, template_id, PageArguments())).items) == 1


async def test_the_list_of_a_unit_pages_by_name_and_searches_names_and_words_in_force(database: Database) -> None:
    franchise = await a_franchise(database, locations=2)
    here = franchise.units["location 1"]
    for name, body in (("Hours", "Open at 9"), ("Greeting", "Hello"), ("Price 100%", "Ten"), ("Away", "We are away")):
        template_id = await a_text(database, franchise.scope, franchise.root_id, body, name)
        if name != "Away":
            await released(database, franchise.scope, template_id, here)
    own = await a_text(database, franchise.scope, here, "Local", "Local")
    async with begin(database, franchise.scope) as uow:
        greeting = (await templates.list_effective(uow, here, PageArguments(), search="greet")).items[0]
        await templates.override(uow, here, greeting.template_id, "Ciao, we open")

    async with begin_read(database, franchise.scope) as uow:
        first = await templates.list_effective(uow, here, PageArguments(first=2))
        second = await templates.list_effective(uow, here, PageArguments(first=2, after=first.cursors[-1]))
        assert [one.name for one in (*first.items, *second.items)] == ["Greeting", "Hours", "Local", "Price 100%"]
        assert first.has_next
        assert not second.has_next
        assert second.items[0].template_id == own
        for words, names in (
            ("OPEN", ["Greeting", "Hours"]),
            ("hello", []),
            ("100%", ["Price 100%"]),
            ("%", ["Price 100%"]),
            ("_", []),
        ):
            found = await templates.list_effective(uow, here, PageArguments(), search=words)
            assert [one.name for one in found.items] == names, words
        marketing = await templates.list_effective(uow, here, PageArguments(), purpose=TemplatePurpose.MARKETING)
        assert marketing.items == []
        with pytest.raises(InvalidInput):
            await templates.list_effective(uow, here, PageArguments(), search="a\x00b")


async def test_reading_takes_the_same_number_of_statements_for_two_and_for_twenty(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database, locations=1)
    here = franchise.units["location 1"]
    reader = await a_person(database, settings, franchise, here, Role.OPERATOR)
    counts: list[tuple[int, int, int]] = []
    for upto in (2, 20):
        async with begin_read(database, franchise.scope) as uow:
            have = len((await templates.list_effective(uow, here, PageArguments(first=100))).items)
        for n in range(have, upto):
            template_id = await a_text(database, franchise.scope, franchise.root_id, "x", f"Text {n}")
            await released(database, franchise.scope, template_id, here)
        async with begin_read(database, reader.scope) as uow:
            with counted(database) as listing:
                assert len((await templates.list_effective(uow, here, PageArguments(first=50))).items) == upto
            with counted(database) as one:
                await templates.effective(uow, here, template_id)
            with counted(database) as owned:
                assert len((await templates.list_templates(uow, PageArguments(first=50))).items) == upto
        counts.append((len(listing), len(one), len(owned)))

    assert counts == [(1, 1, 1), (1, 1, 1)]
