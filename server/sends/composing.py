"""What one message may carry on a channel, checked before anything is queued. Pure; every limit comes from the capability.

Nothing is ever cut: what does not fit is refused with the limit it broke, all problems of one message together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from server.kit.errors import DomainError
from server.platforms.capabilities.capability import Capability, MediaRule
from server.platforms.port import Button, MediaKind, QuickReply
from server.sends import errors

MAX_PAYLOAD = 1_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One of our files that a message is to carry."""

    file_id: UUID
    name: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Extras:
    """What a message carries besides its text. `reply_to` is the platform's id of the message that it quotes."""

    media: tuple[Piece, ...] = ()
    quick_replies: tuple[QuickReply, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str | None = None


PLAIN = Extras()
"""Nothing besides the text."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A file and what kind of media it is on the channel."""

    file_id: UUID
    name: str
    kind: MediaKind


def text_limit(capability: Capability, extras: Extras) -> int:
    """Return how long the text may be, in the unit of the channel's limit: some channels allow less above buttons."""
    if extras.buttons and capability.buttons is not None and capability.buttons.text_limit is not None:
        return min(capability.text_limit, capability.buttons.text_limit)
    return capability.text_limit


def kind_of(capability: Capability, mime_type: str) -> MediaKind | None:
    """Return as what a channel takes files of this type; None if it does not."""
    rule = capability.rule_of(mime_type)
    return None if rule is None else rule.kind


def problems(capability: Capability, text: str, extras: Extras) -> list[DomainError]:
    """Return everything that is wrong with a message's parts; its text's length is the caller's to check."""
    found = [*_media_problems(capability, extras.media)]
    if extras.media and text.strip() and not capability.text_with_media:
        found.append(errors.TextRefused())
    found += _quick_reply_problems(capability, extras.quick_replies)
    found += _button_problems(capability, extras)
    return found


def placed(capability: Capability, pieces: Sequence[Piece]) -> list[Placed]:
    """Return the pieces with their kinds; those that the channel does not take are left out (`problems` names them)."""
    kinds = [(piece, kind_of(capability, piece.mime_type)) for piece in pieces]
    return [Placed(piece.file_id, piece.name, kind) for piece, kind in kinds if kind is not None]


def _media_problems(capability: Capability, pieces: Sequence[Piece]) -> list[DomainError]:
    taken = sorted({one for rule in capability.media for one in rule.mime_types})
    found: list[DomainError] = []
    rules: list[MediaRule] = []
    for number, piece in enumerate(pieces):
        path = ("mediaIds", str(number))
        rule = capability.rule_of(piece.mime_type)
        if rule is None:
            found.append(errors.MediaRefused(path, piece.mime_type, taken))
            continue
        rules.append(rule)
        if piece.size > rule.max_bytes:
            found.append(errors.MediaTooLarge(path, piece.size, rule.max_bytes))
    if rules:
        limit = 1 if len({rule.kind for rule in rules}) > 1 else min(rule.max_count for rule in rules)
        if len(pieces) > limit:
            found.append(errors.TooMuchMedia(len(pieces), limit))
    return found


def _quick_reply_problems(capability: Capability, replies: Sequence[QuickReply]) -> list[DomainError]:
    if not replies:
        return []
    if not capability.quick_replies:
        return [errors.NotOffered(("quickReplies",), "quick replies")]
    found: list[DomainError] = []
    if len(replies) > capability.quick_replies:
        found.append(errors.TooManyChoices(("quickReplies",), len(replies), capability.quick_replies))
    for number, one in enumerate(replies):
        path = ("quickReplies", str(number))
        if not one.title.strip() or len(one.title) > capability.quick_reply_title:
            found.append(errors.ChoiceRefused((*path, "title"), len(one.title), capability.quick_reply_title))
        if not 1 <= len(one.payload) <= MAX_PAYLOAD:
            found.append(errors.ChoiceRefused((*path, "payload"), len(one.payload), MAX_PAYLOAD))
    return found


def _button_problems(capability: Capability, extras: Extras) -> list[DomainError]:
    rule = capability.buttons
    if not extras.buttons:
        return []
    if rule is None:
        return [errors.NotOffered(("buttons",), "buttons")]
    found: list[DomainError] = []
    if extras.media:
        found.append(errors.NotOffered(("buttons",), "buttons below media"))
    if extras.quick_replies:
        found.append(errors.NotOffered(("buttons",), "buttons together with quick replies"))
    if len(extras.buttons) > rule.count:
        found.append(errors.TooManyChoices(("buttons",), len(extras.buttons), rule.count))
    for number, one in enumerate(extras.buttons):
        path = ("buttons", str(number))
        if not one.title.strip() or len(one.title) > rule.title:
            found.append(errors.ChoiceRefused((*path, "title"), len(one.title), rule.title))
        is_link = one.url is not None and _is_https(one.url)
        is_answer = 1 <= len(one.payload) <= MAX_PAYLOAD
        if is_link == is_answer or (one.url is not None and not is_link):
            found.append(errors.ButtonRefused(path))
    return found


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and len(url) <= 2_000 and url.isprintable()
