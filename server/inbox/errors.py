"""What can be refused in the inbox."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from server.kit.errors import DomainError


class ConversationMoved(DomainError):
    """Somebody wrote since the caller looked: the contact, or a colleague. `data.lastMessageId` is what to read first."""

    code = "inbox.conversation_moved"

    def __init__(self, last_message_id: UUID) -> None:
        super().__init__(
            "There is a newer message than the one you saw. Read it, then send again with its id.",
            path=("lastMessageSeen",),
            data={"lastMessageId": str(last_message_id)},
        )


class ConversationChanged(DomainError):
    """The conversation was changed since the caller read it."""

    code = "inbox.conversation_changed"

    def __init__(self, revision: int) -> None:
        super().__init__(
            "Somebody changed this conversation since you read it. Read it again, then repeat.",
            path=("expectedRevision",),
            data={"revision": revision},
        )


class FollowUpCapReached(DomainError):
    """So many messages in a row went unanswered that only the contact can go on."""

    code = "inbox.follow_up_cap_reached"

    def __init__(self, cap: int) -> None:
        super().__init__(
            f"{cap} messages in a row are unanswered. Wait until the contact writes again.", data={"cap": cap}
        )


class TextEmpty(DomainError):
    """There is nothing to send."""

    code = "inbox.text_empty"

    def __init__(self) -> None:
        super().__init__("The text is empty. Write at least one visible character.", path=("text",))


class TextTooLong(DomainError):
    """The text is longer than the channel allows. It is never cut; the writer shortens it."""

    code = "inbox.text_too_long"

    def __init__(self, length: int, limit: int, unit: str) -> None:
        super().__init__(
            f"The text has {length} {unit.lower()}, this channel allows {limit}. Shorten it.",
            path=("text",),
            data={"length": length, "limit": limit, "unit": unit},
        )


class WindowClosed(DomainError):
    """The time in which the page may write freely to this contact is over, or never began."""

    code = "inbox.window_closed"

    def __init__(self, message: str, closed_at: datetime | None) -> None:
        data = {"closedAt": None if closed_at is None else closed_at.isoformat(), "reopensWhen": "CONTACT_WRITES"}
        super().__init__(message, data=data)


class ReplyRefused(DomainError):
    """The contact may not be written to. `data.reason` is the rule that says so."""

    code = "inbox.reply_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, data={"reason": reason})


class GroupTooLarge(DomainError):
    """More people are in the group than the channel lets a page write to."""

    code = "inbox.group_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"{size} people are in this group, this channel allows {limit}. Write to them one by one.",
            path=("conversationId",),
            data={"size": size, "limit": limit},
        )


class ChannelUnknown(DomainError):
    """Nothing is known about what this channel allows, so nothing is sent on it."""

    code = "inbox.channel_unknown"

    def __init__(self, channel: str) -> None:
        super().__init__(
            f"Replies on {channel} are not supported yet. Answer in the channel's own application.",
            data={"channel": channel},
        )


class UnsendNotSupported(DomainError):
    """The platform lets pages take nothing back. Nothing was changed, here or there."""

    code = "inbox.unsend_not_supported"

    def __init__(self) -> None:
        super().__init__(
            "This channel does not let a page take a message back. The contact keeps it.",
            path=("messageId",),
            data={"effect": "NOT_SUPPORTED"},
        )


class CategoryMissing(DomainError):
    """A conversation is resolved only after somebody said what it was about (S2-14)."""

    code = "inbox.category_missing"

    def __init__(self) -> None:
        super().__init__("Set a category first; a conversation without one cannot be resolved.", path=("status",))


class AssigneeOutOfReach(DomainError):
    """The member cannot work on the conversation: no role at its unit that works the inbox, or deactivated."""

    code = "inbox.assignee_out_of_reach"

    def __init__(self) -> None:
        super().__init__(
            "This member may not work on conversations of this unit. Choose another, or grant a role there first.",
            path=("assigneeId",),
        )


class LabelOutOfReach(DomainError):
    """The label belongs neither to the conversation's unit nor to one above it."""

    code = "inbox.label_out_of_reach"

    def __init__(self) -> None:
        super().__init__(
            "This label is not offered at the conversation's unit. Choose one of the unit or of a unit above it.",
            path=("labelId",),
        )
