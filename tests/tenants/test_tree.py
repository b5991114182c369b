"""Moving, archiving and restoring units: the closure stays true, races make no cycle, and rights follow the place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import DomainError, InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants import service as tenants
from server.tenants.errors import AlreadyExists, UnitArchived, UnitCycle, UnitMisplaced, UnitTooDeep
from server.tenants.rules import MAX_DEPTH, OrganizationKind, Role, UnitFilter, UnitKind
from server.tenants.service import UnitChange
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, a_person, an_organization
from tests.factories.trees import a_tree, closures, two_regions
from tests.schema.asking import statements

REGION, LOCATION, CLIENT, BRAND = UnitKind.REGION, UnitKind.LOCATION, UnitKind.CLIENT, UnitKind.BRAND


async def _move(database: Database, tree: AnOrganization, name: str, to: str) -> None:
    async with begin(database, tree.scope) as uow:
        await tenants.move_unit(uow, tree.units[name], tree.root_id if to == "root" else tree.units[to])


async def _refusals(database: Database, tree: AnOrganization, name: str, to: str) -> Sequence[type[DomainError]]:
    with pytest.raises(Problems) as refused:
        await _move(database, tree, name, to)
    return [type(one) for one in refused.value.problems]


async def test_a_branch_is_moved_with_all_that_stands_under_it(database: Database) -> None:
    tree = await two_regions(database)

    await _move(database, tree, "north", "south")
    await _move(database, tree, "n2", "south")

    stored, true = await closures(database, tree)
    assert stored == true
    assert (tree.units["south"], tree.units["n1"], 2) in stored
    assert (tree.units["north"], tree.units["n2"], 1) not in stored


async def test_a_move_takes_the_same_statements_for_one_location_and_for_a_region(database: Database) -> None:
    tree = await two_regions(database)

    with statements() as one:
        await _move(database, tree, "s1", "north")
    with statements() as many:
        await _move(database, tree, "north", "south")

    assert len(one) == len(many) <= 12


async def test_a_unit_cannot_be_moved_under_itself_or_its_own_branch(database: Database) -> None:
    tree = await two_regions(database)
    await _move(database, tree, "south", "north")

    assert await _refusals(database, tree, "north", "north") == [UnitCycle]
    assert await _refusals(database, tree, "north", "south") == [UnitCycle]


async def test_kinds_names_depth_and_archived_parents_are_checked_all_at_once(database: Database) -> None:
    tree = await a_tree(
        database, {"client": (CLIENT, {"twin": (REGION, {})}), "region": (REGION, {}), "twin ": (REGION, {})}
    )
    async with begin(database, tree.scope) as uow:
        await tenants.update_unit(uow, tree.units["twin "], UnitChange(name="twin"))
        await tenants.archive_unit(uow, tree.units["region"])

    assert await _refusals(database, tree, "client", "region") == [UnitMisplaced, UnitArchived]
    assert await _refusals(database, tree, "twin ", "client") == [AlreadyExists]


async def test_headquarters_are_neither_moved_nor_archived(database: Database) -> None:
    tree = await two_regions(database)

    for change in (
        lambda uow: tenants.move_unit(uow, tree.root_id, tree.units["north"]),
        lambda uow: tenants.archive_unit(uow, tree.root_id),
    ):
        with pytest.raises(UnitMisplaced):
            async with begin(database, tree.scope) as uow:
                await change(uow)


async def test_a_tree_has_a_limited_depth_for_new_and_for_moved_units(database: Database) -> None:
    chain = await an_organization(database, OrganizationKind.FRANCHISOR, {"side": REGION, "leaf": LOCATION})
    above = chain.root_id
    for number in range(MAX_DEPTH):
        async with begin(database, chain.scope) as uow:
            above = (await tenants.create_unit(uow, parent_id=above, kind=REGION, name=f"r{number}")).id

    with pytest.raises(Problems) as new:
        async with begin(database, chain.scope) as uow:
            await tenants.create_unit(uow, parent_id=above, kind=LOCATION, name="deeper")
    with pytest.raises(Problems) as moved:
        async with begin(database, chain.scope) as uow:
            await tenants.move_unit(uow, chain.units["leaf"], above)

    assert [type(one) for one in new.value.problems] == [UnitTooDeep]
    assert [type(one) for one in moved.value.problems] == [UnitTooDeep]


async def test_two_moves_at_once_make_no_cycle(database: Database) -> None:
    for _ in range(5):
        tree = await two_regions(database)

        ended = await asyncio.gather(
            _move(database, tree, "north", "south"), _move(database, tree, "south", "north"), return_exceptions=True
        )

        refused = [one for one in ended if one is not None]
        assert [type(one) for one in refused] == [Problems]
        stored, true = await closures(database, tree)
        assert stored == true


async def test_units_of_one_name_cannot_arise_from_a_race(database: Database) -> None:
    tree = await two_regions(database)

    async def make() -> None:
        async with begin(database, tree.scope) as uow:
            await tenants.create_unit(
                uow, parent_id=tree.units["north"], kind=LOCATION, name="new", external_code="new"
            )

    ended = await asyncio.gather(*(make() for _ in range(5)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in ended) == ["NoneType", *["Problems"] * 4]


async def test_many_moves_at_random_keep_the_closure_true(database: Database) -> None:
    tree = await a_tree(
        database,
        {
            name: (REGION, {f"{name}{number}": (REGION, {f"{name}{number}x": (LOCATION, {})}) for number in (1, 2)})
            for name in ("a", "b", "c")
        },
    )
    names = sorted(tree.units)
    moves = [(names[(7 * n) % len(names)], names[(5 * n + 3) % len(names)]) for n in range(40)]

    async def attempt(name: str, to: str) -> bool:
        try:
            await _move(database, tree, name, to)
        except Problems:
            return False
        return True

    moved = await asyncio.gather(*(attempt(*one) for one in moves))

    stored, true = await closures(database, tree)
    assert stored == true
    assert any(moved)
    assert not all(moved)


async def test_who_reaches_a_unit_changes_with_the_next_request_after_a_move(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    north = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)
    south = await a_person(database, settings, tree, tree.units["south"], Role.MANAGER)
    assert north.scope.reaches(tree.units["n1"])

    await _move(database, tree, "n1", "south")

    left = await auth.authenticate(database, settings.security, north.token)
    joined = await auth.authenticate(database, settings.security, south.token)
    assert left is not None
    assert joined is not None
    assert not left.reaches(tree.units["n1"])
    assert joined.reaches(tree.units["n1"])


async def test_a_move_needs_the_permission_on_the_unit_and_on_both_parents(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    north = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)
    alone = await a_person(database, settings, tree, tree.units["n1"], Role.ADMIN)
    other = await two_regions(database)

    async def attempt(person_scope: object, unit: object, parent: object) -> type[Exception]:
        with pytest.raises(DomainError) as refused:
            async with begin(database, person_scope) as uow:  # type: ignore[arg-type]
                await tenants.move_unit(uow, unit, parent)  # type: ignore[arg-type]
        return type(refused.value)

    assert await attempt(north.scope, tree.units["n1"], tree.units["south"]) is NotFound
    assert await attempt(north.scope, tree.units["n1"], other.units["south"]) is NotFound
    assert await attempt(north.scope, tree.units["n1"], new_id()) is NotFound
    assert await attempt(north.scope, tree.units["n1"], tree.root_id) is PermissionDenied
    assert await attempt(north.scope, tree.units["north"], tree.root_id) is PermissionDenied
    assert await attempt(north.scope, tree.units["s1"], tree.units["north"]) is NotFound
    assert await attempt(alone.scope, tree.units["n1"], tree.units["north"]) is PermissionDenied
    assert await attempt(tree.scope, other.units["n1"], tree.units["north"]) is NotFound


async def test_who_manages_a_branch_creates_and_moves_units_within_it(database: Database, settings: Settings) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.units["north"], Role.ADMIN)

    async with begin(database, admin.scope) as uow:
        district = await tenants.create_unit(uow, parent_id=tree.units["north"], kind=REGION, name="district")
        await tenants.move_unit(uow, tree.units["n1"], district.id)
        inner = await tenants.create_unit(uow, parent_id=district.id, kind=LOCATION, name="inner")

    stored, true = await closures(database, tree)
    assert stored == true
    assert (tree.units["north"], inner.id, 2) in stored


async def test_a_branch_is_archived_and_restored_together_but_not_what_was_archived_before(
    database: Database,
) -> None:
    tree = await two_regions(database)

    async with begin(database, tree.scope) as uow:
        await tenants.archive_unit(uow, tree.units["n1"])
    async with begin(database, tree.scope) as uow:
        archived = await tenants.archive_unit(uow, tree.units["north"])
        again = await tenants.archive_unit(uow, tree.units["north"])
    assert (archived.count, again.count) == (2, 0)
    async with begin_read(database, tree.scope) as uow:
        left = await tenants.list_units(uow, PageArguments(first=100))
        gone = await tenants.list_units(uow, PageArguments(first=100), UnitFilter(is_archived=True))
    assert {one.name for one in left.items} == {"Chain", "south", "s1"}
    assert {one.name for one in gone.items} == {"north", "n1", "n2"}

    with pytest.raises(UnitArchived):
        async with begin(database, tree.scope) as uow:
            await tenants.restore_unit(uow, tree.units["n2"])
    async with begin(database, tree.scope) as uow:
        restored = await tenants.restore_unit(uow, tree.units["north"])
        still = await tenants.unit(uow, tree.units["n1"])

    assert (restored.count, restored.row.archived_at) == (2, None)
    assert still.archived_at is not None


async def test_nothing_new_stands_under_an_archived_unit(database: Database) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        await tenants.archive_unit(uow, tree.units["north"])

    with pytest.raises(Problems) as refused:
        async with begin(database, tree.scope) as uow:
            await tenants.create_unit(uow, parent_id=tree.units["north"], kind=LOCATION, name="new")

    assert [type(one) for one in refused.value.problems] == [UnitArchived]


async def test_a_unit_is_renamed_coded_and_described_with_all_problems_at_once(database: Database) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        await tenants.update_unit(
            uow, tree.units["n1"], UnitChange("N1", True, "0001", {"city": "Linz", "opening_hours": "Mon closed"})
        )

    change = UnitChange("N1", True, "0001", {"phone": "1", "address_line_2": "", "x y": "z"})
    with pytest.raises(Problems) as refused:
        async with begin(database, tree.scope) as uow:
            await tenants.update_unit(uow, tree.units["n2"], change)
    async with begin_read(database, tree.scope) as uow:
        row = await tenants.unit(uow, tree.units["n1"])
        untouched = await tenants.unit(uow, tree.units["n2"])

    assert [(type(one), one.path) for one in refused.value.problems] == [
        (InvalidInput, ("attributes", "phone")),
        (InvalidInput, ("attributes", "addressLines", "1")),
        (InvalidInput, ("attributes", "custom", "x y")),
        (AlreadyExists, ("name",)),
        (AlreadyExists, ("externalCode",)),
    ]
    assert (row.name, row.external_code, row.attributes["city"]) == ("N1", "0001", "Linz")
    assert (untouched.name, untouched.external_code, untouched.attributes) == ("n2", None, {})
    async with begin(database, tree.scope) as uow:
        kept = await tenants.update_unit(uow, tree.units["n1"], UnitChange("N1", attributes={"opening_hours": None}))
    assert (kept.external_code, kept.attributes) == ("0001", {"city": "Linz"})


async def test_units_are_found_by_place_kind_and_how_their_name_or_code_begins(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        await tenants.update_unit(uow, tree.units["s1"], UnitChange("100% Süd_1", True, "n-77"))
    person = await a_person(database, settings, tree, tree.units["north"], Role.MANAGER)

    async def names(wanted: UnitFilter) -> list[str]:
        async with begin_read(database, tree.scope) as uow:
            return [one.name for one in (await tenants.list_units(uow, PageArguments(), wanted)).items]

    assert await names(UnitFilter(under_id=tree.units["north"])) == ["n1", "n2", "north"]
    assert await names(UnitFilter(parent_id=tree.units["north"])) == ["n1", "n2"]
    assert await names(UnitFilter(kind=REGION)) == ["north", "south"]
    assert await names(UnitFilter(search="N")) == ["100% Süd_1", "n1", "n2", "north"]
    assert await names(UnitFilter(search="100% sü", kind=LOCATION)) == ["100% Süd_1"]
    assert await names(UnitFilter(search="%")) == []
    with pytest.raises(NotFound):
        async with begin_read(database, person.scope) as uow:
            await tenants.list_units(uow, PageArguments(), UnitFilter(under_id=tree.units["south"]))
    with pytest.raises(InvalidInput):
        await names(UnitFilter(search=""))


async def test_the_line_above_and_the_number_of_children_are_cut_by_the_scope(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    person = await a_person(database, settings, tree, tree.units["n1"], Role.MANAGER)
    ids = [tree.root_id, tree.units["north"], tree.units["n1"]]

    async with begin_read(database, person.scope) as uow:
        above = await tenants.lines_above(uow, ids)
        counts = await tenants.count_children(uow, ids)
    async with begin_read(database, tree.scope) as uow:
        every = await tenants.count_children(uow, ids)

    assert [one.name for one in above[tree.units["n1"]]] == ["Chain", "north"]
    assert counts == {tree.root_id: 1, tree.units["north"]: 1, tree.units["n1"]: 0}
    assert every == {tree.root_id: 2, tree.units["north"]: 2, tree.units["n1"]: 0}


async def test_the_organization_is_renamed_by_who_may_manage_all_of_it(database: Database, settings: Settings) -> None:
    tree = await two_regions(database)
    admin = await a_person(database, settings, tree, tree.root_id, Role.ADMIN)
    owner = await a_person(database, settings, tree, tree.root_id, Role.OWNER)

    with pytest.raises(PermissionDenied):
        async with begin(database, admin.scope) as uow:
            await tenants.update_organization(uow, name="Mine")
    with pytest.raises(Problems) as refused:
        async with begin(database, owner.scope) as uow:
            await tenants.update_organization(uow, name=" ", time_zone="Mars/Base")
    async with begin(database, owner.scope) as uow:
        row = await tenants.update_organization(uow, time_zone="Europe/Vienna")

    assert [one.path for one in refused.value.problems] == [("name",), ("timeZone",)]
    assert (row.name, row.time_zone) == ("Chain", "Europe/Vienna")
