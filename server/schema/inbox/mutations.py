"""Mutations of the inbox: replying, and the daily work on conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from uuid import UUID

import strawberry

from server.inbox import service
from server.inbox.errors import ConversationMoved
from server.inbox.service import Reply
from server.kit.errors import InvalidInput
from server.platforms.port import Button, QuickReply
from server.schema.context import Info
from server.schema.inbox.inputs import (
    ConversationAssignInput,
    ConversationAssignPayload,
    ConversationFolderChangeInput,
    ConversationFolderChangePayload,
    ConversationLabelInput,
    ConversationLabelPayload,
    ConversationMarkReadInput,
    ConversationMarkReadPayload,
    ConversationReplyInput,
    ConversationReplyPayload,
    ConversationSetCategoryInput,
    ConversationSetCategoryPayload,
    ConversationSetStatusInput,
    ConversationSetStatusPayload,
    ConversationUnlabelInput,
    ConversationUnlabelPayload,
    NoteCreateInput,
    NoteCreatePayload,
)
from server.schema.inbox.types import Conversation, Message, Note
from server.schema.nodes import Kind, found, gid, uid, uid_or_none
from server.schema.results import mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MAX_VALUES = 100
MAX_PARTS = 50
_WORK = "Needs inbox:work on the conversation's unit."


@strawberry.type
class InboxMutation:
    """Root fields that work on conversations."""

    @mutation(
        Permission.INBOX_REPLY,
        ConversationReplyPayload,
        "Queue a reply to the contact. Needs inbox:reply on the conversation's unit.",
        needs_key=True,
    )
    async def conversation_reply(
        self, info: Info, input: Annotated[ConversationReplyInput, strawberry.argument(description="The reply.")]
    ) -> ConversationReplyPayload | None:
        """Reply."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            conversation_id = uid(Kind.CONVERSATION, input.conversation_id, "conversationId")
            try:
                row = await service.reply(uow, conversation_id, _reply(input))
            except ConversationMoved as moved:
                raise _named(moved) from None
            return {"conversation": gid(Kind.CONVERSATION, row.conversation_id), "message": gid(Kind.MESSAGE, row.id)}

        done = await perform(info, input, effect)
        return ConversationReplyPayload(
            conversation=await found(info.context, done["conversation"], Conversation),
            message=await found(info.context, done["message"], Message),
        )

    @mutation(
        Permission.INBOX_WORK,
        ConversationAssignPayload,
        f"Give a conversation to a member, or to nobody. {_WORK}",
    )
    async def conversation_assign(
        self, info: Info, input: Annotated[ConversationAssignInput, strawberry.argument(description="The owner.")]
    ) -> ConversationAssignPayload | None:
        """Assign."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            assignee_id = uid_or_none(Kind.MEMBER, input.assignee_id, "assigneeId")
            return await service.assign(uow, conversation_id, assignee_id, expected_revision=input.expected_revision)

        return ConversationAssignPayload(conversation=await _worked(info, input, work))

    @mutation(
        Permission.INBOX_WORK,
        ConversationSetStatusPayload,
        f"Say where our work on a conversation stands. {_WORK}",
    )
    async def conversation_set_status(
        self, info: Info, input: Annotated[ConversationSetStatusInput, strawberry.argument(description="The status.")]
    ) -> ConversationSetStatusPayload | None:
        """Set the status."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            return await service.set_status(
                uow, conversation_id, input.status, expected_revision=input.expected_revision
            )

        return ConversationSetStatusPayload(conversation=await _worked(info, input, work))

    @mutation(
        Permission.INBOX_WORK,
        ConversationSetCategoryPayload,
        f"Say what a conversation is about. {_WORK}",
    )
    async def conversation_set_category(
        self,
        info: Info,
        input: Annotated[ConversationSetCategoryInput, strawberry.argument(description="The category.")],
    ) -> ConversationSetCategoryPayload | None:
        """Set the category."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            return await service.set_category(
                uow, conversation_id, input.category, expected_revision=input.expected_revision
            )

        return ConversationSetCategoryPayload(conversation=await _worked(info, input, work))

    @mutation(
        Permission.INBOX_WORK,
        ConversationFolderChangePayload,
        f"Accept a stranger's request, or put a conversation away as spam; a request left alone stays one. {_WORK}",
    )
    async def conversation_folder_change(
        self,
        info: Info,
        input: Annotated[ConversationFolderChangeInput, strawberry.argument(description="The folder.")],
    ) -> ConversationFolderChangePayload | None:
        """Change the folder."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            return await service.move_to_folder(
                uow, conversation_id, input.folder, expected_revision=input.expected_revision
            )

        return ConversationFolderChangePayload(conversation=await _worked(info, input, work))

    @mutation(
        Permission.INBOX_WORK,
        ConversationMarkReadPayload,
        f"Set the number of unread messages to none; the audit trail keeps who saw them first. {_WORK}",
    )
    async def conversation_mark_read(
        self, info: Info, input: Annotated[ConversationMarkReadInput, strawberry.argument(description="Which one.")]
    ) -> ConversationMarkReadPayload | None:
        """Mark as read."""
        return ConversationMarkReadPayload(conversation=await _worked(info, input, service.mark_read))

    @mutation(
        Permission.INBOX_WORK,
        ConversationLabelPayload,
        f"Put a label on a conversation; repeating it changes nothing. {_WORK}",
    )
    async def conversation_label(
        self, info: Info, input: Annotated[ConversationLabelInput, strawberry.argument(description="The label.")]
    ) -> ConversationLabelPayload | None:
        """Label."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            return await service.label(uow, conversation_id, uid(Kind.LABEL, input.label_id, "labelId"))

        return ConversationLabelPayload(conversation=await _worked(info, input, work))

    @mutation(
        Permission.INBOX_WORK,
        ConversationUnlabelPayload,
        f"Take a label off a conversation; repeating it changes nothing. {_WORK}",
    )
    async def conversation_unlabel(
        self, info: Info, input: Annotated[ConversationUnlabelInput, strawberry.argument(description="The label.")]
    ) -> ConversationUnlabelPayload | None:
        """Unlabel."""

        async def work(uow: UnitOfWork, conversation_id: UUID) -> object:
            return await service.unlabel(uow, conversation_id, uid(Kind.LABEL, input.label_id, "labelId"))

        return ConversationUnlabelPayload(conversation=await _worked(info, input, work))

    @mutation(Permission.INBOX_WORK, NoteCreatePayload, f"Add an internal remark to a conversation. {_WORK}")
    async def note_create(
        self, info: Info, input: Annotated[NoteCreateInput, strawberry.argument(description="The remark.")]
    ) -> NoteCreatePayload | None:
        """Add a note."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            conversation_id = uid(Kind.CONVERSATION, input.conversation_id, "conversationId")
            row = await service.add_note(uow, conversation_id, input.text)
            return {"conversation": gid(Kind.CONVERSATION, conversation_id), "note": gid(Kind.NOTE, row.id)}

        done = await perform(info, input, effect)
        return NoteCreatePayload(
            conversation=await found(info.context, done["conversation"], Conversation),
            note=await found(info.context, done["note"], Note),
        )


_Input = (
    ConversationAssignInput
    | ConversationSetStatusInput
    | ConversationSetCategoryInput
    | ConversationFolderChangeInput
    | ConversationMarkReadInput
    | ConversationLabelInput
    | ConversationUnlabelInput
)


async def _worked(
    info: Info, input: _Input, work: Callable[[UnitOfWork, UUID], Awaitable[object]]
) -> Conversation | None:
    """Do one piece of work on the conversation that the input names, and show it again."""

    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        conversation_id = uid(Kind.CONVERSATION, input.conversation_id, "conversationId")
        await work(uow, conversation_id)
        return {"conversation": gid(Kind.CONVERSATION, conversation_id)}

    done = await perform(info, input, effect)
    return await found(info.context, done["conversation"], Conversation)


def _reply(input: ConversationReplyInput) -> Reply:
    if len(input.variables) > MAX_VALUES:
        raise InvalidInput(f"Give at most {MAX_VALUES} values.", path=("variables",))
    for name, given in (
        ("quickReplies", input.quick_replies),
        ("buttons", input.buttons),
        ("mediaIds", input.media_ids),
    ):
        if len(given) > MAX_PARTS:
            raise InvalidInput(f"Give at most {MAX_PARTS}.", path=(name,))
    return Reply(
        last_message_seen=uid(Kind.MESSAGE, input.last_message_seen_id, "lastMessageSeenId"),
        text=input.text,
        template_id=uid_or_none(Kind.TEMPLATE, input.template_id, "templateId"),
        values={one.name: one.value for one in input.variables},
        human_agent=input.human_agent,
        media_ids=tuple(uid(Kind.FILE, one, "mediaIds", str(number)) for number, one in enumerate(input.media_ids)),
        quick_replies=tuple(QuickReply(one.title, one.payload) for one in input.quick_replies),
        buttons=tuple(Button(one.title, one.payload or "", one.url) for one in input.buttons),
        reply_to=uid_or_none(Kind.MESSAGE, input.reply_to_message_id, "replyToMessageId"),
    )


def _named(moved: ConversationMoved) -> ConversationMoved:
    """Name input and message as this API does: the slice knows neither the input's name nor global ids."""
    moved.path = ("lastMessageSeenId",)
    moved.data = {"lastMessageId": gid(Kind.MESSAGE, UUID(str(moved.data["lastMessageId"])))}
    return moved
