"""What an account's own lists show since a time: its conversations, and the comments below its posts (platforms.md 2.1, 3.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.instagram.comments import comments_since
from server.platforms.instagram.hosts import Hosts, edge
from server.platforms.instagram.items import OBJECT
from server.platforms.meta.listing import Mailbox, as_event, messages_since
from server.platforms.port import Backfill, Listing, PageCredentials

# Requests that nobody touched for so long are not in the list.
_REACH = timedelta(days=30)


async def list_messages(hosts: Hosts, page: PageCredentials, since: datetime) -> Listing:
    """List the messages since then, both directions; raise PlatformCallFailed."""
    listed = await messages_since(_mailbox(hosts, page), since)
    return Listing(tuple(one.message for one in listed.found), listed.is_complete and _is_within_reach(since))


async def backfill(hosts: Hosts, page: PageCredentials, since: datetime) -> Backfill:
    """Show listed messages and comments as the webhooks that should have told them; raise PlatformCallFailed."""
    mailbox = _mailbox(hosts, page)
    listed = await messages_since(mailbox, since)
    messages = Backfill.of_list((as_event(mailbox, one) for one in listed.found), listed.is_complete)
    comments = await comments_since(hosts, page, since)
    is_complete = messages.is_complete and comments.is_complete and _is_within_reach(since)
    return Backfill((*messages.events, *comments.events), is_complete)


def _is_within_reach(since: datetime) -> bool:
    return since >= datetime.now(UTC) - _REACH


def _mailbox(hosts: Hosts, page: PageCredentials) -> Mailbox:
    client, where = hosts.of_page(page), edge(page, "conversations")
    return Mailbox(client, page.page_external_id, page.page_token, where, "instagram", OBJECT)
