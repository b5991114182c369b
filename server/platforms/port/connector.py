"""What every platform offers, as one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from server.platforms.port.connecting import (
    Ability,
    AccountCredentials,
    AuthorizeRequest,
    CodeExchange,
    FoundPage,
    Grant,
    GrantState,
    PageCredentials,
    SignedCallback,
    Tokens,
)
from server.platforms.port.incoming import Attachment, Backfill, Event, Handshake, RawEvent
from server.platforms.port.names import Channel, Login
from server.platforms.port.outgoing import (
    CampaignCosts,
    Listing,
    MediaFile,
    MediaSource,
    Outcome,
    OutgoingMessage,
    Profile,
    Signal,
    UploadedMedia,
)


class Connector(Protocol):
    """What every platform offers. Calls never retry and never follow redirects; each has one total deadline.

    What a platform does not have raises NotOffered; `abilities` and the channel's capability say so beforehand.
    """

    channel: Channel
    logins: tuple[Login, ...]
    uses_pkce: bool
    abilities: frozenset[Ability]
    app: str
    """Which of our apps at the platform this is: quotas of the app are counted under its name."""

    # webhooks: pure, no I/O
    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Return the answer to a subscription handshake, or None to refuse it (403)."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check the signature over the raw bytes in constant time; raise SignatureInvalid. Header names: lower case."""
        ...

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its items, in order; raise BodyMalformed only if there is no envelope at all."""
        ...

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item. Never raises for strange input: what cannot be read becomes `Unplaced`."""
        ...

    def read_callback(self, form: Mapping[str, str]) -> SignedCallback:
        """Verify a deauthorisation or deletion callback; raise SignatureInvalid, or NotOffered."""
        ...

    # connecting
    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the platform's consent dialogue."""
        ...

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a long-lived grant; raise PlatformCallFailed (AUTH if the code is refused)."""
        ...

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Renew a grant; a rotated refresh token voids the one that was given. Raise PlatformCallFailed (AUTH: dead)."""
        ...

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Ask the platform how well a grant is; raise PlatformCallFailed if it could not say."""
        ...

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """List every page the grant reaches (own, business-owned, client), each once; raise PlatformCallFailed."""
        ...

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the page's webhooks; idempotent; raise PlatformCallFailed."""
        ...

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether the page's webhooks still come to us; raise PlatformCallFailed."""
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

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Hand a piece of media over, to be named in messages later; raise PlatformCallFailed (BAD_CONTENT: refused)."""
        ...

    async def media_source(
        self, page: PageCredentials, message_id: str, thread_id: str | None, attachment: Attachment
    ) -> MediaSource | None:
        """Say where an inbound attachment is fetched; None where there is nothing to fetch; raise PlatformCallFailed."""
        ...

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Show typing or a read mark; raise PlatformCallFailed, NotOffered."""
        ...

    async def unsend(self, page: PageCredentials, platform_message_id: str) -> None:
        """Delete a message of the page as far as the capability's `unsend_by_page` says; raise PlatformCallFailed."""
        ...

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the page's messages, both directions, of all conversations updated since; raise PlatformCallFailed."""
        ...

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List what the page's webhooks should have told since then, as raw events; raise PlatformCallFailed."""
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
