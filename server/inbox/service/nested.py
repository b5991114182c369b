"""What hangs on conversations, for many of them at once: messages, notes, and who owned them.

One statement says which of the conversations may be read, and one reads the lists of all that are asked with the same
arguments. Reading the list of a single conversation is the same with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from server.inbox.models import AssignmentRow, MessageRow, NoteRow
from server.inbox.repository import nested as repository
from server.kit.errors import DomainError, NotFound
from server.kit.nested import Listing, Nested, the
from server.kit.pagination import DEFAULT_PAGE, MAX_PAGE, Keyset, Page, PageArguments, SortKey
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MAX_HISTORY = MAX_PAGE


def _newest(arguments: PageArguments) -> PageArguments:
    if arguments.first is None and arguments.last is None and arguments.after is None:
        return replace(arguments, last=DEFAULT_PAGE)
    return arguments


_MESSAGES: Nested[MessageRow] = Nested(
    keyset=lambda conversation_id: Keyset(
        (SortKey(MessageRow.occurred_at, datetime), SortKey(MessageRow.id, UUID)), ["messages", conversation_id]
    ),
    values=lambda message: (message.occurred_at, message.id),
    meant=_newest,
)
_NOTES: Nested[NoteRow] = Nested(
    keyset=lambda conversation_id: Keyset((SortKey(NoteRow.id, UUID),), ["notes", conversation_id]),
    values=lambda note: (note.id,),
    meant=_newest,
)
_ASSIGNMENTS: Nested[AssignmentRow] = Nested(
    keyset=lambda conversation_id: Keyset(
        (SortKey(AssignmentRow.id, UUID, descending=True),), ["assignments", conversation_id]
    ),
    values=lambda entry: (entry.id,),
)


async def messages_of(uow: UnitOfWork, wanted: Sequence[Listing]) -> Mapping[Listing, Page[MessageRow] | DomainError]:
    """List the messages of conversations by the platform's time, oldest first; without arguments the newest ones.

    For a conversation that may not be read, and for arguments that do not fit it: why. Needs inbox:read on its unit.
    """
    fetch = partial(repository.messages_of, uow.session, uow.scope.organization_id)
    return await _MESSAGES.pages(wanted, fetch, await _refused(uow, (parent for parent, _ in wanted)))


async def messages(uow: UnitOfWork, conversation_id: UUID, arguments: PageArguments) -> Page[MessageRow]:
    """List the messages of one conversation by the platform's time, oldest first; without arguments the newest ones."""
    listing = (conversation_id, arguments)
    return the(await messages_of(uow, [listing]), listing)


async def notes_of(uow: UnitOfWork, wanted: Sequence[Listing]) -> Mapping[Listing, Page[NoteRow] | DomainError]:
    """List the internal remarks on conversations, oldest first; without arguments the newest ones.

    For a conversation that may not be read, and for arguments that do not fit it: why. Needs inbox:read on its unit.
    """
    fetch = partial(repository.notes_of, uow.session, uow.scope.organization_id)
    return await _NOTES.pages(wanted, fetch, await _refused(uow, (parent for parent, _ in wanted)))


async def notes(uow: UnitOfWork, conversation_id: UUID, arguments: PageArguments) -> Page[NoteRow]:
    """List the internal remarks on one conversation, oldest first; without arguments the newest ones."""
    listing = (conversation_id, arguments)
    return the(await notes_of(uow, [listing]), listing)


async def assignments_of(
    uow: UnitOfWork, conversation_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[AssignmentRow] | DomainError]:
    """Return the history of owners of conversations, newest first, at most 100 entries each. Needs inbox:read.

    For a conversation that may not be read: why.
    """
    newest = PageArguments(first=MAX_HISTORY)
    fetch = partial(repository.assignments_of, uow.session, uow.scope.organization_id)
    refused = await _refused(uow, conversation_ids)
    found = await _ASSIGNMENTS.pages([(one, newest) for one in conversation_ids], fetch, refused)
    return {one: page if isinstance(page, DomainError) else page.items for (one, _), page in found.items()}


async def assignments(uow: UnitOfWork, conversation_id: UUID) -> Sequence[AssignmentRow]:
    """Return the history of owners of one conversation, newest first, at most 100 entries. Needs inbox:read."""
    return the(await assignments_of(uow, [conversation_id]), conversation_id)


async def _refused(uow: UnitOfWork, conversation_ids: Iterable[UUID]) -> dict[UUID, DomainError]:
    """Return those of the conversations that may not be read, each with the reason."""
    ids = set(conversation_ids)
    units = await repository.units_of(uow.session, uow.scope.organization_id, ids)
    refused: dict[UUID, DomainError] = {}
    for one in ids:
        if one not in units or not uow.scope.shows(Permission.INBOX_READ, units[one]):
            refused[one] = NotFound()
    return refused
