"""Reading by a legal access: the trail says whether, the inbox what; both in one transaction, so nothing is read unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from server.audit import service as audit
from server.audit.models import LegalAccessRow
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.models import MessageRow
from server.inbox.views import ConversationFilter, ConversationView, Parts
from server.kit.errors import NotFound
from server.kit.pagination import MAX_PAGE, Page, PageArguments
from server.schema.context import ApiContext
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_PARTS = Parts(contact=True, page=True)


@dataclass(frozen=True, slots=True)
class _Opened:
    uow: UnitOfWork
    access: LegalAccessRow


async def check_subject(uow: UnitOfWork, unit_id: UUID, contact_id: UUID | None, conversation_id: UUID | None) -> None:
    """Raise NotFound unless what is named is of the unit itself. Needs legal:request there, also without inbox:read."""
    uow.scope.require(Permission.LEGAL_REQUEST, unit_id)
    # The same session: a second connection for each mutation could leave the pool waiting for itself.
    narrow = UnitOfWork(uow.session, audit.reading_scope(uow.scope, unit_id), uow.keys)
    if conversation_id is not None and not await inbox.conversations_by_id(narrow, [conversation_id]):
        raise NotFound(path=("conversationId",))
    if contact_id is not None:
        found = await contacts.contacts_by_id(narrow, [contact_id])
        if [row.unit_id for row in found] != [unit_id]:
            raise NotFound(path=("contactId",))


async def conversations(context: ApiContext, access_id: UUID) -> list[ConversationView]:
    """Return the conversations that an access names, newest first, at most 100; audited."""
    async with _opened(context, access_id, {"list": True}) as opened:
        return await _named(opened)


async def messages(
    context: ApiContext, access_id: UUID, conversation_id: UUID, arguments: PageArguments
) -> Page[MessageRow]:
    """Return messages of one of them; audited each time. Raises NotFound for a conversation that the access does not name."""
    async with _opened(context, access_id, {"conversation": str(conversation_id)}) as opened:
        if conversation_id not in {view.id for view in await _named(opened)}:
            raise NotFound(path=("conversationId",))
        return await inbox.messages(opened.uow, conversation_id, arguments)


async def _named(opened: _Opened) -> list[ConversationView]:
    row = opened.access
    if row.conversation_id is not None:
        return list((await inbox.conversations_by_id(opened.uow, [row.conversation_id], _PARTS)).values())
    wanted = ConversationFilter(contact_id=row.contact_id)
    return list((await inbox.list_conversations(opened.uow, PageArguments(first=MAX_PAGE), wanted, _PARTS)).items)


@asynccontextmanager
async def _opened(context: ApiContext, access_id: UUID, details: dict[str, object]) -> AsyncIterator[_Opened]:
    async with context.read() as uow:
        unit_id = (await audit.own_access(uow, access_id)).unit_id
    narrow = audit.reading_scope(context.scope, unit_id)
    async with context.write(narrow) as uow:
        row = await audit.use_access(uow, access_id, details)
        yield _Opened(uow, row)
