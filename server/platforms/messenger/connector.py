"""The Messenger connector: the port's verbs, each carried out by the module beside it."""

from __future__ import annotations

from datetime import UTC, datetime

from server.config import MessengerSettings
from server.platforms.messenger import listing, marketing, oauth, profile, sending, signature
from server.platforms.messenger.client import BadToken, GraphClient, Lost, NeverLeft
from server.platforms.messenger.parse import parse
from server.platforms.messenger.split import split
from server.platforms.messenger.usage import Pauses
from server.platforms.port import (
    AccountCredentials,
    CampaignCosts,
    Channel,
    Event,
    FailureReason,
    FoundPage,
    Grant,
    ListedMessage,
    NotSent,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    Profile,
    RawEvent,
    Unknown,
)


class MessengerConnector:
    """Facebook Messenger behind the port. One per process; its HTTP client belongs to one event loop.

    `app_secret` may list several secrets, separated by commas: the first is ours now, the others still verify webhooks
    while a secret is being changed.
    """

    channel = Channel.MESSENGER

    def __init__(self, settings: MessengerSettings) -> None:
        secrets = [one.strip() for one in settings.app_secret.get_secret_value().split(",")]
        self._settings = settings
        self._secrets = tuple(one for one in secrets if one)
        self._secret = secrets[0]
        self._client = GraphClient(settings.graph_url, settings.graph_version, self._secret)
        self._pauses = Pauses()

    def answer_handshake(self, query: dict[str, str]) -> str | None:
        """Return the challenge of a subscription handshake, or None to refuse it."""
        return signature.answer_handshake(query, self._settings.verify_token.get_secret_value())

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        """Check X-Hub-Signature-256 over the raw bytes; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets)

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its items, in order; raise BodyMalformed."""
        return split(body)

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item; never raises."""
        return parse(kind, page_external_id, payload)

    def authorize_url(self, state: str, redirect_uri: str) -> str:
        """Return the address of the consent dialogue."""
        return oauth.authorize_url(self._settings, state, redirect_uri)

    async def exchange_code(self, code: str, redirect_uri: str) -> Grant:
        """Trade a code for a grant of about 60 days; raise PlatformCallFailed."""
        return await oauth.exchange_code(self._client, self._settings.app_id, self._secret, code, redirect_uri)

    async def list_pages(self, access_token: str) -> list[FoundPage]:
        """List every page the grant reaches, each once; raise PlatformCallFailed."""
        return await oauth.list_pages(self._client, access_token)

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the page's webhooks; raise PlatformCallFailed."""
        await oauth.subscribe(self._client, page)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the page's webhooks; raise PlatformCallFailed."""
        await oauth.unsubscribe(self._client, page)

    async def revoke(self, account: AccountCredentials) -> None:
        """Take the app off the person; raise PlatformCallFailed."""
        await oauth.revoke(self._client, account)

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer; only a cancellation is raised."""
        paused_s = self._pauses.left_s(page.page_external_id)
        if paused_s is not None:
            return NotSent(FailureReason.RATE_LIMITED, True, "the platform asked this page to wait", paused_s)
        call = sending.call_for(page, message)
        if isinstance(call, NotSent):
            return call
        try:
            answer = await self._client.call(call, deadline_s)
        except BadToken as problem:
            return NotSent(FailureReason.AUTH, False, str(problem))
        except NeverLeft as problem:
            return NotSent(FailureReason.TRANSIENT, True, str(problem))
        except Lost as problem:
            return Unknown(str(problem))
        self._pauses.note(page.page_external_id, answer.headers)
        return sending.classify(answer, datetime.now(UTC))

    async def list_messages(self, page: PageCredentials, since: datetime) -> list[ListedMessage]:
        """List the page's messages since then, both directions; raise PlatformCallFailed."""
        return await listing.list_messages(self._client, page, since)

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
