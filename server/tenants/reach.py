"""What lies under a unit, for readers that filter what they have already fetched."""

from __future__ import annotations

from uuid import UUID

from server.kit.errors import NotFound
from server.tenants.repository import units as repository
from server.tenants.uow import UnitOfWork


async def units_below(uow: UnitOfWork, unit_id: UUID) -> frozenset[UUID]:
    """Return the unit and everything under it; raise NotFound for a unit that the scope does not see."""
    if await repository.unit(uow.session, uow.scope, unit_id) is None:
        raise NotFound(path=("unitId",))
    return frozenset(await repository.units_below(uow.session, uow.scope.organization_id, unit_id))
