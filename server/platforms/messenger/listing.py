"""What a page's own lists show since a time: its conversations, and the comments on its posts (platforms.md 2.1 and 2.6)."""

from __future__ import annotations

from datetime import datetime

from server.platforms.messenger.comments import comments_since
from server.platforms.meta.client import GraphClient
from server.platforms.meta.listing import Mailbox, as_event, messages_since
from server.platforms.port import Backfill, Listing, PageCredentials
from server.platforms.wire.http import path


async def list_messages(client: GraphClient, page: PageCredentials, since: datetime) -> Listing:
    """List the messages since then, both directions; raise PlatformCallFailed."""
    listed = await messages_since(_mailbox(client, page), since)
    return Listing(tuple(one.message for one in listed.found), listed.is_complete)


async def backfill(client: GraphClient, page: PageCredentials, since: datetime) -> Backfill:
    """Show listed messages and comments as the webhooks that should have told them; raise PlatformCallFailed."""
    mailbox = _mailbox(client, page)
    listed = await messages_since(mailbox, since)
    messages = Backfill.of_list((as_event(mailbox, one) for one in listed.found), listed.is_complete)
    comments = await comments_since(client, page, since)
    return Backfill((*messages.events, *comments.events), messages.is_complete and comments.is_complete)


def _mailbox(client: GraphClient, page: PageCredentials) -> Mailbox:
    where = path(page.page_external_id, "conversations")
    return Mailbox(client, page.page_external_id, page.page_token, where, "messenger", "page")
