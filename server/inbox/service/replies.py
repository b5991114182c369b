"""Replying: one person answers one contact, having seen what was said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from server.inbox.rules import FOLLOW_UP_CAP, Content
from server.kit.errors import InvalidInput, NotFound
from server.kit.ids import new_id
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import text_length
from server.platforms.capabilities.catalogue import NoCapability
from server.platforms.port import Channel
from server.sends import service as sends
from server.sends.service import ReplySend
from server.templates import service as templates
from server.templates.render import render
from server.tenants import hours
from server.tenants.attributes import variables
from server.tenants.errors import UnitArchived
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: `text`, or a template with values for its variables; one of the two.

    `last_message_seen` is the newest message on the writer's screen. `human_agent` asks for the longer window that some
    platforms give to people.
    """

    last_message_seen: UUID
    text: str | None = None
    template_id: UUID | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    human_agent: bool = False


@dataclass(frozen=True, slots=True)
class _Wording:
    text: str
    template_version_id: UUID | None


async def reply(uow: UnitOfWork, conversation_id: UUID, wanted: Reply) -> MessageRow:
    """Queue one reply and return its message. Needs inbox:reply on the conversation's unit.

    Raises ConversationMoved when somebody wrote since, FollowUpCapReached, TextEmpty, TextTooLong, WindowClosed,
    ReplyRefused, ChannelUnknown, UnitArchived, and what templates say about the template and its values. The lock on
    the conversation lets one of two colleagues who saw the same message answer it; the other is told (D-26).
    """
    conversation = await repository.conversation(uow.session, uow.scope.organization_id, conversation_id, lock=True)
    if conversation is None:
        raise NotFound(path=("conversationId",))
    uow.scope.require(Permission.INBOX_REPLY, conversation.unit_id)
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
    wording = await _wording(uow, conversation, counterpart, wanted)
    _check_length(wording.text, counterpart.page.channel, await uow.now())
    await _check_window(uow, conversation, counterpart, wanted.human_agent)
    return await _queue(uow, conversation, counterpart, wording, wanted.human_agent)


async def _wording(uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, wanted: Reply) -> _Wording:
    if (wanted.text is None) == (wanted.template_id is None):
        raise InvalidInput("Give a text or a template, one of the two.", path=("text",))
    if wanted.text is not None:
        return _Wording(wanted.text, None)
    if wanted.template_id is None:
        raise InvalidInput("Give a text or a template, one of the two.", path=("templateId",))
    template = await templates.effective(uow, conversation.unit_id, wanted.template_id)
    values = _known_values(uow, counterpart, await uow.now()) | dict(wanted.values)
    return _Wording(render(template.body, values), template.version_id)


def _known_values(uow: UnitOfWork, counterpart: Counterpart, now: datetime) -> dict[str, str | None]:
    attributes = {f"unit.{name}": value for name, value in variables(counterpart.unit_attributes).items()}
    return {
        **attributes,
        "unit.opening_hours_today": hours.today(counterpart.unit_attributes, now),
        "contact.name": counterpart.contact_name,
        "contact.first_name": counterpart.contact_first_name,
        "page.name": counterpart.page.name,
        "unit.name": counterpart.unit_name,
        "agent.name": uow.scope.actor.name,
    }


def _check_length(text: str, channel: Channel, now: datetime) -> None:
    try:
        capability = catalogue.at(channel, now)
    except NoCapability as error:
        raise errors.ChannelUnknown(channel.value) from error
    if not text.strip():
        raise errors.TextEmpty
    length = text_length(capability, text)
    if length > capability.text_limit:
        raise errors.TextTooLong(length, capability.text_limit, capability.text_unit.value)


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
    uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, wording: _Wording, human_agent: bool
) -> MessageRow:
    actor = uow.scope.actor
    author_id = actor.id if actor.kind is ActorKind.MEMBER else None
    message_id = new_id()
    send_id = await sends.enqueue_reply(
        uow,
        ReplySend(
            page_id=conversation.page_id,
            unit_id=conversation.unit_id,
            contact_id=conversation.contact_id,
            recipient_external_id=counterpart.recipient_external_id,
            text=wording.text,
            author_id=author_id,
            dedupe_key=f"reply:{message_id}",
            human_agent=human_agent,
        ),
    )
    message = NewMessage(
        id=message_id,
        direction=Direction.OUTBOUND,
        state=MessageState.QUEUED,
        content=Content(wording.text),
        # A platform's clock may run ahead of ours; an answer never stands before what it answers.
        occurred_at=max(await uow.now(), conversation.last_message_at + _TICK),
        platform_message_id=None,
        send_id=send_id,
        author_id=author_id,
        template_version_id=wording.template_version_id,
    )
    seq = await repository.take_place_for_reply(uow.session, conversation, message_id, message.occurred_at)
    row = await inbound.insert_message(
        uow.session, uow.scope.organization_id, counterpart.page, conversation.id, seq, message
    )
    await _trace(uow, row)
    uow.announce("inbox")
    return row


async def _trace(uow: UnitOfWork, row: MessageRow) -> None:
    details = {"conversation": str(row.conversation_id), "send": str(row.send_id)}
    if row.template_version_id is not None:
        details["templateVersion"] = str(row.template_version_id)
    await audit.record(uow, Action.MESSAGE_REPLY, row.id, details)
