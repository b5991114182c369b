"""The ways to a token (RFC 6749, 7636, 8628), each as Authlib calls it. What is used up is locked before it is judged."""

from __future__ import annotations

import re
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant
from sqlalchemy.util import await_only

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthCodeRow, OAuthDeviceRow
from server.auth.oauth_rules import Secret
from server.auth.repository import oauth as repository
from server.auth.repository.oauth import Granted
from server.auth.service.oauth.clients import Client, Code, Device, RefreshToken
from server.auth.service.oauth.server import Server
from server.auth.service.oauth.wire import Request
from server.kit.ids import new_id
from server.tenants.uow import UnitOfWork

_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "none"]
"""How a client may prove itself where PUBLIC apps come too; a CONFIDENTIAL app is never let through by "none"."""
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


async def end_reused(uow: UnitOfWork, granted: Granted, what: str) -> None:
    """End the grant of a credential that came a second time: one of the two who hold it stole it (RFC 9700, 4.14)."""
    if await repository.revoke_grant(uow.session, uow.scope.organization_id, granted.grant.id):
        details = {"app": granted.grant.app_name, "member": granted.member.name, "reused": what}
        await audit.record(uow, Action.APP_GRANT_REUSE, granted.grant.id, details)


class OnlyS256(CodeChallenge):
    """PKCE for every client, with S256 and nothing else (RFC 9700, 2.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Refuse an authorization request without an S256 challenge."""
        asked = grant.request.payload.data
        if asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("This server demands PKCE with code_challenge_method S256.")
        if not _S256_CHALLENGE.fullmatch(asked.get("code_challenge", "")):
            raise InvalidRequestError("Send a code_challenge of 43 letters, as S256 gives them.")

    def validate_code_verifier(self, grant: CodeGrant, result: None) -> None:
        """Refuse an exchange without the verifier of the challenge."""
        if not _VERIFIER.fullmatch(grant.request.form.get("code_verifier", "")):
            raise InvalidRequestError("Send the code_verifier: 43 to 128 letters.")
        super().validate_code_verifier(grant, result)


class CodeGrant(AuthorizationCodeGrant):
    """Authorization code. A code is one of its app, lives for a minute and is exchanged once."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION
    request: Request
    server: Server

    @staticmethod
    def validate_authorization_redirect_uri(request: Request, client: Client) -> str:
        """Return the address of the request if it is registered; else nobody is sent there."""
        asked = request.payload.redirect_uri
        if not asked or not client.check_redirect_uri(asked):
            raise InvalidRequestError("The redirect_uri is not one of the registered ones, letter by letter.")
        return str(asked)

    def generate_authorization_code(self) -> str:
        """Make a code."""
        return rules.make_secret(Secret.CODE, self.server.organization_id)

    def save_authorization_code(self, code: str, request: Request) -> None:
        """Keep the hash of a code for the grant that the consent page made."""
        self.server.uow.session.add(
            OAuthCodeRow(
                organization_id=self.server.organization_id,
                id=new_id(),
                grant_id=request.user.grant.id,
                code_hash=self.server.digest(code),
                redirect_uri=request.payload.redirect_uri,
                code_challenge=request.payload.data["code_challenge"],
                expires_at=self.server.now + rules.CODE_LIFETIME,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Return the code if it may be exchanged. One that was exchanged already ends all that followed from it."""
        session, organization_id = self.server.uow.session, self.server.organization_id
        found = await_only(repository.lock_code(session, organization_id, client.app.id, self.server.digest(code)))
        if found is None:
            return None
        row, granted = found
        if row.used_at is not None:
            await_only(end_reused(self.server.uow, granted, "code"))
            return None
        return Code(row, granted) if row.expires_at > self.server.now and granted.is_live else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Mark the code as used; it is kept, so that a second use is recognised."""
        authorization_code.row.used_at = self.server.now

    def authenticate_user(self, authorization_code: Code) -> Granted:
        """Return the person with their grant."""
        return authorization_code.of


class Refresh(RefreshTokenGrant):
    """Refresh with rotation: each token is good for one use, and a second use ends the whole grant. There is no grace."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION
    INCLUDE_NEW_REFRESH_TOKEN = True
    server: Server

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken | None:
        """Return the token if it may be used."""
        server = self.server
        app_id, digest = self.request.client.app.id, server.digest(refresh_token)
        found = await_only(repository.lock_refresh_token(server.uow.session, server.organization_id, app_id, digest))
        if found is None:
            return None
        row, granted = found
        if row.used_at is not None:
            await_only(end_reused(server.uow, granted, "refresh token"))
            return None
        token = RefreshToken(row, granted, server.now)
        return None if token.is_expired() or token.is_revoked() else token

    def authenticate_user(self, refresh_token: RefreshToken) -> Granted:
        """Return the person with their grant."""
        return refresh_token.of

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """Mark the token as used; it is kept, so that a second use is recognised."""
        refresh_token.row.used_at = self.server.now
        refresh_token.row.replaced_by = None if self.server.newest is None else self.server.newest.id


class AsItself(ClientCredentialsGrant):
    """Client credentials: the app acts as itself, on its units, with at most its permissions."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class OnDevice(DeviceCodeGrant):
    """Device flow: what the device asks while the person makes up their mind elsewhere."""

    server: Server

    def query_device_credential(self, device_code: str) -> Device:
        """Return the device that holds the code; raise InvalidGrantError for a code that is unknown or was used."""
        session, organization_id = self.server.uow.session, self.server.organization_id
        row = await_only(repository.lock_device(session, organization_id, self.server.digest(device_code)))
        if row is None or row.used_at is not None:
            raise InvalidGrantError("There is no such device_code, or it was used.")
        return Device(row, self.server.now)

    def query_user_grant(self, user_code: OAuthDeviceRow) -> tuple[Granted | None, bool] | None:
        """Return what the person said; None while they have said nothing."""
        if user_code.decided_at is None:
            return None
        if user_code.grant_id is None:
            return None, False
        granted = await_only(self._granted(user_code.grant_id))
        return granted, granted is not None and granted.is_live

    async def _granted(self, grant_id: UUID) -> Granted | None:
        return await repository.granted(self.server.uow.session, self.server.organization_id, grant_id)

    def should_slow_down(self, credential: Device) -> bool:
        """Say whether the device polls faster than it was told, and slow it down from then on."""
        row, now = credential.row, self.server.now
        is_hasty = row.polled_at is not None and (now - row.polled_at).total_seconds() < row.interval_s
        row.polled_at = now
        if is_hasty:
            row.interval_s += rules.DEVICE_SLOWER_S
        return is_hasty

    def create_token_response(self) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Answer with tokens for what was granted, and use the code up."""
        row = self.request.credential.row
        granted: Granted = self.request.user
        row.used_at = self.server.now
        token = self.generate_token(user=granted, scope=rules.scope_of(rules.known(granted.grant.permissions)))
        return 200, token, self.TOKEN_RESPONSE_HEADER


def register(server: Server) -> None:
    """Teach the server every way there is."""
    server.register_grant(CodeGrant, [OnlyS256(required=True)])
    for kind in (Refresh, AsItself, OnDevice):
        server.register_grant(kind)
