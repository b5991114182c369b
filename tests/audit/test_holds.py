"""Legal holds: what they forbid, for whom, and that no erasure slips past one that is being set."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.audit.errors import HoldLifted
from server.audit.rules import LegalBasis
from server.audit.service import Hold
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.rules import Role, UnitKind
from server.tenants.scope import Scope
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization, a_person, an_agency


def a_hold(unit_id: object, contact_id: object = None) -> Hold:
    """Describe a hold."""
    return Hold(unit_id, contact_id, LegalBasis.COURT_ORDER, "7 O 12/26", "The court said so.")  # type: ignore[arg-type]


async def _is_held(database: Database, scope: Scope, units: list[object], contacts: list[object]) -> bool:
    async with begin(database, scope) as uow:
        return await audit.holds_on(uow, units, contacts)  # type: ignore[arg-type]


async def test_a_hold_on_a_unit_protects_it_what_is_above_and_what_is_under_it(database: Database) -> None:
    agency = await an_agency(database)
    client, other = agency.units.values()
    async with begin(database, agency.scope) as uow:
        brand = await tenants.create_unit(uow, parent_id=client, kind=UnitKind.BRAND, name="Brand")
        shop = await tenants.create_unit(uow, parent_id=brand.id, kind=UnitKind.LOCATION, name="Shop")
        await uow.flush()
        await audit.hold(uow, a_hold(brand.id))

    protected = {
        name: await _is_held(database, agency.scope, [unit], [])
        for name, unit in {
            "root": agency.root_id,
            "client": client,
            "brand": brand.id,
            "shop": shop.id,
            "other": other,
        }.items()
    }

    assert protected == {"root": True, "client": True, "brand": True, "shop": True, "other": False}


async def test_a_hold_on_a_contact_protects_that_one_and_its_unit_as_a_whole(database: Database) -> None:
    agency = await an_agency(database)
    client, other = agency.units.values()
    held, neighbour = new_id(), new_id()
    async with begin(database, agency.scope) as uow:
        await audit.hold(uow, a_hold(client, held))

    assert await _is_held(database, agency.scope, [client], [held])
    assert not await _is_held(database, agency.scope, [client], [neighbour])
    assert await _is_held(database, agency.scope, [client], [])
    assert await _is_held(database, agency.scope, [agency.root_id], [])
    assert not await _is_held(database, agency.scope, [other], [])


async def test_a_contact_is_protected_by_a_hold_above_its_unit_also_before_somebody_who_sees_the_unit_only(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    local = await a_person(database, settings, agency, client, Role.OWNER)
    async with begin(database, agency.scope) as uow:
        await audit.hold(uow, a_hold(agency.root_id))

    assert await _is_held(database, local.scope, [client], [new_id()])
    assert await _is_held(database, local.scope, [client], [])


async def test_a_lifted_hold_protects_nothing_and_is_lifted_once(database: Database) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    async with begin(database, agency.scope) as uow:
        row = await audit.hold(uow, a_hold(client))
    async with begin(database, agency.scope) as uow:
        await audit.lift_hold(uow, row.id, "The case is over.")

    assert not await _is_held(database, agency.scope, [client], [])
    async with begin(database, agency.scope) as uow:
        with pytest.raises(HoldLifted):
            await audit.lift_hold(uow, row.id, "Again.")


async def test_a_hold_is_nothing_to_a_sibling_or_to_another_organization(
    database: Database, settings: Settings
) -> None:
    agency, stranger = await an_agency(database), await an_agency(database)
    client, sibling_unit = agency.units.values()
    sibling = await a_person(database, settings, agency, sibling_unit, Role.OWNER)
    operator = await a_person(database, settings, agency, client, Role.OPERATOR)
    async with begin(database, agency.scope) as uow:
        row = await audit.hold(uow, a_hold(client))

    for scope, refusal in ((sibling.scope, NotFound), (stranger.scope, NotFound), (operator.scope, PermissionDenied)):
        async with begin(database, scope) as uow:
            with pytest.raises(NotFound):  # the operator sees the unit, and no hold
                await audit.lift_hold(uow, row.id, "Let it go.")
            with pytest.raises(refusal):
                await audit.hold(uow, a_hold(client))
            assert await audit.holds_by_id(uow, [row.id]) == []
    assert not await _is_held(database, sibling.scope, [sibling_unit], [])


async def test_a_hold_needs_a_reference_and_a_reason(database: Database) -> None:
    agency = await an_agency(database)
    async with begin(database, agency.scope) as uow:
        with pytest.raises(Problems) as refused:
            await audit.hold(uow, Hold(agency.root_id, None, LegalBasis.SAFETY, "", " "))

    assert [one.path for one in refused.value.problems] == [("reference",), ("reason",)]


async def test_a_hold_waits_for_an_erasure_that_runs_and_a_later_erasure_sees_it(database: Database) -> None:
    agency = await an_agency(database)
    client = agency.units["client 1"]
    order: list[str] = []

    async def set_hold() -> None:
        async with begin(database, agency.scope) as uow:
            await audit.hold(uow, a_hold(client))
        order.append("held")

    async with begin(database, agency.scope) as uow:
        assert not await audit.holds_on(uow, [client], [])
        setting = asyncio.create_task(set_hold())
        await _until_somebody_waits(database, agency)
        order.append("erased")
    await setting

    assert order == ["erased", "held"]
    assert await _is_held(database, agency.scope, [client], [])


async def _until_somebody_waits(database: Database, agency: AnOrganization) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    while True:
        async with begin(database, agency.scope) as uow:
            if (await uow.session.execute(waiting)).scalar_one():
                return
        await asyncio.sleep(0.01)
