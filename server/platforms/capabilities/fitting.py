"""Whether a message fits what its channel allows, asked by every connector right before a call. Nothing is ever cut.

The composer asks earlier and names all problems at once (`server.sends.composing`); here the first one ends it.
"""

from __future__ import annotations

from server.platforms.capabilities.capability import Buttons, Capability, MediaRule, text_length
from server.platforms.port import FailureReason, MediaFile, NotSent, OutgoingMedia, PlatformCallFailed


class Unfit(Exception):
    """The message can never be sent as it is; the text says why."""

    def __init__(self, detail: str, reason: FailureReason = FailureReason.BAD_CONTENT) -> None:
        super().__init__(detail)
        self.outcome = NotSent(reason, False, detail)


NOT_UNICODE = NotSent(FailureReason.BAD_CONTENT, False, "the message is not valid Unicode")
"""Half of a surrogate pair, which no JSON can hold."""


def text_of(text: str, allowed: Capability, limit: int | None = None) -> str:
    """Return a text that fits the channel's limit, or the given one in the same unit; raise Unfit."""
    return _text(text, allowed.text_limit if limit is None else limit, text_length(allowed, text))


def comment_of(text: str, allowed: Capability) -> str:
    """Return a text that fits a public reply; raise Unfit."""
    return _text(text, allowed.comment_limit, len(text))


def valid(text: str) -> str:
    """Return a text that is valid Unicode; raise Unfit."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("the text is not valid Unicode") from None
    return text


def within(text: str, limit: int, what: str) -> str:
    """Return a text of 1 to `limit` characters; raise Unfit."""
    if not text.strip() or len(text) > limit:
        raise Unfit(f"{what} must have 1 to {limit} characters")
    return valid(text)


def media_of(media: tuple[OutgoingMedia, ...], allowed: Capability) -> tuple[OutgoingMedia, ...]:
    """Return media of one kind that fit into one message; raise Unfit."""
    rule = allowed.media_rule(media[0].kind)
    if rule is None or {one.kind for one in media} != {rule.kind}:
        raise Unfit("one message takes media of one kind that the channel offers")
    if len(media) > rule.max_count:
        raise Unfit(f"one message takes at most {rule.max_count} of this kind")
    return media


def buttons_of(count: int, allowed: Capability) -> Buttons:
    """Return the rule for so many buttons; raise Unfit."""
    rule = allowed.buttons
    if rule is None or count > rule.count:
        raise Unfit(f"at most {rule.count if rule else 0} buttons are taken")
    return rule


def file_of(media: MediaFile, allowed: Capability) -> MediaRule:
    """Return the rule that a file fits; raise PlatformCallFailed (BAD_CONTENT) before anything is handed over."""
    rule = allowed.media_rule(media.kind, media.mime_type)
    if rule is None:
        problem = f"files of type {media.mime_type[:60]!r} are not taken as {media.kind.value.lower()}"
    elif not media.content:
        problem = "the file is empty"
    elif len(media.content) > rule.max_bytes:
        problem = f"the file has {len(media.content)} bytes, at most {rule.max_bytes} are taken"
    else:
        return rule
    raise PlatformCallFailed(FailureReason.BAD_CONTENT, problem)


def _text(text: str, limit: int, length: int) -> str:
    if not text.strip():
        raise Unfit("the text is empty")
    valid(text)
    if length > limit:
        raise Unfit(f"the text has {length} characters or bytes, at most {limit} are taken")
    return text
