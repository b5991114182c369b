"""The LinkedIn connector: the port's verbs, each carried out by the module beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from server.config import LinkedInSettings
from server.platforms.linkedin import listing, oauth, sending, signature, subscribing
from server.platforms.linkedin.client import LinkedInClient
from server.platforms.linkedin.parse import parse
from server.platforms.linkedin.split import split
from server.platforms.port import (
    Ability,
    AccountCredentials,
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
    NotOffered,
    NotSent,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    RawEvent,
    Tokens,
)
from server.platforms.wire.base import Unoffering
from server.platforms.wire.calling import attempt
from server.platforms.wire.http import Answer
from server.platforms.wire.signing import secrets_of


class LinkedInConnector(Unoffering):
    """LinkedIn behind the port: an account is an organisation, and what comes in are comments and mentions.

    `client_secret` may list several secrets, separated by commas: the first is ours now, the others still verify
    webhooks while a secret is being changed. `callback` is where our webhooks are received, as the platform sees it.
    """

    channel = Channel.LINKEDIN
    logins: tuple[Login, ...] = (Login.DIRECT,)
    uses_pkce = False
    abilities = frozenset({Ability.REFRESH})

    def __init__(self, settings: LinkedInSettings, callback: str) -> None:
        self.app = f"linkedin:{settings.client_id}"
        self._settings = settings
        self._callback = callback
        self._secrets = secrets_of(settings.client_secret)
        self._secret = self._secrets[0] if self._secrets else ""
        self._client = LinkedInClient(settings.api_url, settings.dialog_url, settings.version)

    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Return the answer to a validation challenge, or None to refuse it."""
        return signature.answer_challenge(query, self._secret)

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check X-LI-Signature over the raw bytes; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets)

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its notifications, in order; raise BodyMalformed."""
        return split(body)

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw notification; never raises."""
        return parse(kind, page_external_id, payload)

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the consent dialogue."""
        return oauth.authorize_url(self._settings, wanted)

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a grant of 60 days; raise PlatformCallFailed."""
        return await oauth.exchange_code(self._client, self._app_form(), exchange)

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Renew a grant; its refresh token stays, until 365 days after the first consent; raise PlatformCallFailed."""
        return await oauth.refresh(self._client, self._app_form(), account)

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Try the grant with a cheap call; raise PlatformCallFailed."""
        return await oauth.inspect(self._client, account)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """List the organisations on which the person has a role; raise PlatformCallFailed."""
        return await oauth.list_pages(self._client, account)

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the organisation's notifications, or renew them; raise PlatformCallFailed."""
        await subscribing.subscribe(self._client, page, self._settings.application_urn, self._callback)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether the notifications come to us for some days more; raise PlatformCallFailed."""
        return await subscribing.is_subscribed(self._client, page, self._settings.application_urn, self._callback)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the organisation's notifications; raise PlatformCallFailed."""
        await subscribing.unsubscribe(self._client, page, self._settings.application_urn)

    async def revoke(self, account: AccountCredentials) -> None:
        """Raise NotOffered: no call to give a grant back was found; the person takes it back in LinkedIn's settings."""
        raise NotOffered("a call that gives a grant back")

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one public reply (or, for partners, one member message) and classify the answer."""
        now = datetime.now(UTC)
        call = sending.call_for(page, message, partner=self._settings.partner, now=now)
        if isinstance(call, NotSent):
            return call
        answer = await attempt(self._client.call(call, deadline_s))
        if not isinstance(answer, Answer):
            return answer
        return sending.classify(answer, message, datetime.now(UTC))

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the comments in the organisation's name since then; raise PlatformCallFailed."""
        return await listing.list_messages(self._client, page, since)

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List comments and mentions since then, as their webhooks would have told them; raise PlatformCallFailed."""
        return await listing.backfill(self._client, page, since)

    async def aclose(self) -> None:
        """Close the shared HTTP client."""
        await self._client.aclose()

    def _app_form(self) -> Mapping[str, str]:
        return {"client_id": self._settings.client_id, "client_secret": self._secret}
