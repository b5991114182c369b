"""The Instagram connector: the port's verbs for both logins, each carried out by the module beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from server.config import InstagramSettings, MessengerSettings
from server.platforms.instagram import facebook, listing, oauth, profile, sending, subscribing
from server.platforms.instagram.hosts import Hosts, edge
from server.platforms.instagram.parse import parse
from server.platforms.instagram.split import split
from server.platforms.meta import callbacks, inspecting, login, signature, uploading
from server.platforms.meta.asking import ask
from server.platforms.meta.sending import act_of, classify, signal_call
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
    MediaFile,
    NotOffered,
    NotSent,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    Profile,
    RawEvent,
    Signal,
    SignedCallback,
    Tokens,
    UploadedMedia,
)
from server.platforms.wire.base import Unoffering
from server.platforms.wire.calling import attempt
from server.platforms.wire.http import Answer

_SIGNAL_DEADLINE_S = 5.0


class InstagramConnector(Unoffering):
    """Instagram behind the port, for accounts that signed in at Instagram and for those behind Facebook pages.

    The first have an app of their own, the others use Messenger's, so webhooks and callbacks are signed with either secret.
    `app` names Instagram's own app: quotas of the app count calls of the direct login, see `sending` for the others.
    """

    channel = Channel.INSTAGRAM
    abilities = frozenset({Ability.REFRESH, Ability.SIGNED_CALLBACKS})

    def __init__(self, own: InstagramSettings, facebook_app: MessengerSettings) -> None:
        self._own = own
        self._facebook = facebook_app
        self._hosts = Hosts(own, facebook_app)
        apps = {Login.DIRECT: self._hosts.own, Login.FACEBOOK: self._hosts.facebook}
        self.logins: tuple[Login, ...] = tuple(name for name, app in apps.items() if app.is_configured)
        self.app = f"instagram:{own.app_id}"

    def answer_handshake(self, query: Mapping[str, str]) -> Handshake | None:
        """Return the challenge of a subscription handshake of either app, or None to refuse it."""
        answers = [
            signature.answer_handshake(query, one.verify_token.get_secret_value())
            for one in (self._own, self._facebook)
        ]
        return next((answer for answer in answers if answer is not None), None)

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check X-Hub-Signature-256 over the raw bytes with the secrets of both apps; raise SignatureInvalid."""
        signature.verify(headers, body, self._secrets())

    def split(self, body: bytes) -> list[RawEvent]:
        """Split a verified body into its items, in order; raise BodyMalformed."""
        return split(body)

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Read one raw item; never raises."""
        return parse(kind, page_external_id, payload)

    def read_callback(self, form: Mapping[str, str]) -> SignedCallback:
        """Verify the `signed_request` of a callback of either app; raise SignatureInvalid."""
        return callbacks.read(form, self._secrets())

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Return the address of the consent dialogue of the wanted login."""
        if wanted.login is Login.FACEBOOK:
            return login.dialogue_url(self._facebook, wanted.state, wanted.redirect_uri, facebook.SCOPES)
        return oauth.authorize_url(self._own, wanted.state, wanted.redirect_uri)

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Trade a code for a grant of about 60 days; raise PlatformCallFailed."""
        if exchange.login is Login.DIRECT:
            return await oauth.exchange_code(self._hosts, exchange)
        app = self._hosts.facebook
        return await login.exchange_code(self._hosts.graph, app.id, app.secret, exchange.code, exchange.redirect_uri)

    async def refresh(self, account: AccountCredentials) -> Tokens:
        """Renew a grant of the direct login; Facebook's has no refresh, its person must log in again (platforms.md 1.1)."""
        if account.login is Login.FACEBOOK:
            raise NotOffered("a refresh of grants that came through Facebook")
        return await oauth.refresh(self._hosts, account)

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Ask how well a grant is; raise PlatformCallFailed."""
        if account.login is Login.DIRECT:
            return await oauth.inspect(self._hosts, account)
        app = self._hosts.facebook
        app_token = f"{app.id}|{app.secret}"
        return await inspecting.inspect(self._hosts.graph, app_token, account.token, facebook.NEEDED_SCOPES)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """List every account the grant reaches, each once; raise PlatformCallFailed."""
        if account.login is Login.FACEBOOK:
            return await facebook.list_pages(self._hosts, account)
        return await oauth.list_pages(self._hosts, account)

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe the account's webhooks; raise PlatformCallFailed."""
        await subscribing.subscribe(self._hosts, page)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Ask whether our app still has the account's webhooks; raise PlatformCallFailed."""
        return await subscribing.is_subscribed(self._hosts, page)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End the account's webhooks; raise PlatformCallFailed."""
        await subscribing.unsubscribe(self._hosts, page)

    async def revoke(self, account: AccountCredentials) -> None:
        """Take the app off the person; raise PlatformCallFailed. No call of the direct login does that: it ends by itself."""
        if account.login is Login.DIRECT:
            raise NotOffered("giving a grant back: the person removes the app in Instagram, or it ends after 60 days")
        await login.revoke(self._hosts.graph, account)

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Send one message and classify the answer; only a cancellation is raised."""
        call = sending.call_for(page, message, datetime.now(UTC))
        if isinstance(call, NotSent):
            return call
        answer = await attempt(self._hosts.of_page(page).call(call, deadline_s))
        if not isinstance(answer, Answer):
            return answer
        outcome = classify(answer, act_of(message), sending.READER, datetime.now(UTC))
        return sending.counted(outcome, page.login)

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Hand a file over, to be named in messages later; raise PlatformCallFailed (BAD_CONTENT: refused)."""
        platform = "instagram" if page.login is Login.FACEBOOK else None
        where = edge(page, "message_attachments")
        return await uploading.upload(self._hosts.of_page(page), where, page, media, platform=platform)

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Show typing or a read mark; raise PlatformCallFailed."""
        await ask(self._hosts.of_page(page), signal_call(page, edge(page, "messages"), signal), _SIGNAL_DEADLINE_S)

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """List the account's messages since then, both directions; raise PlatformCallFailed."""
        return await listing.list_messages(self._hosts, page, since)

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """List what the account's conversations hold since then, as their webhooks would have told it."""
        return await listing.backfill(self._hosts, page, since)

    async def read_profile(self, page: PageCredentials, person_external_id: str) -> Profile | None:
        """Read a person's name; raise PlatformCallFailed."""
        return await profile.read_profile(self._hosts, page, person_external_id)

    async def aclose(self) -> None:
        """Close the shared HTTP clients."""
        await self._hosts.aclose()

    def _secrets(self) -> tuple[str, ...]:
        return (*self._hosts.own.secrets, *self._hosts.facebook.secrets)
