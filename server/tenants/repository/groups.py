"""SQL of groups of units that cut across the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import in_reach, is_one_of
from server.tenants.models import LocationGroupRow, LocationGroupUnitRow, UnitClosureRow
from server.tenants.scope import Scope


def _owned(scope: Scope) -> list[ColumnElement[bool]]:
    same = LocationGroupRow.organization_id == scope.organization_id
    return [same, in_reach(scope, LocationGroupRow.unit_id)]


async def groups_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[LocationGroupRow]:
    """Return the groups with these ids whose unit the scope reaches."""
    statement = select(LocationGroupRow).where(*_owned(scope), is_one_of(LocationGroupRow.id, ids))
    return (await session.scalars(statement)).all()


async def lock_group(session: AsyncSession, scope: Scope, group_id: UUID) -> LocationGroupRow | None:
    """Return one group whose unit the scope reaches, and lock it."""
    statement = select(LocationGroupRow).where(*_owned(scope), LocationGroupRow.id == group_id).with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def has_group_named(
    session: AsyncSession, organization_id: UUID, unit_id: UUID, name: str, but: UUID | None = None
) -> bool:
    """Say whether a unit has a group of this name besides `but`."""
    found = exists().where(
        LocationGroupRow.organization_id == organization_id,
        LocationGroupRow.unit_id == unit_id,
        LocationGroupRow.name == name,
        LocationGroupRow.id.is_distinct_from(but),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def list_groups(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, unit_id: UUID | None
) -> Sequence[LocationGroupRow]:
    """Return up to `size + 1` groups of the page whose unit the scope reaches."""
    statement = select(LocationGroupRow).where(*_owned(scope), *keyset.beyond(arguments))
    if unit_id is not None:
        statement = statement.where(LocationGroupRow.unit_id == unit_id)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def strangers(session: AsyncSession, organization_id: UUID, unit_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that are no units under `unit_id`."""
    statement = select(UnitClosureRow.descendant_id).where(
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id == unit_id,
        UnitClosureRow.depth > 0,
        is_one_of(UnitClosureRow.descendant_id, ids),
    )
    return set(ids) - set((await session.scalars(statement)).all())


_ADD = text("""
INSERT INTO location_group_unit (organization_id, group_id, location_id, unit_id)
SELECT :organization, :group, member, :unit FROM unnest(cast(:members AS uuid[])) AS member
ON CONFLICT DO NOTHING
""")


async def add_members(session: AsyncSession, group: LocationGroupRow, ids: Sequence[UUID]) -> None:
    """Put units into a group; those that are in it already stay."""
    values = {"organization": group.organization_id, "group": group.id, "unit": group.unit_id, "members": list(ids)}
    await session.execute(_ADD, values)


async def remove_members(session: AsyncSession, group: LocationGroupRow, ids: Sequence[UUID]) -> None:
    """Take units out of a group."""
    await session.execute(
        delete(LocationGroupUnitRow).where(
            LocationGroupUnitRow.organization_id == group.organization_id,
            LocationGroupUnitRow.group_id == group.id,
            is_one_of(LocationGroupUnitRow.location_id, ids),
        )
    )


async def count_members(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count, for each of the groups, the members that still lie under its unit."""
    statement = (
        select(LocationGroupUnitRow.group_id, func.count())
        .join(
            UnitClosureRow,
            (UnitClosureRow.organization_id == LocationGroupUnitRow.organization_id)
            & (UnitClosureRow.ancestor_id == LocationGroupUnitRow.unit_id)
            & (UnitClosureRow.descendant_id == LocationGroupUnitRow.location_id),
        )
        .join(
            LocationGroupRow,
            (LocationGroupRow.organization_id == LocationGroupUnitRow.organization_id)
            & (LocationGroupRow.id == LocationGroupUnitRow.group_id),
        )
        .where(*_owned(scope), is_one_of(LocationGroupUnitRow.group_id, ids))
        .group_by(LocationGroupUnitRow.group_id)
    )
    return {group: count for group, count in await session.execute(statement)}
