"""Connecting: the consent dialogue, the exchange of its code, and the pages it reaches (platforms.md 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import urlencode

from server.config import MessengerSettings
from server.platforms.messenger.asking import ask, walk
from server.platforms.messenger.client import GraphCall, GraphClient, path
from server.platforms.messenger.reading import Json, identifier, items, mapping, text, whole
from server.platforms.port import (
    AccountCredentials,
    FailureReason,
    FoundPage,
    Grant,
    PageCredentials,
    PlatformCallFailed,
)

SCOPES = (
    "pages_show_list",
    "pages_messaging",
    "pages_manage_metadata",
    "pages_read_engagement",
    "business_management",
    "ads_management",
    "paid_marketing_messages",
)
SUBSCRIBED_FIELDS = (
    "messages",
    "message_echoes",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_edits",
    "messaging_postbacks",
    "messaging_optins",
    "messaging_referrals",
    "messaging_handovers",
    "messaging_policy_enforcement",
    "messaging_feedback",
    "standby",
    "feed",
    "ratings",
    "marketing_message_echoes",
    "marketing_message_deliveries",
    "marketing_message_reads",
    "marketing_message_clicks",
    "marketing_message_delivery_failed",
)
_PAGE_FIELDS = "id,name,access_token,tasks"
_ACCOUNT_FIELDS = "id,name,business,promote_pages.limit(100){id}"
_MAX_PAGES = 200
# A person without these rights still has pages to offer, so their lists may fail without harm.
_OPTIONAL = (FailureReason.PERMISSION, FailureReason.BAD_CONTENT)


@dataclass(frozen=True, slots=True)
class _AdAccount:
    external_id: str
    business: str | None
    pages: frozenset[str]


def authorize_url(settings: MessengerSettings, state: str, redirect_uri: str) -> str:
    """Return the address of the consent dialogue."""
    query = {
        "client_id": settings.app_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "response_type": "code",
        "scope": ",".join(SCOPES),
    }
    return f"{settings.dialog_url.rstrip('/')}/{settings.graph_version}/dialog/oauth?{urlencode(query)}"


async def exchange_code(client: GraphClient, app_id: str, app_secret: str, code: str, redirect_uri: str) -> Grant:
    """Trade a code for a token of about 60 days; raise PlatformCallFailed (AUTH if the code is refused)."""
    app = {"client_id": app_id, "client_secret": app_secret}
    short, _ = await _token(client, {**app, "redirect_uri": redirect_uri, "code": code})
    long, expires_at = await _token(client, {**app, "grant_type": "fb_exchange_token", "fb_exchange_token": short})
    person = await ask(client, GraphCall("GET", "me", long, {"fields": "id,name"}))
    external_id = identifier(person.get("id"))
    if external_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the person has no id", retryable=True)
    permissions = await ask(client, GraphCall("GET", path("me", "permissions"), long))
    granted = [mapping(one) for one in items(permissions.get("data"))]
    return Grant(
        person_external_id=external_id,
        person_name=text(person.get("name")) or "",
        access_token=long,
        scopes=tuple(text(one.get("permission")) or "" for one in granted if one.get("status") == "granted"),
        expires_at=expires_at,
    )


async def list_pages(client: GraphClient, token: str) -> list[FoundPage]:
    """List every page the grant reaches, each once, with its own token; raise PlatformCallFailed.

    Pages of agencies and franchises hang on a business and are missing in /me/accounts (platforms.md 1.1).
    """
    accounts = await _ad_accounts(client, token)
    found: dict[str, FoundPage] = {}
    business_of: dict[str, str] = {}
    async for business_id, page in _listed(client, token):
        external_id = identifier(page.get("id"))
        if external_id and business_id:
            business_of.setdefault(external_id, business_id)
        read = _page(page)
        if read is not None:
            found.setdefault(read.external_id, read)
    return [_with_account(page, accounts, business_of.get(page.external_id)) for page in found.values()]


async def subscribe(client: GraphClient, page: PageCredentials) -> None:
    """Subscribe the page's webhooks; doing it again changes nothing; raise PlatformCallFailed."""
    call = GraphCall(
        "POST",
        path(page.page_external_id, "subscribed_apps"),
        page.page_token,
        {"subscribed_fields": ",".join(SUBSCRIBED_FIELDS)},
    )
    body = await ask(client, call)
    if body.get("success") is not True:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the subscription was not confirmed", retryable=True)


async def unsubscribe(client: GraphClient, page: PageCredentials) -> None:
    """End the page's webhooks to this app; doing it again changes nothing; raise PlatformCallFailed."""
    await _delete(client, path(page.page_external_id, "subscribed_apps"), page.page_token)


async def revoke(client: GraphClient, account: AccountCredentials) -> None:
    """De-authorise the app for the person (platforms.md 1.1): all tokens of it end, those of its pages too."""
    await _delete(client, path(account.person_external_id, "permissions"), account.token)


async def _delete(client: GraphClient, where: str, token: str) -> None:
    body = await ask(client, GraphCall("DELETE", where, token))
    if body.get("success") is not True:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the platform did not confirm it", retryable=True)


async def _token(client: GraphClient, params: dict[str, str]) -> tuple[str, datetime | None]:
    """Ask for a token; a page of the docs gives the lifetime in seconds, 0 or nothing means that it does not end."""
    try:
        body = await ask(client, GraphCall("GET", path("oauth", "access_token"), params=params))
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.BAD_CONTENT:
            raise PlatformCallFailed(FailureReason.AUTH, problem.detail) from None
        raise
    token = text(body.get("access_token"))
    if not token:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer holds no token", retryable=True)
    lifetime = whole(body.get("expires_in"))
    return token, datetime.now(UTC) + timedelta(seconds=lifetime) if lifetime and lifetime > 0 else None


async def _all(client: GraphClient, where: str, token: str, fields: str) -> list[Json]:
    return [one async for batch in walk(client, where, token, {"fields": fields}, _MAX_PAGES) for one in batch]


async def _optional(client: GraphClient, where: str, token: str, fields: str) -> list[Json]:
    try:
        return await _all(client, where, token, fields)
    except PlatformCallFailed as problem:
        if problem.reason in _OPTIONAL:
            return []
        raise


async def _listed(client: GraphClient, token: str) -> AsyncIterator[tuple[str | None, Json]]:
    """Yield (business or None, page) from the person's own list and from those of the businesses."""
    for page in await _all(client, path("me", "accounts"), token, _PAGE_FIELDS):
        yield None, page
    for business in await _optional(client, path("me", "businesses"), token, "id,name"):
        business_id = identifier(business.get("id"))
        for edge in ("owned_pages", "client_pages") if business_id else ():
            for page in await _optional(client, path(business_id or "", edge), token, _PAGE_FIELDS):
                yield business_id, page


async def _ad_accounts(client: GraphClient, token: str) -> list[_AdAccount]:
    """Return the ad accounts in the platform's order."""
    listed = await _optional(client, path("me", "adaccounts"), token, _ACCOUNT_FIELDS)
    return [
        _AdAccount(
            external_id,
            identifier(mapping(one.get("business")).get("id")),
            frozenset(
                page
                for promoted in items(mapping(one.get("promote_pages")).get("data"))
                if (page := identifier(mapping(promoted).get("id")))
            ),
        )
        for one in listed
        if (external_id := identifier(one.get("id")))
    ]


def _page(page: Json) -> FoundPage | None:
    external_id, token = identifier(page.get("id")), text(page.get("access_token"))
    if not external_id or not token:
        return None
    tasks = tuple(task for task in items(page.get("tasks")) if isinstance(task, str))
    return FoundPage(external_id, text(page.get("name")) or external_id, token, tasks)


def _with_account(page: FoundPage, accounts: list[_AdAccount], business: str | None) -> FoundPage:
    """Choose who pays: the account that may promote this page, else one of the same business, else the first."""
    by_page = (account for account in accounts if page.external_id in account.pages)
    by_business = (account for account in accounts if business and account.business == business)
    chosen = next(chain(by_page, by_business, accounts), None)
    return replace(page, ad_account_id=chosen.external_id if chosen else None)
