"""Pure decisions of the inbox: what changes add up to in any order, what a send means for its message, and the caps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from server.inbox.models import MessageState
from server.platforms.port import Attachment
from server.sends.composing import Placed
from server.sends.models import Delivery, SendState

FOLLOW_UP_CAP = 2
"""How many messages in a row may stay unanswered before only the contact can go on (S2-17)."""
MAX_NOTE = 10_000
"""Characters of an internal note."""


class ChangeKind(StrEnum):
    """What can happen to a message after it was written; it may reach us before the message does."""

    EDIT = "EDIT"
    UNSEND = "UNSEND"
    REACTION = "REACTION"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one message. `text` is the new wording of an edit or the emoji of a reaction."""

    kind: ChangeKind
    occurred_at: datetime
    text: str | None = None
    edit_number: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """The part of a message that changes fold into."""

    text: str | None
    attachments: tuple[dict[str, object], ...] = ()
    edit_number: int = 0
    reaction: str | None = None
    reaction_at: datetime | None = None
    unsent_at: datetime | None = None


def changed(content: Content, change: Change) -> Content:
    """Apply one change. Commutes with every other change and applies once however often it is repeated.

    The highest edit wins, the latest reaction wins, and an unsent message has no content whatever comes later (S4-16).
    Platforms do not promise an order, so ties are settled by the value and never by the arrival.
    """
    match change.kind:
        case ChangeKind.EDIT:
            return _edited(content, change)
        case ChangeKind.UNSEND:
            first = min(filter(None, (content.unsent_at, change.occurred_at)))
            return replace(content, text=None, attachments=(), unsent_at=first)
        case ChangeKind.REACTION:
            return _reacted(content, change)


def folded(content: Content, changes: Iterable[Change]) -> Content:
    """Apply several changes, in whatever order they are given."""
    for change in changes:
        content = changed(content, change)
    return content


def _edited(content: Content, change: Change) -> Content:
    number = max(1, change.edit_number)
    if number < content.edit_number:
        return content
    if content.unsent_at is not None or change.text is None:
        return replace(content, edit_number=number)
    if number == content.edit_number and change.text <= (content.text or ""):
        return content
    return replace(content, edit_number=number, text=change.text)


def _reacted(content: Content, change: Change) -> Content:
    if content.reaction_at is not None:
        known = (content.reaction_at, content.reaction or "")
        if (change.occurred_at, change.text or "") <= known:
            return content
    return replace(content, reaction=change.text, reaction_at=change.occurred_at)


def attachments_of(attachments: Iterable[Attachment]) -> tuple[dict[str, object], ...]:
    """Return attachments as they are stored: how to fetch them and whether their content may be kept, where that is told."""
    return tuple(_stored(one) for one in attachments)


def _stored(one: Attachment) -> dict[str, object]:
    stored: dict[str, object] = {"kind": one.kind, "url": one.url, "title": one.title}
    if one.media_id is not None:
        stored["media_id"] = one.media_id
    if not one.may_be_stored:
        stored["may_be_stored"] = False
    return stored


def stored_media(media: Iterable[Placed]) -> tuple[dict[str, object], ...]:
    """Return media of our own as a message stores them: the file is named, its address is made when somebody asks."""
    return tuple(
        {"kind": one.kind.value.lower(), "url": None, "title": one.name, "file": str(one.file_id)} for one in media
    )


# --------------------------------------------------------------------------- states of outbound messages

_OF_DELIVERY = {
    Delivery.NONE: MessageState.SENT,
    Delivery.ACCEPTED: MessageState.SENT,
    Delivery.DELIVERED: MessageState.DELIVERED,
    Delivery.READ: MessageState.READ,
    Delivery.FAILED: MessageState.FAILED,
}
_OF_SEND = {
    SendState.QUEUED: MessageState.QUEUED,
    SendState.CLAIMED: MessageState.QUEUED,
    SendState.NOT_SENT: MessageState.FAILED,
    SendState.SKIPPED: MessageState.SKIPPED,
    SendState.CANCELLED: MessageState.SKIPPED,
    SendState.UNKNOWN: MessageState.UNKNOWN,
    SendState.NEEDS_HUMAN: MessageState.UNKNOWN,
}
# The order of sends.rules.further: a receipt proves that a reported failure was not the end.
_RANK = {MessageState.SENT: 1, MessageState.FAILED: 2, MessageState.DELIVERED: 3, MessageState.READ: 4}
_LEFT = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.READ})


def state_of(state: SendState, delivery: Delivery) -> MessageState:
    """Return what a message may say of itself when its send stands there; never more than the platform said (D-18)."""
    if state is SendState.SENT:
        return _OF_DELIVERY[delivery]
    return _OF_SEND[state]


def follow(current: MessageState, wanted: MessageState) -> MessageState:
    """Return the next state: a message that left never goes back, and its receipts only move forward."""
    if current in _LEFT:
        return max(current, wanted, key=lambda state: _RANK.get(state, 0))
    return wanted


def native_state(
    occurred_at: datetime, named: Delivery | None, delivered_until: datetime | None, read_until: datetime | None
) -> MessageState:
    """Return the state of a message that was written outside of Switchboard, from the receipts known so far.

    `named` is the furthest receipt that named this message; the others are the marks of its page and contact.
    """
    if named is Delivery.READ or (read_until is not None and occurred_at <= read_until):
        return MessageState.READ
    if named is Delivery.DELIVERED or (delivered_until is not None and occurred_at <= delivered_until):
        return MessageState.DELIVERED
    return MessageState.SENT
