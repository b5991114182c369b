"""The Messenger connector: the port's verbs, each carried out by the module beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from server.config import MessengerSettings
from server.platforms.messenger import listing, marketing, oauth, profile, sending
from server.platforms.messenger.parse import parse
from server.platforms.meta import callbacks, inspecting, login, signature, subscribing, uploading
from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphClient
from server.platforms.meta.sending import act_of, classify, signal_call
from server.platforms.meta.split import split
from server.platforms.port import (
    Ability,
    AccountCredentials,
    AuthorizeRequest,
    Backfill,
    CampaignCosts,
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
    NotSent,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    Profile,
    RawEvent,
    Signal,
    SignedCallback,
    UploadedMedia,
)
from server.platforms.wire.base import Unoffering
from server.platforms.wire.calling import attempt
from server.platforms.wire.http import Answer, path
from server.platforms.wire.signing import secrets_of

_SIGNAL_DEADLINE_S = 5.0


class MessengerConnector(Unoffering):
    """Facebook Messenger behind the port. One per process; its HTTP client belongs to one event loop.

    `app_secret` may list several secrets, separated by commas: the first is ours now, the others still verify webhooks
    while a secret is being changed.
    """

    channel = Channel.MESSENGER
    logins: tuple[Login, ...] = (Login.FACEBOOK,)
    abilities = frozenset({Ability.SIGNED_CALLBACKS, Ability.MARKETING})

    def __init__(self, settings: MessengerSettings) -> None:
        self.app = f"messenger:{settings.app_id}"
        self._settings = settings
        self._secrets = secrets_of(settings.app_secret)
        self._secret = self._secrets[0] if self._secrets else ""
        self._client = GraphClient(settings.graph_url, settings.graph_version, self._secret)

    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Return the challenge of a subscription handshake, or None to refuse it."""
        return signature.answer_handshake(query, self._settings.verify_token.get_secret_value())

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check X-Hub-Signature-256 over the raw bytes; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets)

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its items, in order; raise BodyMalformed."""
        return split(body, "page")

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item; never raises."""
        return parse(kind, page_external_id, payload)

    def read_callback(self, form: Mapping[str, str]) -> SignedCallback:
        """Verify the `signed_request` of a callback; raise SignatureInvalid."""
        return callbacks.read(form, self._secrets)

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the consent dialogue."""
        return oauth.authorize_url(self._settings, wanted.state, wanted.redirect_uri)

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a grant of about 60 days; raise PlatformCallFailed."""
        app_id = self._settings.app_id
        return await login.exchange_code(self._client, app_id, self._secret, exchange.code, exchange.redirect_uri)

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Ask /debug_token; raise PlatformCallFailed."""
        app_token = f"{self._settings.app_id}|{self._secret}"
        return await inspecting.inspect(self._client, app_token, account.token, oauth.NEEDED_SCOPES)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """List every page the grant reaches, each once; raise PlatformCallFailed."""
        return await oauth.list_pages(self._client, account.token)

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the page's webhooks; raise PlatformCallFailed."""
        await subscribing.join(self._place(page), oauth.SUBSCRIBED_FIELDS)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether our app still has all of the page's webhooks; raise PlatformCallFailed."""
        return await subscribing.is_subscribed(self._place(page), oauth.SUBSCRIBED_FIELDS)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the page's webhooks, but for those of an Instagram account behind it; raise PlatformCallFailed."""
        await subscribing.leave(self._place(page), oauth.SUBSCRIBED_FIELDS, subscribing.INSTAGRAM_FIELDS)

    async def revoke(self, account: AccountCredentials) -> None:
        """Take the app off the person; raise PlatformCallFailed."""
        await login.revoke(self._client, account)

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer; only a cancellation is raised."""
        call = sending.call_for(page, message, datetime.now(UTC))
        if isinstance(call, NotSent):
            return call
        answer = await attempt(self._client.call(call, deadline_s))
        if not isinstance(answer, Answer):
            return answer
        return classify(answer, act_of(message), sending.READER, datetime.now(UTC))

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Let the platform fetch a file of ours; raise PlatformCallFailed."""
        return await uploading.upload(self._client, path("me", "message_attachments"), page, media)

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Show typing or a read mark; raise PlatformCallFailed."""
        await ask(self._client, signal_call(page, path(page.page_external_id, "messages"), signal), _SIGNAL_DEADLINE_S)

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the page's messages since then, both directions; raise PlatformCallFailed."""
        return await listing.list_messages(self._client, page, since)

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List messages and new comments since then, as their webhooks would have told them; raise PlatformCallFailed."""
        return await listing.backfill(self._client, page, since)

    async def read_profile(self, page: PageCredentials, person_external_id: str) -> Profile | None:
        """Read a person's name; raise PlatformCallFailed."""
        return await profile.read_profile(self._client, page, person_external_id)

    async def create_campaign(self, page: PageCredentials, name: str) -> str:
        """Create a paid campaign and return its id; raise PlatformCallFailed."""
        return await marketing.create_campaign(self._client, page, name)

    async def campaign_costs(self, page: PageCredentials, platform_campaign_id: str) -> CampaignCosts:
        """Read the totals of a paid campaign; raise PlatformCallFailed."""
        return await marketing.campaign_costs(self._client, page, platform_campaign_id)

    async def aclose(self) -> None:
        """Close the shared HTTP client."""
        await self._client.aclose()

    def _place(self, page: PageCredentials) -> subscribing.Place:
        return subscribing.Place(self._client, page.page_external_id, page.page_token, self._settings.app_id)
