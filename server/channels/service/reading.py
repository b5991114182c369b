"""Reading a consent dialogue again."""

from __future__ import annotations

from collections.abc import Sequence
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


async def connections_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[ConnectionRow]:
    """Return those of the dialogues that this actor began and for whose units it still holds channel:connect."""
    rows = await connections.many_by_id(uow.session, uow.scope.organization_id, ids, uow.scope.actor.id)
    return [row for row in rows if uow.scope.may(Permission.CHANNEL_CONNECT, row.unit_id)]
