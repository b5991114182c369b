"""Mutations of public comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.comments import service
from server.schema.comments.types import PublicComment
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="An answer to a public text.")
class PublicCommentReplyInput:
    """What a reply needs."""

    comment_id: strawberry.ID = strawberry.field(description="The public text.")
    text: str = strawberry.field(description="What to say. Nothing is cut: too long is refused.")
    is_private: bool = strawberry.field(
        default=False,
        description="Send it to the author alone: once per comment, and only until privateReplyUntil.",
    )


@strawberry.type(description="The answered text, or why it was not answered.")
class PublicCommentReplyPayload:
    """Result of publicCommentReply."""

    comment: PublicComment | None = strawberry.field(default=None, description="The text, with the reply queued.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was queued.", directives=USER_ERRORS
    )


@strawberry.input(description="Whether a public text needs something more of us.")
class PublicCommentSetHandledInput:
    """What setting it needs."""

    comment_id: strawberry.ID = strawberry.field(description="The public text.")
    is_handled: bool = strawberry.field(description="True: it needs nothing more.")


@strawberry.type(description="The text, or why nothing was changed.")
class PublicCommentSetHandledPayload:
    """Result of publicCommentSetHandled."""

    comment: PublicComment | None = strawberry.field(default=None, description="The text.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed.", directives=USER_ERRORS
    )


@strawberry.type
class CommentsMutation:
    """Root fields that answer the public."""

    @mutation(
        Permission.INBOX_REPLY,
        PublicCommentReplyPayload,
        "Queue a reply to a public text, below it or once in private. Needs inbox:reply on its unit.",
        needs_key=True,
    )
    async def public_comment_reply(
        self, info: Info, input: Annotated[PublicCommentReplyInput, strawberry.argument(description="The reply.")]
    ) -> PublicCommentReplyPayload | None:
        """Reply."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            comment_id = uid(Kind.PUBLIC_COMMENT, input.comment_id, "commentId")
            row = await service.reply(uow, comment_id, input.text, is_private=input.is_private)
            return {"comment": gid(Kind.PUBLIC_COMMENT, row.id)}

        done = await perform(info, input, effect)
        return PublicCommentReplyPayload(comment=await found(info.context, done["comment"], PublicComment))

    @mutation(
        Permission.INBOX_WORK,
        PublicCommentSetHandledPayload,
        "Say that a public text needs nothing more of us, or that it does. Needs inbox:work on its unit.",
    )
    async def public_comment_set_handled(
        self, info: Info, input: Annotated[PublicCommentSetHandledInput, strawberry.argument(description="Which one.")]
    ) -> PublicCommentSetHandledPayload | None:
        """Set it."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            comment_id = uid(Kind.PUBLIC_COMMENT, input.comment_id, "commentId")
            row = await service.set_handled(uow, comment_id, is_handled=input.is_handled)
            return {"comment": gid(Kind.PUBLIC_COMMENT, row.id)}

        done = await perform(info, input, effect)
        return PublicCommentSetHandledPayload(comment=await found(info.context, done["comment"], PublicComment))
