"""The one port behind which every platform lives.

It holds what the rest of the server may know of a platform: typed events that came in, requests that go out, and the
three outcomes a send can have. It leaves wire formats, hosts and error codes to the package of each platform.
Nothing here touches the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Channel(StrEnum):
    """The networks a page can live on (product.md, part E)."""

    MESSENGER = "MESSENGER"
    INSTAGRAM = "INSTAGRAM"
    X = "X"
    LINKEDIN = "LINKEDIN"
    TIKTOK = "TIKTOK"


class FailureReason(StrEnum):
    """Why a platform did not take a message (product.md S4-15)."""

    NOT_CONNECTED = "NOT_CONNECTED"
    PRIVACY_BLOCKED = "PRIVACY_BLOCKED"
    RATE_LIMITED = "RATE_LIMITED"
    RATE_LIMITED_NEW_CONVERSATIONS = "RATE_LIMITED_NEW_CONVERSATIONS"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    BLOCKED_BY_CONTACT = "BLOCKED_BY_CONTACT"
    BAD_CONTENT = "BAD_CONTENT"
    POLICY = "POLICY"
    AUTH = "AUTH"
    PERMISSION = "PERMISSION"
    PAGE_RESTRICTED = "PAGE_RESTRICTED"
    OPTED_OUT = "OPTED_OUT"
    TRANSIENT = "TRANSIENT"
    AMBIGUOUS = "AMBIGUOUS"


# --------------------------------------------------------------------------- outgoing


@dataclass(frozen=True, slots=True)
class PageCredentials:
    """What one call on behalf of a page needs. Lives in memory only; never logged (repr hides the tokens)."""

    channel: Channel
    page_external_id: str
    page_token: str = field(repr=False)
    account_token: str | None = field(default=None, repr=False)
    ad_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """What one call about a person's grant needs. Lives in memory only; never logged (repr hides the token)."""

    channel: Channel
    person_external_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to one person.

    `reference` is our own mark (at most 64 ASCII characters); a platform that can carry it returns it in its echo.
    `marketing_token` and `platform_campaign_id` are set together, for marketing messages only.
    """

    recipient_external_id: str
    text: str
    reference: str
    human_agent: bool = False
    marketing_token: str | None = field(default=None, repr=False)
    platform_campaign_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message and named it."""

    platform_message_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The message certainly did not leave, or was certainly refused. `retry_after_s` is the platform's own wish."""

    reason: FailureReason
    retryable: bool
    detail: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the message left. Never resent blindly (reliability.md 2.6)."""

    detail: str = ""


Outcome = Sent | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """One message as the platform's own conversation list shows it."""

    platform_message_id: str
    from_external_id: str
    to_external_id: str
    text: str | None
    created_at: datetime


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


# --------------------------------------------------------------------------- connecting


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's consent in the platform's dialogue gave us."""

    person_external_id: str
    person_name: str
    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page that the grant reaches. `ad_account_id` is set where the person may also pay for marketing messages."""

    external_id: str
    name: str
    page_token: str = field(repr=False)
    tasks: tuple[str, ...]
    ad_account_id: str | None = None


class PlatformCallFailed(Exception):
    """A call other than a send failed.

    `reason` says what it means, `retryable` whether waiting can heal it, `retry_after_s` how long the platform asks for.
    """

    def __init__(
        self, reason: FailureReason, detail: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retryable = retryable
        self.retry_after_s = retry_after_s


# --------------------------------------------------------------------------- incoming


class SignatureInvalid(Exception):
    """The body is not signed with any secret we know. Nothing of it may be stored."""


class BodyMalformed(Exception):
    """The signed body is not what the platform documents (not JSON, not UTF-8, too deep, no envelope)."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One item of a webhook body, before anybody reads its meaning.

    `external_id` with `kind` and the page is the key that makes a duplicate delivery harmless. `mailbox` names the
    person the event is about, so that the events of one conversation are applied in order ("" if there is none).
    """

    page_external_id: str
    kind: str
    external_id: str
    mailbox: str
    occurred_at: datetime
    payload: dict[str, object]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One piece of media as the platform describes it; the address expires."""

    kind: str
    url: str | None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A person wrote to the page."""

    person: str
    message_id: str
    text: str | None
    attachments: tuple[Attachment, ...]
    occurred_at: datetime
    reply_to_message_id: str | None = None
    quick_reply_payload: str | None = None
    is_unsupported: bool = False


@dataclass(frozen=True, slots=True)
class MessageEchoed:
    """The page wrote to a person: through us (`reference` is ours), through another app, or by hand."""

    person: str
    message_id: str
    text: str | None
    attachments: tuple[Attachment, ...]
    occurred_at: datetime
    app_id: str | None = None
    reference: str | None = None


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


@dataclass(frozen=True, slots=True)
class CommentChanged:
    """Something happened to a public comment on the page's post. `verb` is add, edited, remove or hide."""

    comment_id: str
    post_id: str | None
    parent_id: str | None
    verb: str
    person: str | None
    person_name: str | None
    is_own: bool
    text: str | None
    occurred_at: datetime


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
class Noticed:
    """A documented event that changes nothing for us (typing, handover, referral); kept raw and counted."""

    kind: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An event nobody can read; it becomes a dead letter with this reason."""

    reason: str


Event = (
    MessageReceived
    | MessageEchoed
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
    | Noticed
    | Unplaced
)


class Connector(Protocol):
    """What every platform offers. Calls never retry and never follow redirects; each has one total deadline."""

    channel: Channel

    # webhooks: pure, no I/O
    def answer_handshake(self, query: dict[str, str]) -> str | None:
        """Return the text to answer a subscription handshake with, or None to refuse it (403)."""
        ...

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        """Check the signature over the raw bytes in constant time; raise SignatureInvalid. Header names: lower case."""
        ...

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its items, in order; raise BodyMalformed only if there is no envelope at all."""
        ...

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item. Never raises for strange input: what cannot be read becomes `Unplaced`."""
        ...

    # connecting
    def authorize_url(self, state: str, redirect_uri: str) -> str:
        """Return the address of the platform's consent dialogue."""
        ...

    async def exchange_code(self, code: str, redirect_uri: str) -> Grant:
        """Trade a code for a long-lived grant; raise PlatformCallFailed."""
        ...

    async def list_pages(self, access_token: str) -> list[FoundPage]:
        """List every page the grant reaches (own, business-owned, client), each once; raise PlatformCallFailed."""
        ...

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the page's webhooks; idempotent; raise PlatformCallFailed."""
        ...

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the page's webhooks to this app; idempotent; raise PlatformCallFailed."""
        ...

    async def revoke(self, account: AccountCredentials) -> None:
        """Give a person's whole grant to this app back, for every page of it; idempotent; raise PlatformCallFailed."""
        ...

    # sending
    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer. Never raises: what is not certain is `Unknown`."""
        ...

    async def list_messages(self, page: PageCredentials, since: datetime) -> list[ListedMessage]:
        """List the page's messages, both directions, of all conversations updated since; raise PlatformCallFailed."""
        ...

    async def read_profile(self, page: PageCredentials, person_external_id: str) -> Profile | None:
        """Read a person's name; None for who never wrote or is not told; raise PlatformCallFailed if asking failed."""
        ...

    # paid marketing
    async def create_campaign(self, page: PageCredentials, name: str) -> str:
        """Create the platform's paid campaign and return its id; raise PlatformCallFailed."""
        ...

    async def campaign_costs(self, page: PageCredentials, platform_campaign_id: str) -> CampaignCosts:
        """Read totals of a paid campaign; raise PlatformCallFailed."""
        ...

    async def aclose(self) -> None:
        """Close the shared HTTP client."""
        ...
