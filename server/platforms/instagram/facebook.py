"""Connecting by Facebook's login: the Instagram accounts that hang on a person's Facebook pages (platforms.md 1.1 and 3.1 B)."""

from __future__ import annotations

from server.platforms.instagram.hosts import Hosts
from server.platforms.meta.pages import granted_scopes, walk_pages
from server.platforms.port import AccountCredentials, FoundPage
from server.platforms.wire.reading import Json, identifier, items, mapping, text

SCOPES = (
    "instagram_basic",
    "instagram_manage_messages",
    "instagram_manage_comments",
    "pages_show_list",
    "pages_manage_metadata",
    "pages_messaging",
    "pages_read_engagement",
    "business_management",
)
NEEDED_SCOPES = frozenset({"instagram_basic", "instagram_manage_messages", "pages_show_list", "pages_manage_metadata"})
"""Without these no message comes or goes; the others switch features on."""
# Webhooks of a page are subscribed with the token of somebody who may moderate it (platforms.md 1.4).
_NEEDED_TASKS = frozenset({"MODERATE", "MESSAGING"})
_FIELDS = "id,name,access_token,tasks,instagram_business_account{id,username,name}"


async def list_pages(hosts: Hosts, account: AccountCredentials) -> list[FoundPage]:
    """List the Instagram account behind each page that the grant reaches, each once; raise PlatformCallFailed."""
    lacking = NEEDED_SCOPES - set(await granted_scopes(hosts.graph, account.token))
    found: dict[str, FoundPage] = {}
    async for _, page in walk_pages(hosts.graph, account.token, _FIELDS):
        read = _account_of(page, lacking)
        if read is not None:
            found.setdefault(read.external_id, read)
    return list(found.values())


def _account_of(page: Json, lacking: frozenset[str]) -> FoundPage | None:
    linked = mapping(page.get("instagram_business_account"))
    external_id, parent = identifier(linked.get("id")), identifier(page.get("id"))
    token = text(page.get("access_token"))
    if external_id is None or parent is None or not token:
        return None
    tasks = tuple(task for task in items(page.get("tasks")) if isinstance(task, str))
    missing = lacking | ((_NEEDED_TASKS - set(tasks)) if tasks else frozenset())
    return FoundPage(
        external_id=external_id,
        name=text(linked.get("username")) or text(linked.get("name")) or text(page.get("name")) or external_id,
        page_token=token,
        tasks=tasks,
        parent_external_id=parent,
        missing_permissions=tuple(sorted(missing)),
    )
