"""What goes out: one message to one person, one signal, one piece of media; and the three outcomes a send can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.platforms.port.names import Act, FailureReason, MediaKind, QuotaScope


class OutgoingKind(StrEnum):
    """What a send is on the platform.

    MESSAGE continues a conversation. PRIVATE_REPLY opens one from a public comment. COMMENT_REPLY is public. UTILITY uses a
    template that the platform approved. MARKETING needs a token of the person.
    """

    MESSAGE = "MESSAGE"
    PRIVATE_REPLY = "PRIVATE_REPLY"
    COMMENT_REPLY = "COMMENT_REPLY"
    UTILITY = "UTILITY"
    MARKETING = "MARKETING"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A piece of media on its way to a platform. `url` is ours, answers without a token, and works for an hour at least."""

    kind: MediaKind
    mime_type: str
    name: str
    content: bytes = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UploadedMedia:
    """What the platform calls the media, and until when it keeps it (None: until further notice)."""

    platform_media_id: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where the content of an inbound attachment is fetched, and with which headers. Lives in memory only."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingMedia:
    """Uploaded media inside a message."""

    kind: MediaKind
    platform_media_id: str


@dataclass(frozen=True, slots=True)
class QuickReply:
    """One suggested answer; `payload` comes back with it."""

    title: str
    payload: str


@dataclass(frozen=True, slots=True)
class Button:
    """One button below a text: a link if `url` is set, else an answer that brings `payload` back."""

    title: str
    payload: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class UtilityTemplate:
    """A template that the platform approved, with the values of its body's parameters in their order."""

    name: str
    language: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to one person.

    `reference` is our own mark (at most 64 ASCII characters); a platform that can carry it returns it in its echo.
    `thread_external_id` is the platform's name of the conversation, where it has told one. `comment_id` is set for private
    and public replies to a comment. `human_agent` means that a person wrote the text. `marketing_token` and
    `platform_campaign_id` are set together, for marketing messages only.
    """

    recipient_external_id: str
    text: str
    reference: str
    kind: OutgoingKind = OutgoingKind.MESSAGE
    human_agent: bool = False
    thread_external_id: str | None = None
    comment_id: str | None = None
    reply_to_message_id: str | None = None
    media: tuple[OutgoingMedia, ...] = ()
    quick_replies: tuple[QuickReply, ...] = ()
    buttons: tuple[Button, ...] = ()
    utility: UtilityTemplate | None = None
    marketing_token: str | None = field(default=None, repr=False)
    platform_campaign_id: str | None = None


class SignalKind(StrEnum):
    """What a page shows a person without writing."""

    TYPING_ON = "TYPING_ON"
    TYPING_OFF = "TYPING_OFF"
    MARK_READ = "MARK_READ"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal to one person; losing or repeating it harms nobody."""

    recipient_external_id: str
    kind: SignalKind
    thread_external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer said about an allowance, from its headers.

    `remaining` calls are left until `resets_at`; `wait_s` means that nothing may be called before. None: not told.
    """

    scope: QuotaScope
    act: Act
    remaining: int | None = None
    resets_at: datetime | None = None
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message and named it. Where it tells them: the person and the conversation it went to."""

    platform_message_id: str
    recipient_external_id: str | None = None
    thread_external_id: str | None = None
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class NotSent:
    """The message certainly did not leave, or was certainly refused. `retry_after_s` is the platform's own wish.

    `scope` says for RATE_LIMITED whose allowance was used up: the page's or our whole app's.
    """

    reason: FailureReason
    retryable: bool
    detail: str = ""
    retry_after_s: float | None = None
    scope: QuotaScope = QuotaScope.PAGE
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the message left. Never resent blindly (reliability.md 2.6)."""

    detail: str = ""
    usage: tuple[Usage, ...] = ()


Outcome = Sent | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """One message as the platform's own conversation list shows it. Media without words has no text."""

    platform_message_id: str
    from_external_id: str
    to_external_id: str
    text: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """The page's messages since a time, in one conversation the newest first.

    `is_complete` is False where the platform's list does not reach back that far: what is missing in such a list proves nothing.
    """

    messages: tuple[ListedMessage, ...]
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """What a platform tells about a person who wrote to the page; each part may be missing."""

    name: str | None
    first_name: str | None


@dataclass(frozen=True, slots=True)
class CampaignCosts:
    """What the platform says a marketing campaign has cost so far. Totals, not increments."""

    delivered: int
    spend_micros: int
    currency: str
