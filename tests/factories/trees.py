"""Trees in the words of the business: units made by path, and what stands where."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from server.kit.db import Database
from server.tenants import service as tenants
from server.tenants.rules import OrganizationKind, UnitKind
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, an_organization

Branch = dict[str, tuple[UnitKind, "Branch"]]


async def a_tree(database: Database, branches: Branch, name: str = "Chain") -> AnOrganization:
    """Create a franchisor with units of any depth; each is found by its own name."""
    made = await an_organization(database, OrganizationKind.FRANCHISOR, {}, name)
    await _grow(database, made, made.root_id, branches)
    return made


async def _grow(database: Database, made: AnOrganization, parent_id: UUID, branches: Branch) -> None:
    for name, (kind, below) in branches.items():
        async with begin(database, made.scope) as uow:
            row = await tenants.create_unit(uow, parent_id=parent_id, kind=kind, name=name)
        made.units[name] = row.id
        await _grow(database, made, row.id, below)


async def two_regions(database: Database) -> AnOrganization:
    """Create regions "north" and "south" with the locations "n1", "n2" and "s1"."""
    region, location = UnitKind.REGION, UnitKind.LOCATION
    return await a_tree(
        database,
        {"north": (region, {"n1": (location, {}), "n2": (location, {})}), "south": (region, {"s1": (location, {})})},
    )


_TRUE_CLOSURE = text("""
WITH RECURSIVE line AS (
  SELECT id AS descendant, id AS ancestor, 0 AS depth, parent_id AS next FROM unit
  UNION ALL
  SELECT line.descendant, unit.id, line.depth + 1, unit.parent_id FROM line JOIN unit ON unit.id = line.next
  WHERE line.depth < 50
)
SELECT ancestor, descendant, depth FROM line
""")
_CLOSURE = text("SELECT ancestor_id, descendant_id, depth FROM unit_closure")


async def closures(database: Database, made: AnOrganization) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """Return the closure as it is stored, and as it follows from the parents."""
    async with begin_read(database, made.scope) as uow:
        stored = {tuple(row) for row in await uow.session.execute(_CLOSURE)}
        true = {tuple(row) for row in await uow.session.execute(_TRUE_CLOSURE)}
    return stored, true
