"""Taking messages of a page back, as far as its platform really does it; typing and read marks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels.service import PageRef
from server.inbox import errors
from server.inbox.jobs import ShowSignal, UnsendMessage
from server.inbox.models import ConversationRow, Direction, MessageRow, UnsendState
from server.inbox.repository import by_id, inbound
from server.inbox.repository import replies as repository
from server.inbox.rules import Change, ChangeKind, changed
from server.inbox.service import media
from server.inbox.service.composition import capability_of
from server.kit.errors import InvalidInput, NotFound
from server.platforms.capabilities.capability import Capability, Unsend
from server.platforms.port import Signal, SignalKind
from server.sends.errors import NotOffered
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Unsending:
    """A message that is to be taken back, at its page."""

    message: MessageRow
    page_id: UUID
    platform_message_id: str
    effect: Unsend


async def unsend(uow: UnitOfWork, message_id: UUID, *, erases: bool) -> Unsending:
    """Ask the platform to take a message of the page back, and say what that will do there. Needs inbox:reply on its unit.

    With `erases` our own copy is emptied as soon as the platform confirmed; that is ours alone and reported apart. Raises
    UnsendNotSupported where the platform offers pages nothing of the kind, and InvalidInput for a message that was not
    sent by the page or is not known to the platform yet. Repeating it asks once more only after a failure.
    """
    row = await _locked(uow, message_id)
    uow.scope.require_on(Permission.INBOX_REPLY, row.unit_id, "messageId", read_with=Permission.INBOX_READ)
    if row.direction is not Direction.OUTBOUND or row.platform_message_id is None:
        raise InvalidInput("Only a message that the page has sent can be taken back.", path=("messageId",))
    effect = (await _capability(uow, row)).unsend_by_page
    if effect is Unsend.NOT_SUPPORTED:
        raise errors.UnsendNotSupported
    if row.unsend not in {UnsendState.REQUESTED, UnsendState.DONE}:
        await inbound.set_values(uow.session, row, {"unsend": UnsendState.REQUESTED, "unsend_detail": None})
        await inbound.touch(uow.session, uow.scope.organization_id, [row.conversation_id])
        uow.defer(UnsendMessage(row.id, erases), key=str(row.id))
        details = {"conversation": str(row.conversation_id), "effect": effect.value, "erases": erases}
        await audit.record(uow, Action.MESSAGE_UNSEND, row.id, details)
        uow.announce("inbox")
    return Unsending(row, row.page_id, row.platform_message_id, effect)


async def unsending(uow: UnitOfWork, message_id: UUID) -> Unsending | None:
    """Return a message whose taking back is still asked for; None if it is settled or gone."""
    rows = await by_id.messages_by_id(uow.session, uow.scope.organization_id, [message_id])
    if not rows or rows[0].unsend is not UnsendState.REQUESTED or rows[0].platform_message_id is None:
        return None
    effect = (await _capability(uow, rows[0])).unsend_by_page
    return Unsending(rows[0], rows[0].page_id, rows[0].platform_message_id, effect)


async def end_unsending(uow: UnitOfWork, message_id: UUID, *, failure: str | None, erases: bool) -> None:
    """Write what the platform answered; our copy is emptied if it was asked for and the platform confirmed."""
    row = await _locked(uow, message_id)
    values: dict[str, object] = {
        "unsend": UnsendState.DONE if failure is None else UnsendState.FAILED,
        "unsend_detail": None if failure is None else failure[:500],
    }
    if failure is None and erases:
        content = changed(inbound.content_of(row), Change(ChangeKind.UNSEND, await uow.now()))
        values |= inbound.content_values(content)
        await media.drop_copies(uow, row.id)
    await inbound.set_values(uow.session, row, values)
    await inbound.touch(uow.session, uow.scope.organization_id, [row.conversation_id])
    uow.announce("inbox")


async def signal(uow: UnitOfWork, conversation_id: UUID, kind: SignalKind) -> ConversationRow:
    """Show the contact that the page types or has read, once and without a promise. Needs inbox:reply on its unit.

    Raises NotOffered where the channel has no such signal.
    """
    row = await repository.conversation(uow.session, uow.scope.organization_id, conversation_id)
    if row is None:
        raise NotFound(path=("conversationId",))
    uow.scope.require_on(Permission.INBOX_REPLY, row.unit_id, "conversationId", read_with=Permission.INBOX_READ)
    counterpart = await repository.counterpart(uow.session, row)
    if counterpart is None:
        raise NotFound(path=("conversationId",))
    capability = capability_of(counterpart.page.channel, await uow.now())
    is_offered = capability.offers_mark_read if kind is SignalKind.MARK_READ else capability.offers_typing
    if not is_offered:
        raise NotOffered(("signal",), "this signal")
    uow.defer(ShowSignal(row.page_id, row.contact_id, kind), key=f"{row.page_id}:{row.contact_id}:{kind.value}")
    await audit.record(uow, Action.CONVERSATION_SIGNAL, row.id, {"signal": kind.value})
    return row


async def signal_of(uow: UnitOfWork, job: ShowSignal) -> tuple[PageRef, Signal] | None:
    """Return what is to be shown at which page; None if the conversation is gone."""
    row = await repository.conversation_of(uow.session, uow.scope.organization_id, job.page_id, job.contact_id)
    counterpart = None if row is None else await repository.counterpart(uow.session, row)
    if counterpart is None:
        return None
    shown = Signal(counterpart.recipient_external_id, job.signal, counterpart.thread_external_id)
    return counterpart.page, shown


async def _locked(uow: UnitOfWork, message_id: UUID) -> MessageRow:
    """Return a message as it is now, whose conversation nobody else changes."""
    organization_id = uow.scope.organization_id
    found = await by_id.messages_by_id(uow.session, organization_id, [message_id])
    if found:
        conversation = await repository.conversation(uow.session, organization_id, found[0].conversation_id, lock=True)
        row = None if conversation is None else await repository.message(uow.session, conversation, message_id)
        if row is not None:
            return row
    raise NotFound(path=("messageId",))


async def _capability(uow: UnitOfWork, row: MessageRow) -> Capability:
    channel = await repository.channel_of(uow.session, row)
    if channel is None:
        raise NotFound(path=("messageId",))
    return capability_of(channel, await uow.now())
