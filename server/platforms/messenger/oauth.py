"""Connecting: what is asked for in the consent dialogue, and the pages that the grant reaches (platforms.md 1.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

from server.config import MessengerSettings
from server.platforms.meta import login
from server.platforms.meta.client import GraphClient
from server.platforms.meta.pages import optional_list, walk_pages
from server.platforms.port import FoundPage
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json, identifier, items, mapping, text

SCOPES = (
    "pages_show_list",
    "pages_messaging",
    "pages_manage_metadata",
    "pages_read_engagement",
    "pages_read_user_content",
    "pages_manage_engagement",
    # Two sources spell it differently; the dialogue leaves out what it does not know (platforms.md 1.1).
    "page_utility_messaging",
    "pages_utility_messaging",
    "business_management",
    "ads_management",
    "paid_marketing_messages",
)
NEEDED_SCOPES = frozenset({"pages_show_list", "pages_messaging", "pages_manage_metadata"})
"""Without these no message comes or goes; the others switch features on."""
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
    "response_feedback",
    "standby",
    "feed",
    "ratings",
    "mention",
    "messenger_template_status_update",
    "marketing_message_echoes",
    "marketing_message_deliveries",
    "marketing_message_reads",
    "marketing_message_clicks",
    "marketing_message_delivery_failed",
)
_NEEDED_TASKS = frozenset({"MESSAGING", "MODERATE"})
"""A person without the first cannot write for the page, without the second not subscribe its webhooks."""
_PAGE_FIELDS = "id,name,access_token,tasks"
_ACCOUNT_FIELDS = "id,name,business,promote_pages.limit(100){id}"


@dataclass(frozen=True, slots=True)
class _AdAccount:
    external_id: str
    business: str | None
    pages: frozenset[str]


def authorize_url(settings: MessengerSettings, state: str, redirect_uri: str) -> str:
    """Return the address of the consent dialogue."""
    return login.dialogue_url(settings, state, redirect_uri, SCOPES)


async def list_pages(client: GraphClient, token: str) -> list[FoundPage]:
    """List every page the grant reaches, each once, with its own token; raise PlatformCallFailed.

    Pages of agencies and franchises hang on a business and are missing in /me/accounts (platforms.md 1.1).
    """
    accounts = await _ad_accounts(client, token)
    found: dict[str, FoundPage] = {}
    business_of: dict[str, str] = {}
    async for business_id, page in walk_pages(client, token, _PAGE_FIELDS):
        external_id = identifier(page.get("id"))
        if external_id and business_id:
            business_of.setdefault(external_id, business_id)
        read = _page(page)
        if read is not None:
            found.setdefault(read.external_id, read)
    return [_with_account(page, accounts, business_of.get(page.external_id)) for page in found.values()]


async def _ad_accounts(client: GraphClient, token: str) -> list[_AdAccount]:
    """Return the ad accounts in the platform's order."""
    listed = await optional_list(client, path("me", "adaccounts"), token, _ACCOUNT_FIELDS)
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
    missing = tuple(sorted(_NEEDED_TASKS.difference(tasks))) if tasks else ()
    return FoundPage(external_id, text(page.get("name")) or external_id, token, tasks, missing_permissions=missing)


def _with_account(page: FoundPage, accounts: list[_AdAccount], business: str | None) -> FoundPage:
    """Choose who pays: the account that may promote this page, else one of the same business, else the first."""
    by_page = (account for account in accounts if page.external_id in account.pages)
    by_business = (account for account in accounts if business and account.business == business)
    chosen = next(chain(by_page, by_business, accounts), None)
    return replace(page, ad_account_id=chosen.external_id if chosen else None)
