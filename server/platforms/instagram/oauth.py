"""Connecting by Instagram's own login: dialogue, code, long-lived token and its refresh (platforms.md 3.1 A)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from server.config import InstagramSettings
from server.platforms.instagram.hosts import Hosts
from server.platforms.meta.asking import DEADLINE_S, ask, failure_of
from server.platforms.meta.client import GraphCall
from server.platforms.port import (
    AccountCredentials,
    CodeExchange,
    FailureReason,
    FoundPage,
    Grant,
    GrantState,
    PlatformCallFailed,
    Tokens,
)
from server.platforms.wire.calling import reach
from server.platforms.wire.granted import scopes_of, tokens_of
from server.platforms.wire.http import Answer, Request, path
from server.platforms.wire.reading import Json, identifier, items, mapping, text, whole
from server.platforms.wire.refusals import shown

SCOPES = (
    "instagram_business_basic",
    "instagram_business_manage_messages",
    "instagram_business_manage_comments",
)
_ME = "id,user_id,username,name"
# What the redirect hangs on to the code; it is no part of it.
_TAIL = "#_"
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_DAY_S = 86_400.0
_THROTTLED = 429


@dataclass(frozen=True, slots=True)
class _Me:
    """Who a token speaks for: the app-scoped id names the person, the other is what webhooks call the account."""

    person: str
    account: str
    name: str


def authorize_url(settings: InstagramSettings, state: str, redirect_uri: str) -> str:
    """Return the address of the consent dialogue."""
    query = {
        "client_id": settings.app_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": ",".join(SCOPES),
        "state": state,
    }
    return f"{settings.dialog_url.rstrip('/')}/oauth/authorize?{urlencode(query)}"


async def exchange_code(hosts: Hosts, exchange: CodeExchange) -> Grant:
    """Trade a code for a token of 60 days; raise PlatformCallFailed (AUTH if the code is refused)."""
    short, scopes = await _short_token(hosts, exchange)
    query = {"grant_type": "ig_exchange_token", "client_secret": hosts.own.secret, "access_token": short}
    long = await _token(hosts, GraphCall("GET", path("access_token"), params=query))
    me = await _who_is(hosts, long.access_token)
    return Grant(me.person, me.name, long.access_token, scopes, long.expires_at)


async def refresh(hosts: Hosts, account: AccountCredentials) -> Tokens:
    """Renew a token for another 60 days; raise PlatformCallFailed.

    The platform refuses tokens younger than 24 h, for which waiting is the cure, and dead ones (AUTH).
    """
    query = {"grant_type": "ig_refresh_token", "access_token": account.token}
    try:
        return await _token(hosts, GraphCall("GET", path("refresh_access_token"), params=query))
    except PlatformCallFailed as problem:
        if problem.reason not in (FailureReason.BAD_CONTENT, FailureReason.AMBIGUOUS):
            raise
        raise PlatformCallFailed(
            FailureReason.TRANSIENT, problem.detail, retryable=True, retry_after_s=_DAY_S
        ) from None


async def list_pages(hosts: Hosts, account: AccountCredentials) -> list[FoundPage]:
    """Return the one account that a grant of this login reaches; raise PlatformCallFailed. Its calls use the grant's token."""
    me = await _who_is(hosts, account.token)
    return [FoundPage(external_id=me.account, name=me.name, page_token=None, tasks=())]


async def inspect(hosts: Hosts, account: AccountCredentials) -> GrantState:
    """Ask who the token is, since this login documents no call that inspects one; raise PlatformCallFailed."""
    try:
        await _who_is(hosts, account.token)
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.AUTH:
            return GrantState(is_valid=False, detail=problem.detail[:200])
        raise
    return GrantState(is_valid=True)


async def _who_is(hosts: Hosts, token: str) -> _Me:
    body = await ask(hosts.direct, GraphCall("GET", path("me"), token, {"fields": _ME}))
    account = identifier(body.get("user_id")) or identifier(body.get("id"))
    if account is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the account has no id", retryable=True)
    name = text(body.get("username")) or text(body.get("name")) or account
    return _Me(identifier(body.get("id")) or account, account, name)


async def _token(hosts: Hosts, call: GraphCall) -> Tokens:
    body = await ask(hosts.bare, call)
    return tokens_of(body)


async def _short_token(hosts: Hosts, exchange: CodeExchange) -> tuple[str, tuple[str, ...]]:
    """Ask for the token of an hour. The docs wrap the answer in a list `data`, others read it flat: both are accepted."""
    form = {
        "client_id": hosts.own.id,
        "client_secret": hosts.own.secret,
        "grant_type": "authorization_code",
        "redirect_uri": exchange.redirect_uri,
        "code": exchange.code.removesuffix(_TAIL),
    }
    request = Request("POST", f"{hosts.token_url}/oauth/access_token", _FORM, content=urlencode(form).encode())
    answer = await reach(hosts.http.call(request, DEADLINE_S))
    body = answer.json()
    listed = items(body.get("data"))
    told = mapping(listed[0]) if listed else body
    if not answer.is_success or "error_type" in told or "error" in body:
        raise _refusal_of(answer, body)
    return tokens_of(told).access_token, scopes_of(told.get("permissions"))


def _refusal_of(answer: Answer, body: Json) -> PlatformCallFailed:
    """Read the flat error of the token host { error_type, code, error_message }, or the Graph's own shape."""
    code = whole(body.get("code"))
    if text(body.get("error_type")) is None:
        found = failure_of(answer)
        is_refused = found.reason is FailureReason.BAD_CONTENT
        return PlatformCallFailed(FailureReason.AUTH, found.detail) if is_refused else found
    detail = f"{code} {shown(text(body.get('error_message')) or '')}"
    if _THROTTLED in (code, answer.status):
        return PlatformCallFailed(FailureReason.RATE_LIMITED, detail, retryable=True)
    if answer.status >= 500:
        return PlatformCallFailed(FailureReason.TRANSIENT, detail, retryable=True)
    return PlatformCallFailed(FailureReason.AUTH, detail)
