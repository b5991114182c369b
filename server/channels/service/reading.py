"""Reading a consent dialogue again."""

from __future__ import annotations

from uuid import UUID

from server.channels.models import ConnectionRow
from server.channels.repository import connections
from server.kit.errors import NotFound
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


async def connection(uow: UnitOfWork, connection_id: UUID) -> ConnectionRow:
    """Return a dialogue that this actor began; raise NotFound. Needs channel:connect on its unit."""
    row = await connections.by_id(uow.session, uow.scope.organization_id, connection_id, lock=False)
    if row is None or row.actor_id != uow.scope.actor.id:
        raise NotFound
    uow.scope.require(Permission.CHANNEL_CONNECT, row.unit_id)
    return row
