"""The second wall by itself: raw SQL without any filter, on every table that the metadata knows (reliability.md G25)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from psycopg import errors as pg
from sqlalchemy import Table, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from server.config import Settings
from server.kit.db import Database, Wall
from server.kit.ids import new_id
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person
from tests.tenancy.canaries import a_canary
from tests.tenancy.rows import TENANT_TABLES, Territory

by_table = pytest.mark.parametrize("table", TENANT_TABLES, ids=lambda table: table.name)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two franchises with a row in every table, at location 1 and at location 2 of each; and a manager of our location 1."""

    ours: AnOrganization
    theirs: AnOrganization
    manager: APerson
    sibling: Territory
    """What is of our location 2."""


@pytest.fixture(scope="module")
async def neighbours(walk_database: Database, walk_settings: Settings) -> Neighbours:
    """Every table holds rows of both."""
    both = [await a_franchise(walk_database, locations=2) for _ in range(2)]
    everywhere = [Territory(walk_database, one, unit, is_whole=False) for one in both for unit in one.units.values()]
    for territory in everywhere:
        await territory.add_bare_rows(a_canary())
    manager = await a_person(walk_database, walk_settings, both[0], both[0].units["location 1"], Role.MANAGER)
    return Neighbours(both[0], both[1], manager, sibling=everywhere[1])


async def owners(session: AsyncSession, table: Table, column: str) -> set[UUID]:
    """Return whose rows a bare SELECT shows."""
    return set(await session.scalars(text(f"SELECT DISTINCT {column} FROM (SELECT * FROM {table.name}) AS seen")))


@by_table
async def test_a_bare_select_shows_rows_of_the_own_organization_only(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    async with begin(walk_database, neighbours.ours.scope) as uow:
        assert await owners(uow.session, table, "organization_id") == {neighbours.ours.id}


@by_table
async def test_a_bare_select_in_the_scope_of_a_location_shows_what_it_reaches_only(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    own = neighbours.ours.units["location 1"]
    async with begin(walk_database, neighbours.manager.scope) as uow:
        assert await owners(uow.session, table, "organization_id") <= {neighbours.ours.id}
        if table.info["wall"] is not Wall.ORGANIZATION:
            statement = f"SELECT count(*) FROM {table.name} WHERE {neighbours.sibling.condition(table)}"
            assert (await uow.session.execute(text(statement))).scalar_one() == 0
        if table.name == "unit" or "unit_id" in table.columns:
            column = "id" if table.name == "unit" else "unit_id"
            above = {neighbours.ours.root_id} if table.info["wall"] is Wall.LINEAGE else set()
            seen = await owners(uow.session, table, column)
            assert own in seen
            assert seen <= {own} | above


@by_table
async def test_a_bare_select_without_a_scope_shows_nothing(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    async with walk_database.app_engine.connect() as connection:
        assert (await connection.execute(text(f"SELECT count(*) FROM {table.name}"))).scalar_one() == 0


@by_table
async def test_a_row_cannot_be_written_into_another_organization(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    columns = ", ".join(one.name for one in table.columns)
    changed = ", ".join(":theirs" if one.name == "organization_id" else one.name for one in table.columns)
    statement = f"INSERT INTO {table.name} ({columns}) SELECT {changed} FROM {table.name} LIMIT 1"

    await refused(walk_database, neighbours, statement, theirs=neighbours.theirs.id)


@by_table
async def test_a_row_cannot_be_moved_to_another_organization(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    statement = f"UPDATE {table.name} SET organization_id = :theirs"

    await refused(walk_database, neighbours, statement, theirs=neighbours.theirs.id)


@by_table
async def test_rows_of_another_organization_cannot_be_changed_or_deleted(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    mine = Territory(walk_database, neighbours.theirs, neighbours.theirs.root_id, is_whole=True)
    before = await mine.checksums()
    condition = {"theirs": neighbours.theirs.id}
    for verb in (f"UPDATE {table.name} SET organization_id = organization_id", f"DELETE FROM {table.name}"):
        async with begin(walk_database, neighbours.ours.scope) as uow:
            if await _may(uow.session, table, verb.split()[0]):
                done = await uow.session.execute(
                    text(f"{verb} WHERE organization_id = :theirs RETURNING organization_id"), condition
                )
                assert done.all() == []

    assert await mine.checksums() == before


@by_table
async def test_a_row_cannot_be_written_for_a_sibling_unit(
    neighbours: Neighbours, walk_database: Database, table: Table
) -> None:
    if table.name != "unit" and "unit_id" not in table.columns:
        assert table.info["wall"] not in {Wall.UNIT, Wall.LINEAGE}
        return
    column = "id" if table.name == "unit" else "unit_id"
    sibling = neighbours.ours.units["location 2"] if column == "unit_id" else new_id()
    columns = ", ".join(one.name for one in table.columns)
    changed = ", ".join(":sibling" if one.name == column else one.name for one in table.columns)
    statement = f"INSERT INTO {table.name} ({columns}) SELECT {changed} FROM {table.name} LIMIT 1"

    await refused(walk_database, neighbours, statement, as_manager=True, sibling=sibling)


async def refused(
    database: Database, neighbours: Neighbours, statement: str, *, as_manager: bool = False, **values: UUID
) -> None:
    """Insist that the statement ends at the wall or at a right that was never granted, not at a constraint behind it."""
    scope = neighbours.manager.scope if as_manager else neighbours.ours.scope
    with pytest.raises(ProgrammingError) as told:
        async with begin(database, scope) as uow:
            await uow.session.execute(text(statement), values)
    assert isinstance(told.value.orig, pg.InsufficientPrivilege), told.value.orig


async def _may(session: AsyncSession, table: Table, right: str) -> bool:
    found = await session.execute(
        text("SELECT has_table_privilege(:name, :right)"), {"name": table.name, "right": right}
    )
    return bool(found.scalar_one())
