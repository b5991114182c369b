"""Daily work on conversations: owners, states, categories, notes, labels. All need inbox:work on the conversation's unit."""

from __future__ import annotations

from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.contacts import service as contacts
from server.inbox import errors
from server.inbox.models import Category, ConversationRow, ConversationStatus, Folder, NoteRow
from server.inbox.repository import replies as rows
from server.inbox.repository import work as repository
from server.inbox.rules import MAX_NOTE
from server.kit.errors import InvalidInput, NotFound
from server.tenants.rules import ROLE_PERMISSIONS, Permission
from server.tenants.uow import UnitOfWork

_WORKING_ROLES = [role for role, held in ROLE_PERMISSIONS.items() if Permission.INBOX_WORK in held]


async def assign(
    uow: UnitOfWork, conversation_id: UUID, assignee_id: UUID | None, *, expected_revision: int | None = None
) -> ConversationRow:
    """Give the conversation to a member who works at its unit, or to nobody; kept in its history and audited.

    Raises AssigneeOutOfReach, NotFound for a member of somebody else, and ConversationChanged for an older revision.
    Giving it to whom it belongs changes nothing.
    """
    row = await _locked(uow, conversation_id, expected_revision)
    if assignee_id is not None:
        await _check_assignee(uow, row, assignee_id)
    if row.assignee_id == assignee_id:
        return row
    await _change(uow, row, assignee_id=assignee_id)
    await repository.insert_assignment(uow.session, row, assignee_id, uow.scope.actor.id)
    assignee = None if assignee_id is None else str(assignee_id)
    await audit.record(uow, Action.CONVERSATION_ASSIGN, row.id, {"assignee": assignee})
    return row


async def _check_assignee(uow: UnitOfWork, row: ConversationRow, assignee_id: UUID) -> None:
    if not await repository.has_member(uow.session, row.organization_id, assignee_id):
        raise NotFound(path=("assigneeId",))
    if not await repository.is_worker_at(uow.session, row.organization_id, assignee_id, row.unit_id, _WORKING_ROLES):
        raise errors.AssigneeOutOfReach


async def set_status(
    uow: UnitOfWork, conversation_id: UUID, status: ConversationStatus, *, expected_revision: int | None = None
) -> ConversationRow:
    """Say where our work stands; raises CategoryMissing for RESOLVED without a category, and ConversationChanged."""
    row = await _locked(uow, conversation_id, expected_revision)
    if status is ConversationStatus.RESOLVED and row.category is None:
        raise errors.CategoryMissing
    if row.status is not status:
        await _change(uow, row, status=status)
        await audit.record(uow, Action.CONVERSATION_STATUS, row.id, {"status": status.value})
    return row


async def set_category(
    uow: UnitOfWork, conversation_id: UUID, category: Category, *, expected_revision: int | None = None
) -> ConversationRow:
    """Say what the conversation is about; raises ConversationChanged."""
    row = await _locked(uow, conversation_id, expected_revision)
    if row.category is not category:
        await _change(uow, row, category=category)
        await audit.record(uow, Action.CONVERSATION_CATEGORY, row.id, {"category": category.value})
    return row


async def move_to_folder(
    uow: UnitOfWork, conversation_id: UUID, folder: Folder, *, expected_revision: int | None = None
) -> ConversationRow:
    """Decide on a stranger's request (S2-03): PRIMARY accepts it, SPAM puts it away; either can be changed later.

    A request that nobody decides on stays one. Raises InvalidInput for REQUEST, which only the platform says, and
    ConversationChanged.
    """
    if folder is Folder.REQUEST:
        raise InvalidInput("Only the platform makes a conversation a request. Use PRIMARY or SPAM.", path=("folder",))
    row = await _locked(uow, conversation_id, expected_revision)
    if row.folder is not folder:
        before = row.folder
        await _change(uow, row, folder=folder)
        details = {"folder": folder.value, "before": before.value}
        await audit.record(uow, Action.CONVERSATION_FOLDER, row.id, details)
    return row


async def add_note(uow: UnitOfWork, conversation_id: UUID, text: str) -> NoteRow:
    """Add an internal remark, which is never sent to anybody."""
    row = await _locked(uow, conversation_id, None)
    if not text.strip() or len(text) > MAX_NOTE:
        raise InvalidInput(f"A note has 1 to {MAX_NOTE} characters.", path=("text",))
    note = await repository.insert_note(uow.session, row, uow.scope.actor.id, text)
    await _change(uow, row)
    await audit.record(uow, Action.NOTE_CREATE, note.id, {"conversation": str(row.id)})
    return note


async def mark_read(uow: UnitOfWork, conversation_id: UUID) -> ConversationRow:
    """Set the number of unread messages to none. The trail keeps who saw new messages first and when (S2-42)."""
    row = await _locked(uow, conversation_id, None)
    if row.unread_count:
        unread = row.unread_count
        await _change(uow, row, unread_count=0)
        details = {"lastMessage": str(row.last_message_id), "unread": unread}
        await audit.record(uow, Action.CONVERSATION_READ, row.id, details)
    return row


async def label(uow: UnitOfWork, conversation_id: UUID, label_id: UUID) -> ConversationRow:
    """Put a label of the conversation's unit, or of one above it, on the conversation; raises LabelOutOfReach."""
    row = await _locked(uow, conversation_id, None)
    found = await contacts.labels_by_id(uow, [label_id])
    if not found:
        raise NotFound(path=("labelId",))
    if not await repository.is_at_or_above(uow.session, row.organization_id, found[0].unit_id, row.unit_id):
        raise errors.LabelOutOfReach
    if await repository.insert_label(uow.session, row, label_id):
        await _change(uow, row)
        await audit.record(uow, Action.CONVERSATION_LABEL, row.id, {"label": str(label_id)})
    return row


async def unlabel(uow: UnitOfWork, conversation_id: UUID, label_id: UUID) -> ConversationRow:
    """Take a label off the conversation; does nothing if it is not there."""
    row = await _locked(uow, conversation_id, None)
    if await repository.delete_label(uow.session, row, label_id):
        await _change(uow, row)
        await audit.record(uow, Action.CONVERSATION_UNLABEL, row.id, {"label": str(label_id)})
    return row


async def _locked(uow: UnitOfWork, conversation_id: UUID, expected_revision: int | None) -> ConversationRow:
    row = await rows.conversation(uow.session, uow.scope.organization_id, conversation_id, lock=True)
    if row is None:
        raise NotFound(path=("conversationId",))
    uow.scope.require_on(Permission.INBOX_WORK, row.unit_id, "conversationId", read_with=Permission.INBOX_READ)
    if expected_revision is not None and expected_revision != row.revision:
        raise errors.ConversationChanged(row.revision)
    return row


async def _change(uow: UnitOfWork, row: ConversationRow, **values: object) -> None:
    await repository.change(uow.session, row, values)
    uow.announce("inbox")
