"""Reading the inbox: lists, single conversations, and what changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from server.inbox.models import ConversationRow
from server.inbox.repository import reading as repository
from server.inbox.repository import replies as rows
from server.inbox.service import positions
from server.inbox.service.positions import Position
from server.inbox.views import ConversationFilter, ConversationView, Parts
from server.kit.errors import InvalidInput, NotFound
from server.kit.pagination import MAX_PAGE, Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_LAST_ID = UUID(int=2**128 - 1)


async def list_conversations(
    uow: UnitOfWork,
    arguments: PageArguments,
    wanted: ConversationFilter | None = None,
    parts: Parts | None = None,
) -> Page[ConversationView]:
    """List conversations, newest message first, with the parts that are asked for. Needs inbox:read.

    The number of SQL statements is the same for any number of rows. Raises NotFound for a unit out of reach.
    """
    uow.scope.require_anywhere(Permission.INBOX_READ)
    chosen = wanted or ConversationFilter()
    if chosen.unit_id is not None:
        uow.scope.require(Permission.INBOX_READ, chosen.unit_id)
        await tenants.unit(uow, chosen.unit_id)
    keyset = Keyset(
        (
            SortKey(ConversationRow.last_message_at, datetime, descending=True),
            SortKey(ConversationRow.id, UUID, descending=True),
        ),
        ["conversations", *astuple(chosen)],
    )
    found = await repository.list_conversations(
        uow.session,
        uow.scope.organization_id,
        keyset,
        arguments,
        chosen,
        parts or Parts(),
        uow.scope.units_with(Permission.INBOX_READ),
    )
    return keyset.page(found, arguments, lambda view: (view.last_message_at, view.id))


async def conversations_by_id(
    uow: UnitOfWork, ids: Sequence[UUID], parts: Parts | None = None
) -> Mapping[UUID, ConversationView]:
    """Return those of the conversations that the scope may read, by id."""
    if not ids or not uow.scope.may(Permission.INBOX_READ):
        return {}
    found = await repository.conversations_by_id(
        uow.session,
        uow.scope.organization_id,
        ids,
        parts or Parts(),
        uow.scope.units_with(Permission.INBOX_READ),
    )
    return {view.id: view for view in found}


async def conversation(uow: UnitOfWork, conversation_id: UUID, parts: Parts | None = None) -> ConversationView:
    """Return one conversation; raise NotFound. Needs inbox:read on its unit."""
    row = await rows.conversation(uow.session, uow.scope.organization_id, conversation_id)
    if row is None:
        raise NotFound
    uow.scope.require_on(Permission.INBOX_READ, row.unit_id, read_with=Permission.INBOX_READ)
    found = await conversations_by_id(uow, [conversation_id], parts)
    if conversation_id not in found:
        raise NotFound
    return found[conversation_id]


# --------------------------------------------------------------------------- what changed since


async def changes_after(
    uow: UnitOfWork, cursor: str | None, limit: int = MAX_PAGE
) -> tuple[list[tuple[ConversationView, str]], str]:
    """Return the conversations that changed after a cursor, oldest change first and at most `limit`, and where to go on.

    Without a cursor: nothing, and the position of now. Only changes that no running transaction can still get in front of
    are given, so no commit is ever skipped; ask `has_unsettled_changes` whether to look again soon. Raises InvalidCursor.
    """
    uow.scope.require_anywhere(Permission.INBOX_READ)
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"limit must be from 1 to {MAX_PAGE}.", path=("limit",))
    below = await repository.horizon(uow.session)
    end = (below - 1, _LAST_ID)
    if cursor is None:
        return [], _written(uow, end)
    after = _position(uow, cursor)
    found = await repository.changes(
        uow.session, uow.scope.organization_id, after, below, limit, uow.scope.units_with(Permission.INBOX_READ)
    )
    items = [(view, _written(uow, (xid, view.id))) for view, xid in found]
    if len(items) == limit:
        return items, items[-1][1]
    return items, cursor if after > end else _written(uow, end)


async def has_unsettled_changes(uow: UnitOfWork, cursor: str) -> bool:
    """Say whether something after the cursor is visible and not given yet, because an older transaction still runs."""
    uow.scope.require_anywhere(Permission.INBOX_READ)
    units = uow.scope.units_with(Permission.INBOX_READ)
    return await repository.has_change_from(uow.session, uow.scope.organization_id, _position(uow, cursor), units)


def _written(uow: UnitOfWork, position: Position) -> str:
    return positions.written(uow.keys, uow.scope.organization_id, position)


def _position(uow: UnitOfWork, cursor: str) -> Position:
    return positions.read(uow.keys, uow.scope.organization_id, cursor)
