"""Groups that cut across the tree: members under the owner, seen from the owner, many at once."""

from __future__ import annotations

from uuid import UUID

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants import service as tenants
from server.tenants.errors import UnitArchived
from server.tenants.reach import units_below
from server.tenants.rules import Role, UnitFilter
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, a_person
from tests.factories.trees import two_regions
from tests.schema.asking import statements
from tests.templates.shared_texts import open_locations


async def _members(database: Database, tree: AnOrganization, group_id: UUID) -> list[str]:
    async with begin_read(database, tree.scope) as uow:
        page = await tenants.list_units(uow, PageArguments(), UnitFilter(group_id=group_id, is_archived=None))
        counted = await tenants.count_members(uow, [group_id])
    assert list(counted.values()) == [len(page.items)]
    return [one.name for one in page.items]


async def test_units_are_put_in_and_taken_out_and_may_be_given_twice(database: Database) -> None:
    tree = await two_regions(database)
    n1, n2, s1 = (tree.units[name] for name in ("n1", "n2", "s1"))

    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.root_id, "Stations")
        await tenants.change_members(uow, group.id, add=[n1, s1, n1])
        await tenants.change_members(uow, group.id, add=[n1, n2], remove=[s1, new_id()])

    assert await _members(database, tree, group.id) == ["n1", "n2"]


async def test_only_units_under_the_owner_can_be_members(database: Database) -> None:
    tree, other = await two_regions(database), await two_regions(database)
    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.units["north"], "Stations")

    for stranger in (tree.units["s1"], tree.units["north"], tree.root_id, other.units["n1"], new_id()):
        with pytest.raises(NotFound) as refused:
            async with begin(database, tree.scope) as uow:
                await tenants.change_members(uow, group.id, add=[tree.units["n1"], stranger])
        assert refused.value.path == ("add", "1")

    assert await _members(database, tree, group.id) == []


async def test_a_member_that_is_moved_away_counts_no_more(database: Database) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.units["north"], "Stations")
        await tenants.change_members(uow, group.id, add=[tree.units["n1"], tree.units["n2"]])

    async with begin(database, tree.scope) as uow:
        await tenants.move_unit(uow, tree.units["n1"], tree.units["south"])

    assert await _members(database, tree, group.id) == ["n2"]


async def test_who_works_at_a_member_does_not_see_the_group_and_who_manages_only_elsewhere_neither(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    member = await a_person(database, settings, tree, tree.units["n1"], Role.ADMIN)
    sibling = await a_person(database, settings, tree, tree.units["south"], Role.ADMIN)
    manager = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)
    foreign = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.units["north"], "Stations")
        await tenants.change_members(uow, group.id, add=[tree.units["n1"]])

    for scope in (member.scope, sibling.scope, foreign.scope):
        async with begin(database, scope) as uow:
            assert (await tenants.list_groups(uow, PageArguments())).items == []
            assert await tenants.groups_by_id(uow, [group.id]) == {}
            assert await tenants.count_members(uow, [group.id]) == {group.id: 0}
            with pytest.raises(NotFound):
                await tenants.list_units(uow, PageArguments(), UnitFilter(group_id=group.id))
            with pytest.raises(NotFound):
                await tenants.change_members(uow, group.id, remove=[tree.units["n1"]])
            with pytest.raises(NotFound):
                await tenants.delete_group(uow, group.id)
    async with begin(database, manager.scope) as uow:
        assert [one.name for one in (await tenants.list_groups(uow, PageArguments())).items] == ["Stations"]
        with pytest.raises(PermissionDenied):
            await tenants.rename_group(uow, group.id, "Mine")


async def test_a_name_is_taken_once_per_unit_and_a_deleted_group_leaves_its_units(database: Database) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.units["north"], "Stations")
        await tenants.create_group(uow, tree.units["south"], "Stations")
        await tenants.change_members(uow, group.id, add=[tree.units["n1"]])

    with pytest.raises(Problems):
        async with begin(database, tree.scope) as uow:
            await tenants.create_group(uow, tree.units["north"], "Stations")
    async with begin(database, tree.scope) as uow:
        await tenants.rename_group(uow, group.id, "Stations")
        await tenants.delete_group(uow, group.id)
        await tenants.archive_unit(uow, tree.units["north"])

    async with begin_read(database, tree.scope) as uow:
        assert await tenants.groups_by_id(uow, [group.id]) == {}
        assert (await tenants.unit(uow, tree.units["n1"])).name == "n1"
    with pytest.raises(UnitArchived):
        async with begin(database, tree.scope) as uow:
            await tenants.create_group(uow, tree.units["north"], "New")


async def test_a_thousand_units_are_put_in_at_once_in_a_few_statements_and_no_more(database: Database) -> None:
    tree = await two_regions(database)
    await open_locations(database, tree, 1_000)
    async with begin(database, tree.scope) as uow:
        group = await tenants.create_group(uow, tree.root_id, "All")
        below = await units_below(uow, tree.root_id)
    every = [one for one in below if one not in {tree.root_id, *tree.units.values()}]

    with statements() as seen:
        async with begin(database, tree.scope) as uow:
            await tenants.change_members(uow, group.id, add=every)
    with pytest.raises(InvalidInput):
        async with begin(database, tree.scope) as uow:
            await tenants.change_members(uow, group.id, add=[*every, tree.units["n1"]])

    async with begin_read(database, tree.scope) as uow:
        assert await tenants.count_members(uow, [group.id]) == {group.id: 1_000}
    assert len(seen) <= 5
