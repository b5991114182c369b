"""Connecting: the consent dialogue, its tokens, and the organisations they reach (platforms.md 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from server.config import LinkedInSettings
from server.platforms.linkedin.asking import DEADLINE_S, read, walk
from server.platforms.linkedin.client import Call, LinkedInClient, encoded, query_of
from server.platforms.linkedin.errors import detail_of, failure_of
from server.platforms.linkedin.urns import number_of, urn
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
from server.platforms.wire.calling import reach
from server.platforms.wire.granted import scopes_of, tokens_of
from server.platforms.wire.reading import Json, identifier, text

ADMIN_SCOPE = "rw_organization_admin"
READ_SCOPE = "r_organization_social_feed"
WRITE_SCOPE = "w_organization_social_feed"
SCOPES = ("openid", "profile", ADMIN_SCOPE, READ_SCOPE, WRITE_SCOPE)
PARTNER_SCOPE = "w_messages"
"""Asked for only where the app is a partner: a scope that an app does not have fails the whole dialogue."""
_APPROVED = "APPROVED"
_MAX_PAGES = 50
_AT_ONCE = 5
_ROLES: Mapping[str, tuple[str, ...]] = {
    "ADMINISTRATOR": (),
    "CONTENT_ADMINISTRATOR": (ADMIN_SCOPE,),
    "DIRECT_SPONSORED_CONTENT_POSTER": (ADMIN_SCOPE,),
    "RECRUITING_POSTER": (ADMIN_SCOPE, READ_SCOPE),
}
"""What each role on an organisation does not let a grant do there: only administrators may subscribe its webhooks."""


def authorize_url(settings: LinkedInSettings, wanted: AuthorizeRequest) -> str:
    """Return the address of the consent dialogue. Its scopes stand with spaces between them; there is no PKCE."""
    scopes = (*SCOPES, PARTNER_SCOPE) if settings.partner else SCOPES
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": wanted.redirect_uri,
        "state": wanted.state,
        "scope": " ".join(scopes),
    }
    return f"{settings.dialog_url.rstrip('/')}/oauth/v2/authorization?{urlencode(query, quote_via=quote)}"


async def exchange_code(client: LinkedInClient, app: Mapping[str, str], exchange: CodeExchange) -> Grant:
    """Trade a code for a token of 60 days; raise PlatformCallFailed (AUTH if the code is refused).

    Approved apps also get a refresh token, which lives 365 days from the person's first consent.
    """
    form = {"grant_type": "authorization_code", "code": exchange.code, "redirect_uri": exchange.redirect_uri, **app}
    body = await _token(client, form)
    tokens = tokens_of(body)
    person = await read(client, Call("GET", "v2/userinfo", tokens.access_token))
    external_id = urn(person.get("sub"), "person")
    if external_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the person has no id", retryable=True)
    return Grant(
        person_external_id=external_id,
        person_name=text(person.get("name")) or "",
        access_token=tokens.access_token,
        scopes=scopes_of(identifier(body.get("scope"))),
        expires_at=tokens.expires_at,
        refresh_token=tokens.refresh_token,
        refresh_expires_at=tokens.refresh_expires_at,
        login=exchange.login,
    )


async def refresh(client: LinkedInClient, app: Mapping[str, str], account: AccountCredentials) -> Tokens:
    """Renew the access token. The refresh token stays the same and its end does not move (platforms.md 5.2)."""
    if account.refresh_token is None:
        raise PlatformCallFailed(FailureReason.AUTH, "LinkedIn gave no refresh token: the person has to consent again")
    form = {"grant_type": "refresh_token", "refresh_token": account.refresh_token, **app}
    return tokens_of(await _token(client, form))


async def inspect(client: LinkedInClient, account: AccountCredentials) -> GrantState:
    """Say how well a grant is by the cheapest call that needs its main scope; raise PlatformCallFailed.

    401 means that it is dead, 403 that it lacks the scope. When it ends is not told.
    """
    query = query_of(q="roleAssignee", state=_APPROVED, start=0, count=1)
    try:
        await read(client, Call("GET", "rest/organizationalEntityAcls", account.token, query))
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.AUTH:
            return GrantState(is_valid=False, detail=problem.detail)
        if problem.reason is FailureReason.PERMISSION:
            return GrantState(is_valid=True, detail=problem.detail, missing_scopes=(ADMIN_SCOPE,))
        raise
    return GrantState(is_valid=True)


async def list_pages(client: LinkedInClient, account: AccountCredentials) -> list[FoundPage]:
    """List the organisations on which the person has a role, each once; raise PlatformCallFailed.

    They have no token of their own. A role that cannot read or subscribe names the permissions that it lacks.
    """
    call = Call("GET", "rest/organizationalEntityAcls", account.token, query_of(q="roleAssignee", state=_APPROVED))
    roles: dict[str, list[str]] = {}
    async for elements in walk(client, call, _MAX_PAGES):
        for element in elements:
            organisation, role = _organisation(element), text(element.get("role"))
            if organisation is not None and role is not None and element.get("state", _APPROVED) == _APPROVED:
                roles.setdefault(organisation, []).append(role)
    limit = asyncio.Semaphore(_AT_ONCE)
    names = await asyncio.gather(*(_name(client, account.token, one, limit) for one in roles))
    return [
        FoundPage(
            external_id=organisation,
            name=named,
            page_token=None,
            tasks=tuple(dict.fromkeys(held)),
            missing_permissions=_missing(held),
        )
        for (organisation, held), named in zip(roles.items(), names, strict=True)
    ]


def _missing(roles: list[str]) -> tuple[str, ...]:
    """Return what none of these roles allows; nothing is known of a role that is not documented."""
    lacking = [set(_ROLES.get(role, (ADMIN_SCOPE, READ_SCOPE, WRITE_SCOPE))) for role in roles]
    return tuple(sorted(set.intersection(*lacking)))


def _organisation(element: Json) -> str | None:
    for slot in ("organizationalTarget", "organization", "organizationalEntity"):
        found = urn(element.get(slot), "organization")
        if found is not None:
            return found
    return None


async def _name(client: LinkedInClient, token: str, organisation: str, limit: asyncio.Semaphore) -> str:
    """Look a name up; an organisation whose name is refused still has its URN, and can be connected."""
    async with limit:
        try:
            path = f"rest/organizations/{encoded(number_of(organisation))}"
            body = await read(client, Call("GET", path, token))
        except PlatformCallFailed as problem:
            if problem.reason is FailureReason.AUTH:
                raise
            return organisation
    return text(body.get("localizedName")) or text(body.get("vanityName")) or organisation


async def _token(client: LinkedInClient, form: Mapping[str, str]) -> Json:
    answer = await reach(client.token_call(form, DEADLINE_S))
    if answer.status in (400, 401):
        raise PlatformCallFailed(FailureReason.AUTH, detail_of(answer))
    if not answer.is_success:
        raise failure_of(answer, datetime.now(UTC))
    return answer.json()
