"""SQL of the roles that an organization made for itself."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import CustomRoleRow


async def is_named(session: AsyncSession, organization_id: UUID, name: str, besides: UUID | None = None) -> bool:
    """Say whether another role, archived or not, has this name."""
    found = exists().where(CustomRoleRow.organization_id == organization_id, CustomRoleRow.name == name)
    if besides is not None:
        found = found.where(CustomRoleRow.id != besides)
    return bool((await session.execute(select(found))).scalar_one())


async def count(session: AsyncSession, organization_id: UUID) -> int:
    """Return how many roles there are, archived or not."""
    statement = select(func.count()).where(CustomRoleRow.organization_id == organization_id)
    return (await session.execute(statement)).scalar_one()


async def by_ids(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[CustomRoleRow]:
    """Return the roles with these ids."""
    statement = select(CustomRoleRow).where(CustomRoleRow.organization_id == organization_id, CustomRoleRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_roles(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments
) -> Sequence[CustomRoleRow]:
    """Return up to `size + 1` roles of the page."""
    statement = (
        select(CustomRoleRow)
        .where(CustomRoleRow.organization_id == organization_id, *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()
