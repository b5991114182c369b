"""Mutations about what a contact sees beside words: taking a message back, typing and read marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.inbox import service
from server.platforms.capabilities.capability import Unsend as UnsendEffect
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import SignalKind, Unsend
from server.schema.inbox.inputs import ConversationChange
from server.schema.inbox.types import Conversation, Message
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A message of the page that is to be taken back.")
class MessageUnsendInput:
    """What taking back needs."""

    message_id: strawberry.ID = strawberry.field(description="An outbound message that the platform has taken.")
    erase_here: bool = strawberry.field(
        default=True, description="Also empty our own copy, once the platform has confirmed. The trail stays."
    )


@strawberry.type(description="What was asked of the platform, or why nothing was.")
class MessageUnsendPayload:
    """Result of messageUnsend."""

    message: Message | None = strawberry.field(
        default=None,
        description="The message: `unsend` tells what the platform did, `isUnsent` what became of our copy.",
    )
    effect: Unsend | None = strawberry.field(
        default=None, description="What the platform does: DELETE_FOR_ME leaves the message with the contact."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed.", directives=USER_ERRORS
    )


@strawberry.input(description="A signal to a contact.")
class ConversationSignalInput:
    """Which signal in which conversation."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    signal: SignalKind = strawberry.field(description="What is shown; refused where the channel does not offer it.")


@strawberry.type(description="The conversation, or why nothing is shown.")
class ConversationSignalPayload(ConversationChange):
    """Result of conversationSignal."""


@strawberry.type
class TakingBackMutation:
    """Root fields about unsending and signals."""

    @mutation(
        Permission.INBOX_REPLY,
        MessageUnsendPayload,
        "Take a message of the page back, as far as its platform does that. Needs inbox:reply on the conversation's unit.",
    )
    async def message_unsend(
        self, info: Info, input: Annotated[MessageUnsendInput, strawberry.argument(description="The message.")]
    ) -> MessageUnsendPayload | None:
        """Take back."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            wanted = await service.unsend(
                uow, uid(Kind.MESSAGE, input.message_id, "messageId"), erases=input.erase_here
            )
            return {"message": gid(Kind.MESSAGE, wanted.message.id), "effect": wanted.effect.value}

        done = await perform(info, input, effect)
        return MessageUnsendPayload(
            message=await found(info.context, done["message"], Message), effect=UnsendEffect(str(done["effect"]))
        )

    @mutation(
        Permission.INBOX_REPLY,
        ConversationSignalPayload,
        "Show the contact that the page types or has read, once and without a promise. Needs inbox:reply on its unit.",
    )
    async def conversation_signal(
        self, info: Info, input: Annotated[ConversationSignalInput, strawberry.argument(description="The signal.")]
    ) -> ConversationSignalPayload | None:
        """Show a signal."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            conversation_id = uid(Kind.CONVERSATION, input.conversation_id, "conversationId")
            await service.signal(uow, conversation_id, input.signal)
            return {"conversation": gid(Kind.CONVERSATION, conversation_id)}

        done = await perform(info, input, effect)
        return ConversationSignalPayload(conversation=await found(info.context, done["conversation"], Conversation))
