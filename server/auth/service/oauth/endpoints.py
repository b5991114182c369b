"""The endpoints that apps call by themselves: token, revocation, introspection, device authorization, metadata."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint
from sqlalchemy.util import await_only

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthDeviceRow
from server.auth.oauth_rules import Secret
from server.auth.repository import oauth as repository
from server.auth.repository import tokens as token_repository
from server.auth.service.oauth.clients import AccessToken, Client, RefreshToken
from server.auth.service.oauth.grant_types import register
from server.auth.service.oauth.server import Endpoint, Server, issuer_of, within
from server.auth.service.oauth.wire import Asked, Reply, Request
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MEMBER_PREFIX = "mem"
"""The prefix of a member's id, as the GraphQL schema writes it."""
_BOTH = ["client_secret_basic", "client_secret_post"]


async def answer(database: Database, settings: Settings, endpoint: Endpoint, asked: Asked) -> Reply:
    """Answer an app at one of its endpoints, in the form of that endpoint's RFC. Nothing is raised for a bad request."""

    def handle(uow: UnitOfWork, request: Request) -> Reply:
        server = Server(uow, settings)
        register(server)
        for one in (Revocation, Introspection, DeviceAuthorization):
            server.register_endpoint(one)
        if endpoint is Endpoint.TOKEN:
            reply: Reply = server.create_token_response(request)
        else:
            reply = server.create_endpoint_response(endpoint.value, request)
        return reply

    return await within(database, settings, asked, handle)


def _token_of(server: Server, client: Client, text: str) -> AccessToken | RefreshToken | None:
    """Return a token of this app, whatever its state; the hint of the request is not needed to find it."""
    session, organization_id, digest = server.uow.session, server.organization_id, server.digest(text)
    row = await_only(repository.access_token(session, organization_id, client.app.id, digest))
    if row is not None:
        live = await_only(token_repository.live_token(session, organization_id, digest))
        if live is None or live.actor is None:
            return AccessToken(row, None)
        return AccessToken(row, rules.known(live.permissions or ()))
    found = await_only(repository.lock_refresh_token(session, organization_id, client.app.id, digest))
    return None if found is None else RefreshToken(*found, server.now)


class Revocation(RevocationEndpoint):
    """RFC 7009. An access token ends alone; a refresh token ends its grant, with everything that followed from it."""

    CLIENT_AUTH_METHODS = (*_BOTH, "none")
    server: Server

    def check_params(self, request: Request, client: Client) -> None:
        """Ask for a token; a hint that we do not know is ignored (RFC 7009, 2.1)."""
        if "token" not in request.form:
            raise InvalidRequestError("Missing 'token' in request.")

    def authenticate_token(self, request: Request, client: Client) -> AccessToken | RefreshToken | None:
        """Return the token if it is this app's; another's is as unknown as a random text."""
        self.check_params(request, client)
        return _token_of(self.server, client, request.form["token"])

    def revoke_token(self, token: AccessToken | RefreshToken, request: Request) -> None:
        """End it."""
        await_only(_revoke(self.server.uow, token))


async def _revoke(uow: UnitOfWork, token: AccessToken | RefreshToken) -> None:
    tenants.announce_access(uow)
    if isinstance(token, AccessToken):
        await token_repository.revoke(uow.session, uow.scope.organization_id, token.row.id)
        await audit.record(uow, Action.TOKEN_REVOKE, token.row.id, {"name": token.row.name})
    elif await repository.revoke_grant(uow.session, uow.scope.organization_id, token.of.grant.id):
        await audit.record(uow, Action.APP_GRANT_REVOKE, token.of.grant.id, {"app": token.of.grant.app_name})


class Introspection(IntrospectionEndpoint):
    """RFC 7662, for CONFIDENTIAL apps about their own tokens. Every other token is inactive, whatever it is."""

    CLIENT_AUTH_METHODS = _BOTH
    server: Server
    client_id = ""

    def check_params(self, request: Request, client: Client) -> None:
        """Ask for a token; a hint that we do not know is ignored."""
        if "token" not in request.form:
            raise InvalidRequestError("Missing 'token' in request.")

    def authenticate_token(self, request: Request, client: Client) -> AccessToken | RefreshToken | None:
        """Return the token if it is this app's."""
        self.check_params(request, client)
        self.client_id = client.get_client_id()
        return _token_of(self.server, client, request.form["token"])

    def introspect_token(self, token: AccessToken | RefreshToken) -> dict[str, object]:
        """Tell what a live token is good for at this moment."""
        client_id = self.client_id
        ends_at = token.row.expires_at
        told: dict[str, object] = {
            "client_id": client_id,
            "iss": self.server.issuer,
            "iat": round(token.row.created_at.timestamp()),
            "exp": None if ends_at is None else round(ends_at.timestamp()),
            "sub": client_id,
        }
        if isinstance(token, RefreshToken):
            return told | {"scope": token.get_scope(), "sub": encode(MEMBER_PREFIX, token.of.member.id)}
        if token.row.member_id is not None:
            told["sub"] = encode(MEMBER_PREFIX, token.row.member_id)
        return told | {"token_type": "Bearer", "scope": rules.scope_of(token.permissions or ())}


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """RFC 8628, 3.1: a device asks for two codes, one for itself and one for the eyes of a person."""

    EXPIRES_IN = round(rules.DEVICE_LIFETIME.total_seconds())
    INTERVAL = rules.DEVICE_INTERVAL_S
    server: Server

    def authenticate_client(self, request: Request) -> Client:
        """Return the app if it is registered for devices and may have something of what it asks for."""
        client: Client = super().authenticate_client(request)
        if not client.check_grant_type("urn:ietf:params:oauth:grant-type:device_code"):
            raise UnauthorizedClientError("The client is not registered for the device flow.")
        if client.get_allowed_scope(request.payload.scope) is None:
            raise InvalidScopeError
        return client

    def generate_device_code(self) -> str:
        """Make the code that the device keeps."""
        return rules.make_secret(Secret.DEVICE, self.server.organization_id)

    def get_verification_uri(self) -> str:
        """Return where people type the other one."""
        return f"{self.server.issuer}/device"

    def save_device_credential(self, client_id: str, scope: str | None, data: dict[str, str]) -> None:
        """Keep the hashes of both codes."""
        client = self.server.query_client(client_id)
        letters = rules.plain_user_code(data["user_code"])
        if client is None or letters is None:
            raise InvalidRequestError
        permissions = rules.permissions_of(client.get_allowed_scope(scope) or "") or frozenset()
        self.server.uow.session.add(
            OAuthDeviceRow(
                organization_id=self.server.organization_id,
                id=new_id(),
                app_id=client.app.id,
                device_hash=self.server.digest(data["device_code"]),
                user_code_hash=self.server.digest(letters),
                permissions=sorted(one.value for one in permissions),
                interval_s=rules.DEVICE_INTERVAL_S,
                expires_at=self.server.now + rules.DEVICE_LIFETIME,
            )
        )


def metadata(settings: Settings) -> dict[str, object]:
    """Describe the server (RFC 8414), as apps look it up before anything else."""
    issuer = issuer_of(settings)
    told = AuthorizationServerMetadata(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/oauth2/authorize",
            "token_endpoint": f"{issuer}/oauth2/token",
            "revocation_endpoint": f"{issuer}/oauth2/revoke",
            "introspection_endpoint": f"{issuer}/oauth2/introspect",
            "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
            "scopes_supported": [one.value for one in Permission],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(rules.WIRE_GRANTS),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [*_BOTH, "none"],
            "revocation_endpoint_auth_methods_supported": [*_BOTH, "none"],
            "introspection_endpoint_auth_methods_supported": _BOTH,
            "authorization_response_iss_parameter_supported": True,
        }
    )
    return dict(told)
