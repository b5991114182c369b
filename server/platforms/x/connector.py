"""The X connector: the port's verbs, each carried out by the module beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from server.config import XSettings
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
    Handshake,
    Listing,
    Login,
    MediaFile,
    MediaSource,
    NotSent,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    Profile,
    RawEvent,
    Tokens,
    UploadedMedia,
)
from server.platforms.wire.base import Unoffering
from server.platforms.wire.calling import attempt
from server.platforms.wire.http import Answer, path
from server.platforms.wire.signing import secrets_of
from server.platforms.x import listing, oauth, profile, sending, signature
from server.platforms.x import media as uploading
from server.platforms.x.asking import failure_of, reach
from server.platforms.x.client import XCall, XClient
from server.platforms.x.parse import parse
from server.platforms.x.split import split
from server.platforms.x.subscribing import Subscriptions


class XConnector(Unoffering):
    """X behind the port. One per process; its HTTP client belongs to one event loop.

    `consumer_secret` may list several secrets, separated by commas: the first is ours now, the others still verify webhooks
    while a secret is being changed. `callback_url` is where X posts to.
    """

    channel = Channel.X
    logins: tuple[Login, ...] = (Login.DIRECT,)
    uses_pkce = True
    abilities = frozenset({Ability.REFRESH})

    def __init__(self, settings: XSettings, callback_url: str) -> None:
        self.app = f"x:{settings.client_id}"
        self._settings = settings
        self._secrets = secrets_of(settings.consumer_secret)
        self._client = XClient(settings)
        self._subscriptions = Subscriptions(self._client, callback_url, settings.events)

    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Return the answer to a CRC, or None to refuse it."""
        return signature.answer_handshake(query, self._secrets)

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check x-twitter-webhooks-signature over the raw bytes; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets)

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body of either generation into its items, in order; raise BodyMalformed."""
        return split(body)

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item; never raises."""
        return parse(kind, page_external_id, payload)

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the consent dialogue."""
        return oauth.authorize_url(self._settings, wanted)

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a grant of two hours and a refresh token; raise PlatformCallFailed."""
        return await oauth.exchange_code(self._client, exchange)

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Renew a grant; the refresh token given is void afterwards; raise PlatformCallFailed."""
        return await oauth.refresh(self._client, account)

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Ask who the token is; raise PlatformCallFailed."""
        return await oauth.inspect(self._client, account.token)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """Return the account itself; raise PlatformCallFailed."""
        return await oauth.list_pages(self._client, account.token)

    async def revoke(self, account: AccountCredentials) -> None:
        """Give both tokens of the grant back; raise PlatformCallFailed."""
        await oauth.revoke(self._client, account)

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the account's webhooks, and register ours first where it is missing; raise PlatformCallFailed."""
        await self._subscriptions.subscribe(page)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether the account's webhooks still come; raise PlatformCallFailed."""
        return await self._subscriptions.is_subscribed(page)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the account's webhooks; raise PlatformCallFailed."""
        await self._subscriptions.unsubscribe(page)

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer; only a cancellation is raised."""
        call = sending.call_for(page, message, datetime.now(UTC))
        if isinstance(call, NotSent):
            return call
        answer = await attempt(self._client.call(call, deadline_s))
        if not isinstance(answer, Answer):
            return answer
        return sending.classify(answer, datetime.now(UTC))

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Hand an image, a GIF or a video over, for 24 hours; raise PlatformCallFailed."""
        return await uploading.upload(self._client, page, media)

    async def media_source(
        self, page: PageCredentials, message_id: str, thread_id: str | None, attachment: Attachment
    ) -> MediaSource | None:
        """Say where inbound media is fetched, with the account's token; None where there is nothing."""
        return uploading.source(self._client, page, attachment)

    async def unsend(self, page: PageCredentials, platform_message_id: str) -> None:
        """Delete a message for the account alone; the other side keeps it; raise PlatformCallFailed."""
        call = XCall("DELETE", path("2", "dm_events", platform_message_id), oauth.user(page.page_token))
        answer = await reach(self._client, call)
        if not answer.is_success and answer.status != 404:
            raise failure_of(answer)

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the account's messages since then, as far as 30 days and the allowance reach; raise PlatformCallFailed."""
        return await listing.list_messages(self._client, page, since)

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List what the webhooks should have told since then; raise PlatformCallFailed."""
        return await listing.backfill(self._client, page, since)

    async def read_profile(self, page: PageCredentials, person_external_id: str) -> Profile | None:
        """Read a person's name; raise PlatformCallFailed."""
        return await profile.read_profile(self._client, page, person_external_id)

    async def aclose(self) -> None:
        """Close the shared HTTP client."""
        await self._client.aclose()
