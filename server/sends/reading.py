"""Reading how sends stand, for what shows them to people."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.sends.models import SendIntentRow
from server.sends.repository import intents as repository
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


async def sends_shown(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[SendIntentRow]:
    """Return those of the sends that the scope may read, in no particular order. Needs inbox:read on their units."""
    rows = await repository.sends_by_id(uow.session, uow.scope.organization_id, ids)
    return [row for row in rows if uow.scope.may(Permission.INBOX_READ, row.unit_id)]
