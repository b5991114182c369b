"""SQL of organizations and their trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, exists, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.kit.nested import Batch, rows_of_each
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import in_reach, in_reach_or_above, is_one_of
from server.tenants.models import LocationGroupUnitRow, OrganizationRow, UnitClosureRow, UnitRow
from server.tenants.rules import UnitFilter
from server.tenants.scope import Scope


async def units_below(session: AsyncSession, organization_id: UUID, unit_id: UUID) -> Sequence[UUID]:
    """Return the ids of a unit and everything under it."""
    statement = select(UnitClosureRow.descendant_id).where(
        UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == unit_id
    )
    return (await session.scalars(statement)).all()


async def ancestors_of(session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Return the units above the given ones, each once."""
    statement = (
        select(UnitClosureRow.ancestor_id)
        .distinct()
        .where(
            UnitClosureRow.organization_id == organization_id,
            is_one_of(UnitClosureRow.descendant_id, unit_ids),
            UnitClosureRow.depth > 0,
        )
    )
    return (await session.scalars(statement)).all()


async def organization(session: AsyncSession, organization_id: UUID) -> OrganizationRow | None:
    """Return the organization of the scope."""
    return await session.get(OrganizationRow, organization_id)


def seen_by(scope: Scope, row: type[UnitRow] = UnitRow) -> list[ColumnElement[bool]]:
    """Return the conditions of what a scope sees: the units that it reaches, and the line above them."""
    same = row.organization_id == scope.organization_id
    return [same, in_reach_or_above(scope, row.id)]


async def unit(session: AsyncSession, scope: Scope, unit_id: UUID) -> UnitRow | None:
    """Return one unit that the scope sees, as it is now."""
    statement = select(UnitRow).where(*seen_by(scope), UnitRow.id == unit_id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def units_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[UnitRow]:
    """Return the units with these ids that the scope sees."""
    statement = select(UnitRow).where(*seen_by(scope), is_one_of(UnitRow.id, ids))
    return (await session.scalars(statement)).all()


async def has_sibling_named(
    session: AsyncSession, organization_id: UUID, parent_id: UUID, name: str, but: UUID | None = None
) -> bool:
    """Say whether a unit of that name, besides `but`, stands under the parent."""
    found = exists().where(
        UnitRow.organization_id == organization_id,
        UnitRow.parent_id == parent_id,
        UnitRow.name == name,
        UnitRow.id.is_distinct_from(but),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def has_unit_coded(
    session: AsyncSession, organization_id: UUID, external_code: str, but: UUID | None = None
) -> bool:
    """Say whether the organization has a unit with this external code besides `but`."""
    found = exists().where(
        UnitRow.organization_id == organization_id,
        UnitRow.external_code == external_code,
        UnitRow.id.is_distinct_from(but),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def insert_closure(session: AsyncSession, organization_id: UUID, unit_id: UUID, parent_id: UUID | None) -> None:
    """Add a new leaf to the closure: itself, and one row for each unit above it."""
    await session.execute(
        insert(UnitClosureRow).values(
            organization_id=organization_id, ancestor_id=unit_id, descendant_id=unit_id, depth=0
        )
    )
    if parent_id is not None:
        above = select(
            UnitClosureRow.organization_id, UnitClosureRow.ancestor_id, literal(unit_id), UnitClosureRow.depth + 1
        ).where(UnitClosureRow.organization_id == organization_id, UnitClosureRow.descendant_id == parent_id)
        await session.execute(
            insert(UnitClosureRow).from_select(["organization_id", "ancestor_id", "descendant_id", "depth"], above)
        )


async def list_units(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, wanted: UnitFilter
) -> Sequence[UnitRow]:
    """Return up to `size + 1` units of the page, in the keyset's order."""
    statement = select(UnitRow).where(*seen_by(scope), *_chosen(scope, wanted), *keyset.beyond(arguments))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def members_of_groups(session: AsyncSession, scope: Scope, batch: Batch) -> Mapping[UUID, Sequence[UnitRow]]:
    """Return up to `size + 1` members of each group."""
    return await rows_of_each(session, UnitRow, batch, lambda group: [*seen_by(scope), _is_member(scope, group)])


def _chosen(scope: Scope, wanted: UnitFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.kind is not None:
        yield UnitRow.kind == wanted.kind
    if wanted.parent_id is not None:
        yield UnitRow.parent_id == wanted.parent_id
    if wanted.under_id is not None:
        yield _lies_under(scope.organization_id, wanted.under_id)
    if wanted.group_id is not None:
        yield _is_member(scope, wanted.group_id)
    if wanted.is_archived is not None:
        yield UnitRow.archived_at.is_not(None) if wanted.is_archived else UnitRow.archived_at.is_(None)
    if wanted.search:
        yield or_(
            UnitRow.name.istartswith(wanted.search, autoescape=True),
            UnitRow.external_code.istartswith(wanted.search, autoescape=True),
        )


def _lies_under(organization_id: UUID, above: UUID | InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    return (
        exists()
        .where(
            UnitClosureRow.organization_id == organization_id,
            UnitClosureRow.ancestor_id == above,
            UnitClosureRow.descendant_id == UnitRow.id,
        )
        .correlate_except(UnitClosureRow)
    )


def _is_member(scope: Scope, group_id: UUID | ColumnElement[UUID]) -> ColumnElement[bool]:
    """Select the members of a group whose unit the scope reaches, as far as they still lie under that unit."""
    return (
        exists()
        .where(
            LocationGroupUnitRow.organization_id == scope.organization_id,
            LocationGroupUnitRow.group_id == group_id,
            LocationGroupUnitRow.location_id == UnitRow.id,
            in_reach(scope, LocationGroupUnitRow.unit_id),
            _lies_under(scope.organization_id, LocationGroupUnitRow.unit_id),
        )
        .correlate_except(LocationGroupUnitRow)
    )
