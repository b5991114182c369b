"""Settings in the tree: set, refused, cleared, inherited after any change, and read many at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants import settings as rules
from server.tenants.errors import SettingLoosens, UnitArchived
from server.tenants.hours import DAYS
from server.tenants.rules import Role
from server.tenants.settings import (
    DEFAULTS,
    ApprovalPolicy,
    Effective,
    FirstResponse,
    MarketingCap,
    QuietHours,
    SettingName,
    Tone,
    Value,
)
from server.tenants.uow import begin, begin_read
from tests.factories.settings import a_setting
from tests.factories.tenants import AnOrganization, a_person
from tests.factories.trees import two_regions
from tests.schema.asking import statements

SLA = SettingName.FIRST_RESPONSE_SLA
NIGHTS = rules.quiet_hours([(DAYS, "22:00", "07:00")])
SUNDAYS = rules.quiet_hours([(["SUN"], "00:00", "24:00")])


async def _found(database: Database, tree: AnOrganization, name: str, setting: SettingName = SLA) -> Effective:
    async with begin_read(database, tree.scope) as uow:
        return (await tenants.effective(uow, tree.units.get(name, tree.root_id)))[setting]


async def test_without_settings_the_systems_defaults_count(database: Database) -> None:
    tree = await two_regions(database)

    async with begin_read(database, tree.scope) as uow:
        found = await tenants.effective(uow, tree.units["n1"])

    assert {name: one.value for name, one in found.items()} == dict(DEFAULTS)
    assert {one.source_unit_id for one in found.values()} == {None}


@pytest.mark.parametrize(
    ("above", "looser"),
    [
        (FirstResponse(30), FirstResponse(31)),
        (MarketingCap(1, 48), MarketingCap(1, 47)),
        (MarketingCap(0, 24), MarketingCap(1, 72)),
        (NIGHTS, SUNDAYS),
        (ApprovalPolicy(2), ApprovalPolicy(1)),
        (Tone("formal", is_locked=True), Tone("cheeky")),
    ],
)
async def test_a_looser_value_is_refused_with_the_limit_and_the_unit_that_set_it(
    database: Database, above: Value, looser: Value
) -> None:
    tree = await two_regions(database)
    await a_setting(database, tree, tree.units["north"], above)

    with pytest.raises(SettingLoosens) as refused:
        await a_setting(database, tree, tree.units["n1"], looser)

    assert refused.value.data == {
        "limit": rules.told(above),
        "unitId": encode("unit", tree.units["north"]),
        "unitName": "north",
    }
    assert (await _found(database, tree, "n1", rules.name_of(above))).own is None
    await a_setting(database, tree, tree.units["s1"], looser)
    await a_setting(database, tree, tree.units["n1"], above)


@pytest.mark.parametrize("value", [MarketingCap(2, 24), MarketingCap(1, 23)])
async def test_nobody_may_send_more_marketing_than_the_system_allows(database: Database, value: Value) -> None:
    tree = await two_regions(database)

    with pytest.raises(SettingLoosens) as refused:
        await a_setting(database, tree, tree.root_id, value)

    assert refused.value.data == {"limit": "1 messages in 24 hours"}


async def test_a_child_may_tighten_and_a_parent_that_tightens_later_overrules_it(database: Database) -> None:
    tree = await two_regions(database)
    north, n1 = tree.units["north"], tree.units["n1"]
    await a_setting(database, tree, tree.root_id, FirstResponse(60))
    await a_setting(database, tree, n1, FirstResponse(40))

    before = await _found(database, tree, "n1")
    await a_setting(database, tree, north, FirstResponse(20))
    after = await _found(database, tree, "n1")

    assert (before.value, before.source_unit_id, before.is_overruled) == (FirstResponse(40), n1, False)
    assert (before.limit, before.limit_unit_id) == (FirstResponse(60), tree.root_id)
    assert (after.value, after.source_unit_id, after.own) == (FirstResponse(20), north, FirstResponse(40))
    assert (after.limit_unit_id, after.is_overruled) == (north, True)

    async with begin(database, tree.scope) as uow:
        assert await tenants.clear_setting(uow, north, SLA)
        assert not await tenants.clear_setting(uow, north, SLA)
    assert (await _found(database, tree, "n1")).value == FirstResponse(40)


async def test_a_unit_that_is_moved_takes_the_limits_of_its_new_place(database: Database) -> None:
    tree = await two_regions(database)
    await a_setting(database, tree, tree.units["south"], FirstResponse(10), NIGHTS)
    await a_setting(database, tree, tree.units["n1"], FirstResponse(30), SUNDAYS)

    async with begin(database, tree.scope) as uow:
        await tenants.move_unit(uow, tree.units["n1"], tree.units["south"])

    assert (await _found(database, tree, "n1")).value == FirstResponse(10)
    quiet = await _found(database, tree, "n1", SettingName.QUIET_HOURS)
    assert quiet.value == rules.strictest(NIGHTS, SUNDAYS)
    assert (quiet.own, quiet.is_overruled) == (SUNDAYS, True)


async def test_a_parent_and_a_child_that_are_set_at_once_never_leave_the_child_looser(database: Database) -> None:
    tree = await two_regions(database)
    await a_setting(database, tree, tree.root_id, FirstResponse(60))

    await asyncio.gather(
        a_setting(database, tree, tree.units["north"], FirstResponse(10)),
        a_setting(database, tree, tree.units["n1"], FirstResponse(50)),
        return_exceptions=True,
    )

    assert (await _found(database, tree, "n1")).value == FirstResponse(10)


async def test_a_setting_is_written_over_by_the_next_one_also_by_a_looser_one_within_the_limit(
    database: Database,
) -> None:
    tree = await two_regions(database)
    await a_setting(database, tree, tree.root_id, FirstResponse(10))

    await a_setting(database, tree, tree.root_id, FirstResponse(90))

    assert (await _found(database, tree, "n1")).value == FirstResponse(90)


async def test_what_no_unit_can_have_and_archived_units_are_refused(database: Database) -> None:
    tree = await two_regions(database)
    async with begin(database, tree.scope) as uow:
        await tenants.archive_unit(uow, tree.units["n1"])

    for value in (FirstResponse(0), Tone(""), QuietHours(), ApprovalPolicy(6)):
        with pytest.raises(InvalidInput):
            await a_setting(database, tree, tree.root_id, value)
    with pytest.raises(UnitArchived):
        await a_setting(database, tree, tree.units["n1"], FirstResponse(5))


async def test_only_who_holds_the_permission_on_the_unit_sets_and_clears(
    database: Database, settings: Settings
) -> None:
    tree, other = await two_regions(database), await two_regions(database)
    north, n1 = tree.units["north"], tree.units["n1"]
    manager = await a_person(database, settings, tree, north, Role.MANAGER)
    operator = await a_person(database, settings, tree, north, Role.OPERATOR)
    attempts: list[tuple[UUID, type[Exception]]] = [
        (tree.units["s1"], NotFound),
        (tree.root_id, NotFound),
        (other.units["n1"], NotFound),
        (new_id(), NotFound),
    ]

    for person, unit_id, refusal in [(operator, n1, PermissionDenied), *((manager, *one) for one in attempts)]:
        with pytest.raises(refusal):
            async with begin(database, person.scope) as uow:
                await tenants.set_setting(uow, unit_id, FirstResponse(5))
        with pytest.raises(refusal):
            async with begin(database, person.scope) as uow:
                await tenants.clear_setting(uow, unit_id, SLA)

    async with begin(database, manager.scope) as uow:
        assert (await tenants.set_setting(uow, n1, FirstResponse(5))).source_unit_id == n1


async def test_a_location_sees_what_is_set_above_it_and_nothing_of_a_sibling(
    database: Database, settings: Settings
) -> None:
    tree = await two_regions(database)
    person = await a_person(database, settings, tree, tree.units["n1"], Role.MANAGER)
    await a_setting(database, tree, tree.root_id, FirstResponse(60))
    await a_setting(database, tree, tree.units["north"], ApprovalPolicy(2))
    await a_setting(database, tree, tree.units["s1"], FirstResponse(5))

    async with begin_read(database, person.scope) as uow:
        found = await tenants.effective(uow, tree.units["n1"])
        strangers = await tenants.effective_many(uow, [tree.units["s1"]], [SLA])
    with pytest.raises(NotFound):
        async with begin_read(database, person.scope) as uow:
            await tenants.effective(uow, tree.units["s1"])

    assert (found[SLA].value, found[SLA].source_unit_id) == (FirstResponse(60), tree.root_id)
    assert found[SettingName.APPROVAL_POLICY].source_unit_id == tree.units["north"]
    assert strangers[tree.units["s1"]][SLA].own is None


async def test_many_units_are_read_in_one_statement(database: Database) -> None:
    tree = await two_regions(database)
    await a_setting(database, tree, tree.root_id, FirstResponse(60), NIGHTS)
    await a_setting(database, tree, tree.units["n2"], FirstResponse(15))
    wanted = [tree.root_id, *tree.units.values()]

    async with begin_read(database, tree.scope) as uow:
        with statements() as few:
            await tenants.effective_many(uow, wanted[:1])
        with statements() as many:
            found = await tenants.effective_many(uow, wanted)

    assert len(few) == len(many) == 1
    told = {one: found[one][SLA].value for one in wanted}
    assert told == dict.fromkeys(wanted, FirstResponse(60)) | {tree.units["n2"]: FirstResponse(15)}
    assert {found[one][SettingName.QUIET_HOURS].value for one in wanted} == {NIGHTS}
