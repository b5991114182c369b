"""What can be refused about public comments."""

from __future__ import annotations

from server.kit.errors import DomainError


class ReplyNotOffered(DomainError):
    """The network has no such reply, or none to this kind of text."""

    code = "comment.reply_not_offered"

    def __init__(self, *, is_private: bool) -> None:
        kind = "private" if is_private else "public"
        super().__init__(f"This network offers no {kind} reply to this.", path=("isPrivate",))


class CommentGone(DomainError):
    """The text was removed on the platform, or it is our own."""

    code = "comment.gone"

    def __init__(self) -> None:
        super().__init__(
            "There is nothing to answer: the text was removed, or it is the page's own.", path=("commentId",)
        )


class PrivateReplyUsed(DomainError):
    """A comment gets at most one private reply (platforms.md 2.4)."""

    code = "comment.private_reply_used"

    def __init__(self) -> None:
        super().__init__(
            "This comment has had its one private reply. Go on in the conversation once the person answers.",
            path=("commentId",),
        )


class PrivateReplyTooLate(DomainError):
    """The time for a private reply to this comment is over."""

    code = "comment.private_reply_too_late"

    def __init__(self) -> None:
        super().__init__("It is too late for a private reply to this comment. Reply publicly.", path=("commentId",))


class AuthorUnknown(DomainError):
    """The platform does not tell who wrote it, so nobody can be written to in private."""

    code = "comment.author_unknown"

    def __init__(self) -> None:
        super().__init__("The network does not tell who wrote this. Reply publicly.", path=("isPrivate",))


class ReplyEmpty(DomainError):
    """A reply has words."""

    code = "comment.reply_empty"

    def __init__(self) -> None:
        super().__init__("Write something.", path=("text",))


class ReplyTooLong(DomainError):
    """The reply is longer than the network takes; nothing is cut."""

    code = "comment.reply_too_long"

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"The reply has a length of {length}; at most {limit} fit here.",
            path=("text",),
            data={"length": length, "limit": limit},
        )
