"""Our rows as Authlib wants to see them: clients, codes, refresh tokens and devices."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc8628 import DeviceCredentialMixin

from server.auth import oauth_rules as rules
from server.auth.models import AccessTokenRow
from server.auth.oauth_models import OAuthAppRow, OAuthCodeRow, OAuthDeviceRow, OAuthRefreshTokenRow
from server.auth.oauth_rules import AppKind
from server.auth.repository.oauth import Granted
from server.kit.crypto import keyed_hash
from server.tenants.rules import Permission


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):
    """A registered app. `pepper` keys the hashes of its secrets; `now` is the database's time."""

    app: OAuthAppRow
    pepper: str
    now: datetime

    def get_client_id(self) -> str:
        """Return the public id."""
        return rules.client_id(self.app.organization_id, self.app.id)

    def get_default_redirect_uri(self) -> None:
        """Return none: a request always names its address, so that nobody relies on a guess."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Cut a scope to what the app may have, all of it without a scope; None if that leaves nothing."""
        ceiling = rules.known(self.app.permissions)
        asked = ceiling if not scope else rules.permissions_of(scope)
        return rules.scope_of(asked & ceiling) or None if asked is not None else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Say whether the address is registered."""
        return rules.is_registered(self.app.kind, self.app.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Compare with the secret and, for a while after a rotation, with the one before, in constant time."""
        given = keyed_hash(self.pepper, client_secret)
        is_newest = hmac.compare_digest(given, self.app.secret_hash or b"")
        is_former = hmac.compare_digest(given, self.app.former_secret_hash or b"")
        until = self.app.former_secret_until
        return is_newest or (is_former and until is not None and until > self.now)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Let a CONFIDENTIAL app use its secret and nothing else, at every endpoint."""
        return (method == "none") is (self.app.kind is AppKind.PUBLIC)

    def check_response_type(self, response_type: str) -> bool:
        """Allow the code flow to apps that are registered for it."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Say whether the app is registered for a grant type."""
        known = rules.WIRE_GRANTS.get(grant_type)
        return known is not None and known.value in self.app.grant_types


@dataclass(frozen=True, slots=True)
class Code(AuthorizationCodeMixin):
    """An authorization code that may be exchanged."""

    row: OAuthCodeRow
    of: Granted

    @property
    def code_challenge(self) -> str:
        """Return the S256 challenge (RFC 7636)."""
        return self.row.code_challenge

    @property
    def code_challenge_method(self) -> str:
        """Return the one method there is."""
        return "S256"

    def get_redirect_uri(self) -> str:
        """Return the address of the authorization request, which the exchange must repeat."""
        return self.row.redirect_uri

    def get_scope(self) -> str:
        """Return what was granted."""
        return rules.scope_of(rules.known(self.of.grant.permissions))


@dataclass(frozen=True, slots=True)
class RefreshToken(TokenMixin):
    """A refresh token of the app that asks."""

    row: OAuthRefreshTokenRow
    of: Granted
    now: datetime

    def check_client(self, client: Client) -> bool:
        """Say whether the token is this app's."""
        return self.of.grant.app_id == client.app.id

    def get_scope(self) -> str:
        """Return what was granted."""
        return rules.scope_of(rules.known(self.of.grant.permissions))

    def is_expired(self) -> bool:
        """Say whether it was not used for too long."""
        return self.row.expires_at <= self.now

    def is_revoked(self) -> bool:
        """Say whether it was used, or its grant or person has ended."""
        return self.row.used_at is not None or not self.of.is_live


@dataclass(frozen=True, slots=True)
class AccessToken(TokenMixin):
    """An access token of the app that asks. `permissions` are those of a request with it now; None if it is of no use."""

    row: AccessTokenRow
    permissions: frozenset[Permission] | None

    def check_client(self, client: Client) -> bool:
        """Say whether the token is this app's."""
        return self.row.app_id == client.app.id

    def is_expired(self) -> bool:
        """Say whether it is of no use, for whatever reason."""
        return self.permissions is None

    def is_revoked(self) -> bool:
        """Say whether it is of no use, for whatever reason."""
        return self.permissions is None


@dataclass(frozen=True, slots=True)
class Device(DeviceCredentialMixin):
    """A device that polls."""

    row: OAuthDeviceRow
    now: datetime

    def get_client_id(self) -> str:
        """Return the public id of the app on the device."""
        return rules.client_id(self.row.organization_id, self.row.app_id)

    def get_scope(self) -> str:
        """Return what the device asked for; what was granted is told with the token."""
        return rules.scope_of(rules.known(self.row.permissions))

    def get_user_code(self) -> OAuthDeviceRow:
        """Return the row itself: the code is stored as a hash, and the row knows the answer."""
        return self.row

    def is_expired(self) -> bool:
        """Say whether the time to answer is over."""
        return self.row.expires_at <= self.now
