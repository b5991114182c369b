"""Facebook's consent dialogue and the exchange of its code, for all that hangs on Facebook pages (platforms.md 1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from server.config import MessengerSettings
from server.platforms.meta import subscribing
from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.meta.pages import granted_scopes
from server.platforms.port import AccountCredentials, FailureReason, Grant, Login, PlatformCallFailed, Tokens
from server.platforms.wire.granted import tokens_of
from server.platforms.wire.http import path
from server.platforms.wire.reading import identifier, text


def dialogue_url(settings: MessengerSettings, state: str, redirect_uri: str, scopes: Sequence[str]) -> str:
    """Return the address of the consent dialogue for these permissions."""
    query = {
        "client_id": settings.app_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "response_type": "code",
        "scope": ",".join(scopes),
    }
    return f"{settings.dialog_url.rstrip('/')}/{settings.graph_version}/dialog/oauth?{urlencode(query)}"


async def exchange_code(client: GraphClient, app_id: str, app_secret: str, code: str, redirect_uri: str) -> Grant:
    """Trade a code for a token of about 60 days; raise PlatformCallFailed (AUTH if the code is refused)."""
    app = {"client_id": app_id, "client_secret": app_secret}
    short = await _token(client, {**app, "redirect_uri": redirect_uri, "code": code})
    long = await _token(client, {**app, "grant_type": "fb_exchange_token", "fb_exchange_token": short.access_token})
    person = await ask(client, GraphCall("GET", "me", long.access_token, {"fields": "id,name"}))
    external_id = identifier(person.get("id"))
    if external_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the person has no id", retryable=True)
    return Grant(
        person_external_id=external_id,
        person_name=text(person.get("name")) or "",
        access_token=long.access_token,
        login=Login.FACEBOOK,
        scopes=await granted_scopes(client, long.access_token),
        expires_at=long.expires_at,
    )


async def revoke(client: GraphClient, account: AccountCredentials) -> None:
    """De-authorise the app for the person (platforms.md 1.1): all tokens of it end, those of its pages too."""
    await subscribing.delete(client, path(account.person_external_id, "permissions"), account.token)


async def _token(client: GraphClient, params: dict[str, str]) -> Tokens:
    """Ask for a token; a page of the docs gives the lifetime in seconds, 0 or nothing means that it does not end."""
    try:
        body = await ask(client, GraphCall("GET", path("oauth", "access_token"), params=params))
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.BAD_CONTENT:
            raise PlatformCallFailed(FailureReason.AUTH, problem.detail) from None
        raise
    return tokens_of(body)
