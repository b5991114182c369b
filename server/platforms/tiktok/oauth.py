"""Connecting: the consent dialogue, its code, the rotating refresh token, and the one account it reaches (platforms.md 6.1).

The app is called client key in the dialogue, client id where tokens are traded, and app id where one is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson

from server.platforms.port import (
    AccountCredentials,
    AuthorizeRequest,
    CodeExchange,
    FailureReason,
    FoundPage,
    Grant,
    GrantState,
    PlatformCallFailed,
    Tokens,
)
from server.platforms.tiktok.asking import ask
from server.platforms.tiktok.client import TikTokClient, get, post
from server.platforms.wire.granted import scopes_of, tokens_of
from server.platforms.wire.reading import Json, identifier, text

SCOPES = (
    "user.info.basic",
    "user.info.username",
    "user.info.profile",
    "user.info.stats",
    "user.account.type",
    "user.insights",
    "message.list.read",
    "message.list.send",
    "message.list.manage",
)
NEEDED_SCOPES = frozenset({"user.info.basic", "message.list.read", "message.list.send", "message.list.manage"})
"""Without these no message comes or goes; the others tell more about the account."""
# What a refused code or refresh token is told with beside 40105. "No permission" is about our app and an unknown answer about
# nothing for sure: taking those for a dead grant would make every account be connected anew because of one wrong setting.
_REFUSED = frozenset({FailureReason.BAD_CONTENT, FailureReason.BLOCKED_BY_CONTACT, FailureReason.WINDOW_CLOSED})


@dataclass(frozen=True, slots=True)
class App:
    """Our app: its key, and the secret that proves it."""

    key: str
    secret: str = field(repr=False)

    @property
    def proof(self) -> Json:
        """Name and secret, as the token endpoints want them."""
        return {"client_id": self.key, "client_secret": self.secret}


def authorize_url(dialog_url: str, app: App, wanted: AuthorizeRequest) -> str:
    """Return the address of the consent dialogue; scopes are separated by commas, and there is no PKCE."""
    query = {
        "response_type": "code",
        "client_key": app.key,
        "redirect_uri": wanted.redirect_uri,
        "scope": ",".join(SCOPES),
        "state": wanted.state,
    }
    return f"{dialog_url.rstrip('/')}/v2/auth/authorize?{urlencode(query)}"


async def exchange_code(client: TikTokClient, app: App, exchange: CodeExchange) -> Grant:
    """Trade a code for a grant; raise PlatformCallFailed (AUTH if the code is refused).

    The code works once, so an account that does not tell its name is granted all the same.
    """
    body = app.proof | {
        "grant_type": "authorization_code",
        "auth_code": exchange.code,
        "redirect_uri": exchange.redirect_uri,
    }
    data = await _traded(client, "tt_user/oauth2/token", body)
    tokens = tokens_of(data)
    open_id = identifier(data.get("open_id"))
    if open_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer names no account", retryable=True)
    return Grant(
        person_external_id=open_id,
        person_name=await _name_or_nothing(client, open_id, tokens.access_token),
        access_token=tokens.access_token,
        scopes=scopes_of(data.get("scope")),
        expires_at=tokens.expires_at,
        refresh_token=tokens.refresh_token,
        refresh_expires_at=tokens.refresh_expires_at,
        login=exchange.login,
    )


async def refresh(client: TikTokClient, app: App, account: AccountCredentials) -> Tokens:
    """Renew a grant; raise PlatformCallFailed (AUTH: dead). The refresh token that was given is void afterwards."""
    if not account.refresh_token:
        raise PlatformCallFailed(FailureReason.AUTH, "the grant has no refresh token")
    body = app.proof | {"grant_type": "refresh_token", "refresh_token": account.refresh_token}
    return tokens_of(await _traded(client, "tt_user/oauth2/refresh_token", body))


async def revoke(client: TikTokClient, app: App, account: AccountCredentials) -> None:
    """End the grant at the platform; a token that is dead already has nothing left to end; raise PlatformCallFailed."""
    try:
        await ask(client, post("tt_user/oauth2/revoke", None, app.proof | {"access_token": account.token}))
    except PlatformCallFailed as problem:
        if problem.reason is not FailureReason.AUTH:
            raise


async def inspect(client: TikTokClient, app: App, account: AccountCredentials) -> GrantState:
    """Ask which scopes a token has; raise PlatformCallFailed. The platform does not tell here when it ends."""
    try:
        held = await _held_scopes(client, app, account.token)
    except PlatformCallFailed as problem:
        if problem.reason is not FailureReason.AUTH:
            raise
        return GrantState(is_valid=False, detail=problem.detail[:200])
    return GrantState(is_valid=True, missing_scopes=tuple(sorted(NEEDED_SCOPES - held)))


async def list_pages(client: TikTokClient, app: App, account: AccountCredentials) -> list[FoundPage]:
    """Return the one account of the login; raise PlatformCallFailed (PERMISSION: no business account, or its region)."""
    open_id = account.person_external_id
    name = await _name(client, open_id, account.token)
    missing = NEEDED_SCOPES - await _held_scopes(client, app, account.token)
    return [
        FoundPage(
            external_id=open_id,
            name=name,
            page_token=None,
            tasks=(),
            missing_permissions=tuple(sorted(missing)),
        )
    ]


async def _traded(client: TikTokClient, path: str, body: Json) -> Json:
    try:
        return await ask(client, post(path, None, body))
    except PlatformCallFailed as problem:
        if problem.retryable or problem.reason not in _REFUSED:
            raise
        raise PlatformCallFailed(FailureReason.AUTH, problem.detail) from None


async def _held_scopes(client: TikTokClient, app: App, token: str) -> frozenset[str]:
    body: Json = {"app_id": app.key, "access_token": token}
    told = await ask(client, post("tt_user/token_info/get", token, body))
    return frozenset(scopes_of(told.get("scope")))


async def _name(client: TikTokClient, open_id: str, token: str) -> str:
    fields = orjson.dumps(["username", "display_name", "profile_image"]).decode()
    data = await ask(client, get("business/get", token, {"business_id": open_id, "fields": fields}))
    return text(data.get("display_name")) or text(data.get("username")) or open_id


async def _name_or_nothing(client: TikTokClient, open_id: str, token: str) -> str:
    try:
        return await _name(client, open_id, token)
    except PlatformCallFailed:
        return ""
