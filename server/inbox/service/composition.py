"""What a reply is made of: its words and everything besides them, checked against what the channel allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.inbox import errors
from server.inbox.models import ConversationRow
from server.inbox.repository import replies as repository
from server.inbox.repository.replies import Counterpart
from server.kit.errors import DomainError, InvalidInput, NotFound, PermissionDenied, Problems
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, text_length
from server.platforms.capabilities.catalogue import NoCapability
from server.platforms.port import Button, Channel, QuickReply
from server.sends import composing
from server.sends.composing import Extras, Piece, Placed
from server.sends.errors import NotOffered, PersonNeeded
from server.templates import service as templates
from server.templates.render import render
from server.tenants import hours
from server.tenants import service as tenants
from server.tenants.attributes import variables
from server.tenants.scope import ActorKind
from server.tenants.service.files import may_read
from server.tenants.uow import UnitOfWork

MAX_MEDIA = 50


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: `text`, or a template with values for its variables, or media; a text or a template, not both.

    `last_message_seen` is the newest message on the writer's screen. `human_agent` asks for the longer window that some
    platforms give to people. `reply_to` is a message of the conversation that the reply quotes.
    """

    last_message_seen: UUID
    text: str | None = None
    template_id: UUID | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    human_agent: bool = False
    media_ids: tuple[UUID, ...] = ()
    quick_replies: tuple[QuickReply, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: UUID | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """A reply that the channel takes."""

    text: str
    template_version_id: UUID | None
    human_agent: bool
    extras: Extras
    media: tuple[Placed, ...]


async def compose(uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, wanted: Reply) -> Composed:
    """Return the reply as it would be sent; raise everything that the channel would refuse, together."""
    capability = capability_of(counterpart.page.channel, await uow.now())
    text, version_id = await _words(uow, conversation, counterpart, wanted)
    extras = Extras(
        await _pieces(uow, wanted.media_ids),
        wanted.quick_replies,
        wanted.buttons,
        await _quoted(uow, conversation, wanted.reply_to),
    )
    problems = _problems(capability, text, extras)
    if wanted.human_agent:
        problems += _human_agent_problems(uow, capability, wanted)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)
    media = tuple(composing.placed(capability, extras.media))
    return Composed(text, version_id, wanted.human_agent, extras, media)


def capability_of(channel: Channel, now: datetime) -> Capability:
    """Return what a channel allows now; raise ChannelUnknown, or NotOffered where pages have no direct messages."""
    try:
        capability = catalogue.at(channel, now)
    except NoCapability as error:
        raise errors.ChannelUnknown(channel.value) from error
    if not capability.has_direct_messages:
        raise NotOffered((), "messages to one person")
    return capability


async def _words(
    uow: UnitOfWork, conversation: ConversationRow, counterpart: Counterpart, wanted: Reply
) -> tuple[str, UUID | None]:
    if wanted.text is not None and wanted.template_id is not None:
        raise InvalidInput("Give a text or a template, one of the two.", path=("text",))
    if wanted.template_id is not None:
        template = await templates.effective(uow, conversation.unit_id, wanted.template_id)
        values = _known_values(uow, counterpart, await uow.now()) | dict(wanted.values)
        return render(template.body, values), template.version_id
    if wanted.text is None and not wanted.media_ids:
        raise InvalidInput("Give a text or a template, one of the two.", path=("text",))
    text = wanted.text or ""
    return (text if text.strip() or not wanted.media_ids else ""), None


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


async def _pieces(uow: UnitOfWork, file_ids: Sequence[UUID]) -> tuple[Piece, ...]:
    if len(file_ids) > MAX_MEDIA:
        raise InvalidInput(f"Give at most {MAX_MEDIA} files.", path=("mediaIds",))
    if not file_ids:
        return ()
    files = await tenants.files_by_id(uow, file_ids)
    pieces: list[Piece] = []
    for number, file_id in enumerate(file_ids):
        row = files.get(file_id)
        if row is None or row.sha256 is None:
            raise NotFound(path=("mediaIds", str(number)))
        if not may_read(uow.scope, row):
            raise PermissionDenied(row.permission.value)
        pieces.append(Piece(row.id, row.name, row.media_type, row.size))
    return tuple(pieces)


async def _quoted(uow: UnitOfWork, conversation: ConversationRow, message_id: UUID | None) -> str | None:
    if message_id is None:
        return None
    row = await repository.message(uow.session, conversation, message_id)
    if row is None:
        raise NotFound(path=("replyToMessageId",))
    if row.platform_message_id is None:
        raise InvalidInput(
            "The platform has not named this message yet. Quote another one.", path=("replyToMessageId",)
        )
    return row.platform_message_id


def _problems(capability: Capability, text: str, extras: Extras) -> list[DomainError]:
    found: list[DomainError] = []
    if not text.strip() and not extras.media:
        found.append(errors.TextEmpty())
    length, limit = text_length(capability, text), composing.text_limit(capability, extras)
    if length > limit:
        found.append(errors.TextTooLong(length, limit, capability.text_unit.value))
    return found + composing.problems(capability, text, extras)


def _human_agent_problems(uow: UnitOfWork, capability: Capability, wanted: Reply) -> list[DomainError]:
    found: list[DomainError] = []
    if uow.scope.actor.kind is not ActorKind.MEMBER or wanted.template_id is not None:
        found.append(PersonNeeded())
    if capability.human_agent_window is None:
        found.append(NotOffered(("humanAgent",), "a longer window for people"))
    return found
