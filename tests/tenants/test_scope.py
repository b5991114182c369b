"""What a person reaches, at the level of rows."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied, Problems
from server.kit.pagination import PageArguments
from server.tenants import service as tenants
from server.tenants.rules import Permission, Role, UnitKind
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import a_franchise, a_person, an_agency


async def test_a_location_manager_sees_the_own_location_and_the_line_above_it_only(
    database: Database, settings: Settings
) -> None:
    franchise = await a_franchise(database, locations=3)
    person = await a_person(database, settings, franchise, franchise.units["location 2"], Role.MANAGER)

    async with begin_read(database, person.scope) as uow:
        seen = await tenants.list_units(uow, PageArguments(first=100))

    assert {unit.id for unit in seen.items} == {franchise.root_id, franchise.units["location 2"]}


async def test_a_transaction_without_a_scope_sees_no_rows_at_all(database: Database) -> None:
    await an_agency(database)

    async with database.app_engine.connect() as connection:
        count = (await connection.execute(text("SELECT count(*) FROM unit"))).scalar_one()

    assert count == 0


async def test_a_foreign_unit_is_not_found_and_a_seen_one_without_permission_is_denied(
    database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    person = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)

    for foreign in (other.units["client 1"], agency.units["client 2"], other.root_id):
        with pytest.raises(NotFound):
            person.scope.require(Permission.UNIT_MANAGE, foreign)
    with pytest.raises(PermissionDenied):
        person.scope.require(Permission.UNIT_MANAGE, agency.units["client 1"])


async def test_a_location_may_not_change_the_row_of_its_headquarters(database: Database, settings: Settings) -> None:
    franchise = await a_franchise(database)
    person = await a_person(database, settings, franchise, franchise.units["location 1"], Role.OWNER)

    async with begin(database, person.scope) as uow:
        changed = await uow.session.execute(text("UPDATE unit SET name = 'mine' RETURNING id"))
        ids = {row.id for row in changed}

    assert ids == {franchise.units["location 1"]}


async def test_the_audit_chain_verifies_and_shows_the_first_event_that_was_changed(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    for _ in range(3):
        await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    async with begin_read(database, agency.scope) as uow:
        assert await audit.verify(uow) is None

    engine = database.app_engine
    async with engine.connect() as connection:
        granted = await connection.execute(text("SELECT has_table_privilege('audit_event', 'UPDATE')"))
        assert granted.scalar_one() is False


async def test_a_unit_under_a_location_is_refused(database: Database) -> None:
    franchise = await a_franchise(database, locations=1)
    async with begin(database, franchise.scope) as uow:
        with pytest.raises(Problems, match="cannot stand under"):
            await tenants.create_unit(uow, parent_id=franchise.units["location 1"], kind=UnitKind.CLIENT, name="below")
