"""Replying: one person answers one contact, having seen what was said before."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.consent import service as consent
from server.consent.rules import Refusal
from server.inbox import errors
from server.inbox.models import ConversationRow, Direction, MessageRow, MessageState
from server.inbox.repository import inbound
from server.inbox.repository import replies as repository
from server.inbox.repository.inbound import NewMessage
from server.inbox.repository.replies import Counterpart
from server.inbox.rules import FOLLOW_UP_CAP, Content, stored_media
from server.inbox.service.composition import Composed, Reply, capability_of, compose
from server.inbox.service.groups import check_size
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.sends import service as sends
from server.sends.service import ReplySend
from server.tenants.errors import UnitArchived
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

_TICK = timedelta(milliseconds=1)


async def reply(uow: UnitOfWork, conversation_id: UUID, wanted: Reply) -> MessageRow:
    """Queue one reply and return its message. Needs inbox:reply on the conversation's unit.

    Raises ConversationMoved when somebody wrote since, FollowUpCapReached, WindowClosed, ReplyRefused, UnitArchived,
    GroupTooLarge, what `compose` says about the words and what comes with them, and templates about the template. The lock on the
    conversation lets one of two colleagues who saw the same message answer it; the other is told (D-26).
    """
    conversation = await repository.conversation(uow.session, uow.scope.organization_id, conversation_id, lock=True)
    if conversation is None:
        raise NotFound(path=("conversationId",))
    uow.scope.require_on(
        Permission.INBOX_REPLY, conversation.unit_id, "conversationId", read_with=Permission.INBOX_READ
    )
    newer = await repository.newer_message(uow.session, conversation, wanted.last_message_seen)
    if newer is not None:
        raise errors.ConversationMoved(newer)
    if await repository.unanswered(uow.session, conversation) >= FOLLOW_UP_CAP:
        raise errors.FollowUpCapReached(FOLLOW_UP_CAP)
    counterpart = await repository.counterpart(uow.session, conversation)
    if counterpart is None:
        raise NotFound(path=("conversationId",))
    if counterpart.unit_archived_at is not None:
        raise UnitArchived(path=("conversationId",))
    await check_size(uow, conversation, capability_of(counterpart.page.channel, await uow.now()))
    composed = await compose(uow, conversation, counterpart, wanted)
    await _check_window(uow, conversation, counterpart, wanted.human_agent)
    return await _queue(uow, conversation, counterpart, composed)


async def _check_window(
    uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, human_agent: bool
) -> None:
    refusal = await consent.may_reply(uow, counterpart.page, conversation.contact_id, human_agent)
    if refusal is None:
        return
    if refusal.code is Refusal.WINDOW_CLOSED:
        raise errors.WindowClosed(refusal.message, refusal.closes_at)
    raise errors.ReplyRefused(refusal.code.value, refusal.message)


async def _queue(
    uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, composed: Composed
) -> MessageRow:
    actor = uow.scope.actor
    author_id = actor.id if actor.kind is ActorKind.MEMBER else None
    message_id = new_id()
    send_id = await sends.enqueue_reply(
        uow, _send_of(conversation, counterpart, composed, author_id, f"reply:{message_id}")
    )
    message = NewMessage(
        id=message_id,
        direction=Direction.OUTBOUND,
        state=MessageState.QUEUED,
        content=Content(composed.text or None, stored_media(composed.media)),
        # A platform's clock may run ahead of ours; an answer never stands before what it answers.
        occurred_at=max(await uow.now(), conversation.last_message_at + _TICK),
        platform_message_id=None,
        reply_to_platform_id=composed.extras.reply_to,
        send_id=send_id,
        author_id=author_id,
        template_version_id=composed.template_version_id,
    )
    seq = await repository.take_place_for_reply(uow.session, conversation, message_id, message.occurred_at)
    row = await inbound.insert_message(
        uow.session, uow.scope.organization_id, counterpart.page, conversation.id, seq, message
    )
    await _trace(uow, row)
    uow.announce("inbox")
    return row


def _send_of(
    conversation: ConversationRow, counterpart: Counterpart, composed: Composed, author_id: UUID | None, key: str
) -> ReplySend:
    return ReplySend(
        page_id=conversation.page_id,
        unit_id=conversation.unit_id,
        contact_id=conversation.contact_id,
        recipient_external_id=counterpart.recipient_external_id,
        text=composed.text,
        author_id=author_id,
        dedupe_key=key,
        human_agent=composed.human_agent,
        thread_external_id=counterpart.thread_external_id,
        extras=composed.extras,
        media=composed.media,
    )


async def _trace(uow: UnitOfWork, row: MessageRow) -> None:
    details = {"conversation": str(row.conversation_id), "send": str(row.send_id)}
    if row.template_version_id is not None:
        details["templateVersion"] = str(row.template_version_id)
    await audit.record(uow, Action.MESSAGE_REPLY, row.id, details)
