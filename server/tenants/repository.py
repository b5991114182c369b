"""SQL of the spine. What a token reaches is resolved by the statement that finds the token, in `auth`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import MemberRow, OrganizationRow, UnitClosureRow, UnitRow
from server.tenants.rules import UnitKind


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
            UnitClosureRow.descendant_id.in_(unit_ids),
            UnitClosureRow.depth > 0,
        )
    )
    return (await session.scalars(statement)).all()


async def organization(session: AsyncSession, organization_id: UUID) -> OrganizationRow | None:
    """Return the organization of the scope."""
    return await session.get(OrganizationRow, organization_id)


async def unit(session: AsyncSession, organization_id: UUID, unit_id: UUID) -> UnitRow | None:
    """Return one unit."""
    return await session.get(UnitRow, (organization_id, unit_id))


async def units_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[UnitRow]:
    """Return the units with these ids that the scope sees."""
    statement = select(UnitRow).where(UnitRow.organization_id == organization_id, UnitRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def members_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[MemberRow]:
    """Return the members with these ids."""
    statement = select(MemberRow).where(MemberRow.organization_id == organization_id, MemberRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def has_sibling_named(session: AsyncSession, organization_id: UUID, parent_id: UUID, name: str) -> bool:
    """Say whether a unit of that name stands under the parent."""
    found = exists().where(
        UnitRow.organization_id == organization_id, UnitRow.parent_id == parent_id, UnitRow.name == name
    )
    return bool((await session.execute(select(found))).scalar_one())


async def has_unit_coded(session: AsyncSession, organization_id: UUID, external_code: str) -> bool:
    """Say whether the organization has a unit with this external code."""
    found = exists().where(UnitRow.organization_id == organization_id, UnitRow.external_code == external_code)
    return bool((await session.execute(select(found))).scalar_one())


async def has_member(session: AsyncSession, organization_id: UUID, email: str) -> bool:
    """Say whether a member has this address."""
    found = exists().where(MemberRow.organization_id == organization_id, MemberRow.email == email)
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
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    kind: UnitKind | None,
    parent_id: UUID | None,
) -> Sequence[UnitRow]:
    """Return up to `size + 1` units of the page, in the keyset's order."""
    statement = select(UnitRow).where(UnitRow.organization_id == organization_id, *keyset.beyond(arguments))
    if kind is not None:
        statement = statement.where(UnitRow.kind == kind)
    if parent_id is not None:
        statement = statement.where(UnitRow.parent_id == parent_id)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def list_members(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments
) -> Sequence[MemberRow]:
    """Return up to `size + 1` members of the page."""
    statement = (
        select(MemberRow)
        .where(MemberRow.organization_id == organization_id, *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()
