"""SQL of the units that a scope reaches, without the line above them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at
from server.tenants.models import UnitRow


async def list_units(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    unit_ids: Collection[UUID] | None,
) -> Sequence[UnitRow]:
    """Return up to `size + 1` units of the page among these; None for all."""
    statement = select(UnitRow).where(UnitRow.organization_id == organization_id, *keyset.beyond(arguments))
    ordered = statement.where(at(UnitRow.id, unit_ids)).order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()
