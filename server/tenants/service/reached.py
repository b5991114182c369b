"""The units that a scope reaches, for a front end that shows what may be done where."""

from __future__ import annotations

from uuid import UUID

from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.models import UnitRow
from server.tenants.repository import reached as repository
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


async def list_reached_units(
    uow: UnitOfWork, arguments: PageArguments, *, permission: Permission | None = None
) -> Page[UnitRow]:
    """List the units that the scope reaches, by name; only those where it holds a permission, if one is given."""
    scope = uow.scope
    unit_ids = None if scope.all_units else list(scope.unit_ids)
    if permission is not None:
        unit_ids = scope.units_with(permission)
    keyset = Keyset((SortKey(UnitRow.name, str), SortKey(UnitRow.id, UUID)), ["reached units", permission])
    rows = await repository.list_units(uow.session, scope.organization_id, keyset, arguments, unit_ids)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))
