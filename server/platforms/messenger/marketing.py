"""Paid marketing campaigns and what they cost (platforms.md 2.5)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import orjson

from server.platforms.messenger.sending import ad_account
from server.platforms.meta.asking import ask, walk
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import CampaignCosts, FailureReason, PageCredentials, PlatformCallFailed
from server.platforms.wire.http import path
from server.platforms.wire.reading import identifier, items, mapping, text

# In hundredths of the account's currency: a ceiling that the platform wants to have, not a price.
DAILY_BUDGET = 100_000
_INSIGHTS = "marketing_messages_delivered,marketing_messages_spend,account_currency"
_MICROS = 1_000_000
_MAX_PAGES = 20


async def create_campaign(client: GraphClient, page: PageCredentials, name: str) -> str:
    """Create a paid campaign for the page and return its id; raise PlatformCallFailed."""
    content = orjson.dumps({"name": name, "page_id": page.page_external_id, "daily_budget": DAILY_BUDGET})
    where = path(_account(page), "message_campaign")
    body = await ask(client, GraphCall("POST", where, page.account_token or page.page_token, content=content))
    campaign = identifier(body.get("id"))
    if campaign is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer holds no campaign", retryable=True)
    return campaign


async def campaign_costs(client: GraphClient, page: PageCredentials, campaign: str) -> CampaignCosts:
    """Read the totals of a campaign, zero before its first send; raise PlatformCallFailed."""
    token = page.account_token or page.page_token
    body = await ask(client, GraphCall("GET", path(campaign, "insights"), token, {"fields": _INSIGHTS}))
    rows = [mapping(row) for row in items(body.get("data"))]
    delivered = sum((_decimal(row.get("marketing_messages_delivered")) for row in rows), Decimal(0))
    spend = sum((_decimal(row.get("marketing_messages_spend")) for row in rows), Decimal(0))
    currency = next((found for row in rows if (found := text(row.get("account_currency")))), None)
    return CampaignCosts(int(delivered), int(spend * _MICROS), currency or await _currency(client, page, token))


async def _currency(client: GraphClient, page: PageCredentials, token: str) -> str:
    """Ask the ad account, since the insights have no row before the first send."""
    wanted = _account(page)
    async for accounts in walk(client, path("me", "adaccounts"), token, {"fields": "id,currency"}, _MAX_PAGES):
        for account in accounts:
            if identifier(account.get("id")) == wanted and (currency := text(account.get("currency"))):
                return currency
    raise PlatformCallFailed(FailureReason.PERMISSION, "the ad account is not reached, so its currency is unknown")


def _account(page: PageCredentials) -> str:
    if not page.ad_account_id:
        raise PlatformCallFailed(FailureReason.PERMISSION, "the page has no ad account")
    return ad_account(page.ad_account_id)


def _decimal(value: object) -> Decimal:
    """Read a figure, which the platform writes as a string; raise PlatformCallFailed, since a wrong cost is worse than none."""
    if value is None:
        return Decimal(0)
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or not 0 <= read < 10**12:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "a figure of the insights is unreadable", retryable=True)
    return read
