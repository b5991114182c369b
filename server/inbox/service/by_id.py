"""Reading single messages and notes again, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.inbox.models import MessageRow, NoteRow
from server.inbox.repository import by_id as repository
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


async def messages_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[MessageRow]:
    """Return those of the messages that the scope may read, in no particular order."""
    rows = await repository.messages_by_id(uow.session, uow.scope.organization_id, ids)
    return [row for row in rows if uow.scope.may(Permission.INBOX_READ, row.unit_id)]


async def notes_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[NoteRow]:
    """Return those of the notes that the scope may read, in no particular order."""
    rows = await repository.notes_by_id(uow.session, uow.scope.organization_id, ids)
    return [row for row in rows if uow.scope.may(Permission.INBOX_READ, row.unit_id)]
