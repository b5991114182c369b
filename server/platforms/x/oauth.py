"""Connecting: OAuth 2.0 with PKCE, tokens of two hours, refresh tokens that work once (platforms.md 4.1, RFC 7636)."""

from __future__ import annotations

from urllib.parse import urlencode

from server.config import XSettings
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
from server.platforms.wire.granted import scopes_of, tokens_of
from server.platforms.wire.http import Answer, BadToken, bearer, path
from server.platforms.wire.reading import Json, identifier, mapping, text
from server.platforms.wire.refusals import shown
from server.platforms.x.asking import ask, failure_of, reach
from server.platforms.x.client import FORM, XCall, XClient, form

SCOPES = ("dm.read", "dm.write", "tweet.read", "users.read", "offline.access", "media.write")
NEEDED_SCOPES = frozenset({"dm.read", "dm.write", "tweet.read", "users.read", "offline.access"})
"""Without these no message comes or goes, or the grant ends after two hours; media.write switches media on."""
_DEAD = frozenset({"invalid_grant", "invalid_request", "invalid_token"})
_OF_THE_APP = frozenset({"invalid_client", "unauthorized_client"})


def authorize_url(settings: XSettings, wanted: AuthorizeRequest) -> str:
    """Return the address of the consent dialogue; raise ValueError without a challenge, which X requires."""
    if not wanted.code_challenge:
        raise ValueError("X needs a code challenge (PKCE)")
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": wanted.redirect_uri,
        "scope": " ".join(SCOPES),
        "state": wanted.state,
        "code_challenge": wanted.code_challenge,
        "code_challenge_method": "S256",
    }
    return f"{settings.dialog_url.rstrip('/')}/i/oauth2/authorize?{urlencode(query)}"


async def exchange_code(client: XClient, exchange: CodeExchange) -> Grant:
    """Trade a code, which lives 30 seconds, for a grant; raise PlatformCallFailed (AUTH if the code is refused)."""
    fields = {
        "grant_type": "authorization_code",
        "code": exchange.code,
        "redirect_uri": exchange.redirect_uri,
        "code_verifier": exchange.code_verifier or "",
    }
    body = await _token(client, fields)
    tokens = tokens_of(body)
    account = await _me(client, tokens.access_token)
    return Grant(
        person_external_id=account.external_id,
        person_name=account.name,
        access_token=tokens.access_token,
        scopes=scopes_of(body.get("scope")),
        expires_at=tokens.expires_at,
        refresh_token=tokens.refresh_token,
    )


async def refresh(client: XClient, account: AccountCredentials) -> Tokens:
    """Renew a grant. The refresh token that was given is void afterwards, so the answer must be stored before use.

    Raise PlatformCallFailed (AUTH: the grant is dead). If the answer is lost the platform may have rotated all the same,
    and the next try then says AUTH; nothing on the wire can prevent that.
    """
    if not account.refresh_token:
        raise PlatformCallFailed(FailureReason.AUTH, "the grant has no refresh token: offline.access was not granted")
    body = await _token(client, {"grant_type": "refresh_token", "refresh_token": account.refresh_token})
    return tokens_of(body)


async def list_pages(client: XClient, token: str) -> list[FoundPage]:
    """Return the one account that a login is; it is called with the grant's own token."""
    return [await _me(client, token)]


async def inspect(client: XClient, token: str) -> GrantState:
    """Ask who the token is; X tells neither its end nor its scopes. Raise PlatformCallFailed if it could not say."""
    try:
        await _me(client, token)
    except PlatformCallFailed as failure:
        if failure.reason is FailureReason.AUTH:
            return GrantState(is_valid=False, detail=failure.detail)
        raise
    return GrantState(is_valid=True)


async def revoke(client: XClient, account: AccountCredentials) -> None:
    """Give both tokens of a grant back; one that is dead already is no failure. Raise PlatformCallFailed."""
    named = [(account.refresh_token, "refresh_token"), (account.token, "access_token")]
    for token, kind in named:
        if not token:
            continue
        call = _form_call(client, path("2", "oauth2", "revoke"), {"token": token, "token_type_hint": kind})
        answer = await reach(client, call)
        if answer.is_success or _is_dead(answer):
            continue
        raise _refused(answer)


async def _me(client: XClient, token: str) -> FoundPage:
    call = XCall("GET", path("2", "users", "me"), user(token), {"user.fields": "id,name,username"})
    data = mapping((await ask(client, call)).get("data"))
    external_id = identifier(data.get("id"))
    if external_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the account has no id", retryable=True)
    name = text(data.get("name")) or text(data.get("username")) or external_id
    return FoundPage(external_id, name, page_token=None, tasks=())


def user(token: str) -> dict[str, str]:
    """Return the header of a person's call; raise PlatformCallFailed (AUTH) for a token that fits none."""
    try:
        return bearer(token)
    except BadToken as problem:
        raise PlatformCallFailed(FailureReason.AUTH, str(problem)) from None


async def _token(client: XClient, fields: dict[str, str]) -> Json:
    answer = await reach(client, _form_call(client, path("2", "oauth2", "token"), fields))
    if not answer.is_success:
        raise _refused(answer)
    return answer.json()


def _form_call(client: XClient, where: str, fields: dict[str, str]) -> XCall:
    return XCall("POST", where, client.basic(), content=form(fields), content_type=FORM)


def _is_dead(answer: Answer) -> bool:
    return answer.status in (400, 401) and text(answer.json().get("error")) in _DEAD


def _refused(answer: Answer) -> PlatformCallFailed:
    """Say what an error of the token endpoint means (RFC 6749 section 5.2): a dead grant, or a fault of our app's."""
    body = answer.json()
    error = text(body.get("error")) or ""
    detail = f"{error} {shown(text(body.get('error_description')) or '')}".strip()
    if answer.status < 500 and error in _DEAD:
        return PlatformCallFailed(FailureReason.AUTH, detail)
    if answer.status < 500 and error in _OF_THE_APP:
        return PlatformCallFailed(FailureReason.PERMISSION, f"our app is refused: {detail}")
    return failure_of(answer)
