"""Authlib's authorization server over one unit of work.

Authlib is synchronous. It runs inside `AsyncSession.run_sync`, where `await_only` hands a coroutine of ours to the event
loop and waits for it: no thread, no second connection, the same transaction and the same walls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from authlib.oauth2 import rfc9207
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidClientError, InvalidScopeError, OAuth2Error
from sqlalchemy.util import await_only

from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow, OAuthRefreshTokenRow
from server.auth.oauth_rules import Secret
from server.auth.repository import oauth as repository
from server.auth.repository.oauth import Granted
from server.auth.service.lineage import Parent
from server.auth.service.oauth.clients import Client
from server.auth.service.oauth.wire import Asked, Reply, Request, refusal
from server.auth.service.tokens import NewToken, mint
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.rules import Permission
from server.tenants.scope import CredentialKind, worker_scope
from server.tenants.uow import UnitOfWork, begin

# Authlib writes whole tokens to its log when it is told to be verbose.
logging.getLogger("authlib").setLevel(logging.WARNING)


class Endpoint(StrEnum):
    """What an app asks for without a person; the values are Authlib's names."""

    TOKEN = "token"  # noqa: S105 - the name of an endpoint
    REVOCATION = "revocation"
    INTROSPECTION = "introspection"
    DEVICE = "device_authorization"


def issuer_of(settings: Settings) -> str:
    """Return the issuer identifier (RFC 8414, 2; RFC 9207, 2): our public address without a slash at its end."""
    return settings.web.public_url.rstrip("/")


class _Issuer(rfc9207.IssuerParameter):
    def __init__(self, server: Server) -> None:
        self._issuer = server.issuer
        super().__call__(server)

    def get_issuer(self) -> str:
        return self._issuer


class Server(AuthorizationServer):
    """One organization's authorization server, for the length of one unit of work in its worker scope."""

    def __init__(self, uow: UnitOfWork, settings: Settings) -> None:
        super().__init__(scopes_supported=[one.value for one in Permission])
        self.uow = uow
        self.organization_id = uow.scope.organization_id
        self.issuer = issuer_of(settings)
        self.security = settings.security
        self.now = await_only(uow.now())
        self.newest: OAuthRefreshTokenRow | None = None
        self.register_token_generator("default", self._make_tokens)
        self.register_extension(_Issuer)

    def digest(self, secret: str) -> bytes:
        """Return the keyed hash under which a credential is stored."""
        return keyed_hash(self.security.pepper.get_secret_value(), secret)

    def query_client(self, client_id: str) -> Client | None:
        """Return the app of this organization that a client id names, unless archived."""
        named = rules.read_client_id(client_id)
        if named is None or named[0] != self.organization_id:
            return None
        app = await_only(repository.app(self.uow.session, *named))
        return None if app is None else Client(app, self.security.pepper.get_secret_value(), self.now)

    def create_oauth2_request(self, request: Request) -> Request:
        """Return the request: it was written in Authlib's terms when it came in."""
        return request

    def handle_response(
        self, status: int, body: Mapping[str, object] | str, headers: Sequence[tuple[str, str]]
    ) -> Reply:
        """Return the answer."""
        return Reply(status, body, dict(headers))

    def send_signal(self, name: str, *_args: object, **_kwargs: object) -> None:
        """Tell nobody: what follows from an act is done where it happens."""

    def save_token(self, token: dict[str, object], request: Request) -> None:
        """Do nothing: tokens are stored, as hashes, where they are made."""

    def _make_tokens(
        self,
        grant_type: str,
        client: Client,
        user: Granted | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, object]:
        allowed, lifetime = client.get_allowed_scope(scope), self._until_end(client.app, rules.ACCESS_LIFETIME)
        if allowed is None:  # the app may less by now than the person once granted
            raise InvalidScopeError
        wanted = NewToken(
            CredentialKind.OAUTH,
            client.app.name,
            None if user is None else user.member.id,
            client.app.unit_ids if user is None else user.grant.unit_ids,
            rules.permissions_of(allowed),
            lifetime,
            app_id=client.app.id,
            grant_id=None if user is None else user.grant.id,
            parent=Parent(maker_id=client.app.owner_id if user is None else user.member.id),
        )
        _, secret = await_only(mint(self.uow, self.security, wanted))
        made: dict[str, object] = {
            "token_type": "Bearer",
            "access_token": secret,
            "expires_in": int(lifetime.total_seconds()),
            "scope": allowed,
        }
        if user is not None and include_refresh_token and client.check_grant_type("refresh_token"):
            made["refresh_token"] = self._make_refresh_token(user.grant, client.app)
        return made

    def _make_refresh_token(self, grant: OAuthGrantRow, app: OAuthAppRow) -> str:
        secret = rules.make_secret(Secret.REFRESH, self.organization_id)
        self.newest = OAuthRefreshTokenRow(
            organization_id=self.organization_id,
            id=new_id(),
            grant_id=grant.id,
            token_hash=self.digest(secret),
            expires_at=self.now + self._until_end(app, rules.REFRESH_LIFETIME),
        )
        self.uow.session.add(self.newest)
        return secret

    def _until_end(self, app: OAuthAppRow, lifetime: timedelta) -> timedelta:
        """Cut a lifetime to what is left of the app's own."""
        return lifetime if app.expires_at is None else min(lifetime, app.expires_at - self.now)


async def within(
    database: Database, settings: Settings, asked: Asked, handle: Callable[[UnitOfWork, Request], Reply]
) -> Reply:
    """Open a unit of work in the organization that the client id names, and let `handle` answer inside of Authlib's bridge.

    An OAuth2Error that is raised rolls back; one that Authlib turned into an answer is committed, so that a reuse that was
    found stays found.
    """
    try:
        asked.check()
        named = rules.read_client_id(asked.client_id() or "")
        if named is None:
            raise InvalidClientError(description="There is no such client.", status_code=401)
        request = Request(asked, issuer_of(settings))
        async with begin(database, worker_scope(named[0])) as uow:
            return await uow.session.run_sync(lambda _session: handle(uow, request))
    except OAuth2Error as error:
        return refusal(error)
