"""The TikTok connector: the port's verbs, each carried out by the module beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from server.config import TikTokSettings
from server.platforms.port import (
    Ability,
    AccountCredentials,
    Attachment,
    AuthorizeRequest,
    Backfill,
    Channel,
    CodeExchange,
    Event,
    FoundPage,
    Grant,
    GrantState,
    Listing,
    Login,
    MediaFile,
    MediaSource,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    RawEvent,
    Signal,
    Tokens,
    UploadedMedia,
)
from server.platforms.tiktok import listing, oauth, pictures, sending, signature, subscribing
from server.platforms.tiktok.client import TikTokClient
from server.platforms.tiktok.parse import parse
from server.platforms.tiktok.split import split
from server.platforms.wire.base import Unoffering
from server.platforms.wire.signing import secrets_of


class TikTokConnector(Unoffering):
    """TikTok's business messages behind the port. One per process; its HTTP client belongs to one event loop.

    `client_secret` may list several secrets, separated by commas: the first is ours now, the others still verify webhooks
    while a secret is being changed. `now_s` is the clock against which the age of a signature is taken.
    """

    channel = Channel.TIKTOK
    logins: tuple[Login, ...] = (Login.DIRECT,)
    abilities = frozenset({Ability.REFRESH})

    def __init__(self, settings: TikTokSettings, callback_url: str, *, now_s: Callable[[], float] = time.time) -> None:
        self.app = f"tiktok:{settings.client_key}"
        self._secrets = secrets_of(settings.client_secret)
        self._app = oauth.App(settings.client_key, self._secrets[0] if self._secrets else "")
        self._dialog_url = settings.dialog_url
        self._callback_url = callback_url
        self._now_s = now_s
        self._client = TikTokClient(settings.api_url)
        self._allowed = pictures.Allowed()

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check Tiktok-Signature over its time and the raw bytes; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets, self._now_s())

    def split(self, body: bytes) -> list[RawEvent]:
        """Return the event of a verified body; raise BodyMalformed."""
        return split(body)

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item; never raises."""
        return parse(kind, page_external_id, payload)

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the consent dialogue."""
        return oauth.authorize_url(self._dialog_url, self._app, wanted)

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a grant of a day and its refresh token; raise PlatformCallFailed."""
        return await oauth.exchange_code(self._client, self._app, exchange)

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Renew a grant; the refresh token that was given is void afterwards; raise PlatformCallFailed (AUTH: dead)."""
        return await oauth.refresh(self._client, self._app, account)

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Ask which scopes the grant has; raise PlatformCallFailed."""
        return await oauth.inspect(self._client, self._app, account)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """Return the one account that a login is for; raise PlatformCallFailed."""
        return await oauth.list_pages(self._client, self._app, account)

    async def subscribe(self, page: PageCredentials) -> None:
        """Point the app's webhooks to us, for all accounts at once; raise PlatformCallFailed."""
        await subscribing.subscribe(self._client, self._app, self._callback_url)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether the app's webhooks come to us; raise PlatformCallFailed."""
        return await subscribing.is_subscribed(self._client, self._app, self._callback_url)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """Do nothing: webhooks belong to the whole app, so ending them would silence every other tenant's accounts.

        What still comes for this account belongs to no page of ours. `revoke` ends it for good.
        """

    async def revoke(self, account: AccountCredentials) -> None:
        """Give the grant back; the account's webhooks end with it; raise PlatformCallFailed."""
        await oauth.revoke(self._client, self._app, account)

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer; only a cancellation is raised."""
        return await sending.send(self._client, self._allowed, page, message, deadline_s)

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Hand a picture over; raise PlatformCallFailed (BAD_CONTENT: refused)."""
        return await pictures.upload(self._client, self._allowed, page, media)

    async def media_source(
        self, page: PageCredentials, message_id: str, thread_id: str | None, attachment: Attachment
    ) -> MediaSource | None:
        """Say where a picture or film of a person is fetched, for 24 hours; raise PlatformCallFailed."""
        return await pictures.source(self._client, page, message_id, thread_id, attachment)

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Show typing or a read mark; raise PlatformCallFailed."""
        await sending.signal(self._client, page, signal)

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the account's messages since then, both directions; raise PlatformCallFailed."""
        return await listing.list_messages(self._client, page, since)

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List what the account's conversations hold since then, as their webhooks would have told it."""
        return await listing.backfill(self._client, page, since)

    async def aclose(self) -> None:
        """Close the shared HTTP client."""
        await self._client.aclose()
