"""What comes in: raw items of webhook bodies, and the typed events that they mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SignatureInvalid(Exception):
    """The body is not signed with any secret we know. Nothing of it may be stored."""


class BodyMalformed(Exception):
    """The signed body is not what the platform documents (not JSON, not UTF-8, too deep, no envelope)."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One item of a webhook body, before anybody reads its meaning.

    `external_id` with `kind` and the page is the key that makes a duplicate delivery harmless. `mailbox` names the
    person the event is about, so that the events of one conversation are applied in order ("" if there is none).
    `is_of_grant` means that `page_external_id` names no page, but a person who gave us a grant.
    """

    page_external_id: str
    kind: str
    external_id: str
    mailbox: str
    occurred_at: datetime
    payload: dict[str, object]
    is_of_grant: bool = False


@dataclass(frozen=True, slots=True)
class Backfill:
    """What the platform's own lists show since a time, in the form and with the keys that its webhooks would have had.

    A webhook that did arrive, or arrives later, is thereby the same event. Events of one moment stand in the order in which
    they happened. `is_complete` is False where a list does not reach back that far.
    """

    events: tuple[RawEvent, ...]
    is_complete: bool = True

    @classmethod
    def of_list(cls, newest_first: Iterable[RawEvent], is_complete: bool) -> Backfill:
        """Turn round what a platform lists newest first: times alone would leave a whole second of Meta's backwards."""
        oldest_added_first = tuple(newest_first)[::-1]
        return cls(tuple(sorted(oldest_added_first, key=lambda event: event.occurred_at)), is_complete)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a platform's test of our callback is answered with, as it stands."""

    body: str
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One piece of media as the platform describes it; the address expires.

    `media_id` is set where the platform gives the content out by a name instead. What must not be stored says so.
    """

    kind: str
    url: str | None
    title: str | None = None
    media_id: str | None = None
    may_be_stored: bool = True


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A person wrote to the page.

    `thread_id` is the platform's own name of the conversation, where sends need it. `is_request` means that the platform
    shows it among requests of strangers (S2-03). In a group `person` names the group, and `writer` the one who wrote.
    """

    person: str
    message_id: str
    text: str | None
    attachments: tuple[Attachment, ...]
    occurred_at: datetime
    reply_to_message_id: str | None = None
    quick_reply_payload: str | None = None
    is_unsupported: bool = False
    thread_id: str | None = None
    is_request: bool = False
    writer: str | None = None


@dataclass(frozen=True, slots=True)
class MessageEchoed:
    """The page wrote to a person or a group: through us (`reference` is ours), through another app, or by hand."""

    person: str
    message_id: str
    text: str | None
    attachments: tuple[Attachment, ...]
    occurred_at: datetime
    app_id: str | None = None
    reference: str | None = None
    thread_id: str | None = None
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class ParticipantsChanged:
    """People came into a group, or left it. `person` names the group."""

    person: str
    participants: tuple[str, ...]
    is_joined: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class MarketingEchoed:
    """A marketing message left for a person; the platform names its campaign, not our reference."""

    person: str
    message_id: str
    platform_campaign_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """Messages arrived at the person's device: those named, and all up to the watermark where there is one."""

    person: str
    message_ids: tuple[str, ...]
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Read:
    """The person read the messages named, and all up to the watermark where there is one."""

    person: str
    message_ids: tuple[str, ...]
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """The platform took the message and could not deliver it later."""

    person: str
    message_id: str | None
    platform_campaign_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class MessageUnsent:
    """The writer took a message back; its content must go (product.md S4-16)."""

    person: str
    message_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """The writer changed a message. `edit_number` orders the edits of one message."""

    person: str
    message_id: str
    text: str | None
    edit_number: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Reacted:
    """A person reacted to a message, or took the reaction back (`emoji` is None)."""

    person: str
    message_id: str
    emoji: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Postback:
    """A person tapped a button; it opens the messaging window like a message does."""

    person: str
    message_id: str | None
    title: str | None
    payload: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class OptedIn:
    """A person subscribed to a topic. `topic_key` is the payload we put into the request."""

    person: str
    topic_key: str
    title: str | None
    marketing_token: str = field(repr=False)
    expires_at: datetime | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A person stopped a topic (`topic_key`), or everything from this page (None)."""

    person: str
    topic_key: str | None
    occurred_at: datetime


class CommentKind(StrEnum):
    """How a public comment concerns the page: it stands below the page's post, or it names the page elsewhere."""

    COMMENT = "COMMENT"
    MENTION = "MENTION"


@dataclass(frozen=True, slots=True)
class CommentChanged:
    """Something happened to a public comment on the page's post, or to a post that mentions it.

    `verb` is add, edited, remove, hide or unhide.
    """

    comment_id: str
    post_id: str | None
    parent_id: str | None
    verb: str
    person: str | None
    person_name: str | None
    is_own: bool
    text: str | None
    occurred_at: datetime
    kind: CommentKind = CommentKind.COMMENT


@dataclass(frozen=True, slots=True)
class ReviewChanged:
    """A recommendation of the page was added, edited or removed."""

    review_id: str
    verb: str
    person: str | None
    person_name: str | None
    rating: int | None
    recommendation: str | None
    text: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PageRestricted:
    """The platform warned, blocked or unblocked the page (`action`)."""

    action: str
    reason: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class GrantWithdrawn:
    """A person took our app's rights back, wholly, or the named permissions only."""

    person: str
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Noticed:
    """An event that changes nothing for us (typing, handover, referral, an unknown kind); kept raw and counted."""

    kind: str

    @property
    def is_unknown(self) -> bool:
        """Say whether it is of a kind that the platform's documents do not tell of."""
        return self.kind.startswith("unknown")


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An event nobody can read; it becomes a dead letter with this reason."""

    reason: str


Event = (
    MessageReceived
    | MessageEchoed
    | ParticipantsChanged
    | MarketingEchoed
    | Delivered
    | Read
    | DeliveryFailed
    | MessageUnsent
    | MessageEdited
    | Reacted
    | Postback
    | OptedIn
    | OptedOut
    | CommentChanged
    | ReviewChanged
    | PageRestricted
    | GrantWithdrawn
    | Noticed
    | Unplaced
)
