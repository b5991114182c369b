"""What can be refused about sends."""

from __future__ import annotations

from collections.abc import Sequence

from server.kit.errors import DomainError


class NotOpen(DomainError):
    """The send is not waiting for a person's decision (any more)."""

    code = "send.not_open"


class TextRefused(DomainError):
    """The channel takes no words in this message."""

    code = "send.text_refused"

    def __init__(self) -> None:
        super().__init__(
            "This channel takes words and media only in messages of their own. Send the text apart.", path=("text",)
        )


class MediaRefused(DomainError):
    """The channel does not take this kind or type of media."""

    code = "send.media_refused"

    def __init__(self, path: tuple[str, ...], mime_type: str, taken: Sequence[str]) -> None:
        known = ", ".join(taken) or "no media at all"
        super().__init__(
            f"{mime_type} cannot be sent on this channel. It takes {known}.",
            path=path,
            data={"mimeType": mime_type, "taken": list(taken)},
        )


class MediaTooLarge(DomainError):
    """The file is larger than the channel takes."""

    code = "send.media_too_large"

    def __init__(self, path: tuple[str, ...], size: int, limit: int) -> None:
        super().__init__(
            f"The file has {size} bytes, this channel takes {limit}. Send a smaller one.",
            path=path,
            data={"size": size, "limit": limit},
        )


class TooMuchMedia(DomainError):
    """One message does not carry so much media, or not of different kinds."""

    code = "send.too_much_media"

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"One message of this channel carries {limit} of this media, all of one kind; there are {count}.",
            path=("mediaIds",),
            data={"count": count, "limit": limit},
        )


class NotOffered(DomainError):
    """The channel does not have this at all."""

    code = "send.not_offered"

    def __init__(self, path: tuple[str, ...], what: str) -> None:
        super().__init__(f"This channel does not offer {what}. Leave it out.", path=path, data={"what": what})


class TooManyChoices(DomainError):
    """There are more quick replies or buttons than the channel shows."""

    code = "send.too_many_choices"

    def __init__(self, path: tuple[str, ...], count: int, limit: int) -> None:
        super().__init__(
            f"There are {count}, this channel shows {limit}.", path=path, data={"count": count, "limit": limit}
        )


class ChoiceRefused(DomainError):
    """A quick reply or button lacks a title, or has one that is longer than the channel shows."""

    code = "send.choice_refused"

    def __init__(self, path: tuple[str, ...], length: int, limit: int) -> None:
        super().__init__(
            f"The title has {length} characters; it needs 1 to {limit}.",
            path=path,
            data={"length": length, "limit": limit},
        )


class ButtonRefused(DomainError):
    """A button is neither a link nor an answer, or both."""

    code = "send.button_refused"

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(
            "Give a button an https address or a payload of 1 to 1,000 characters, one of the two.", path=path
        )


class PersonNeeded(DomainError):
    """Only what a person wrote themselves may claim the longer window for people."""

    code = "send.person_needed"

    def __init__(self) -> None:
        super().__init__(
            "humanAgent is for text that a person writes. Leave it out for templates and for apps that act without a person.",
            path=("humanAgent",),
        )


class CommentAnswered(DomainError):
    """The comment already has its one private answer."""

    code = "send.comment_answered"

    def __init__(self) -> None:
        super().__init__(
            "This comment was already answered in private. Go on in the conversation.", path=("commentId",)
        )


class AlreadyQueued(DomainError):
    """A send with this key exists: the same intention was queued before."""

    code = "send.already_queued"

    def __init__(self) -> None:
        super().__init__("This message was queued already. Read the conversation again.")
