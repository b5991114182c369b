"""Work of channels asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.kit.jobs import Queue, job


@job("channels.drain_mailbox", Queue.EVENTS)
@dataclass(frozen=True, slots=True)
class DrainMailbox:
    """Apply the stored events of one person on one page, in order. Owed at most once per page and mailbox."""

    page_id: UUID
    mailbox: str


@job("channels.subscribe_page", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class SubscribePage:
    """Subscribe a page's webhooks at its platform. Doing it again changes nothing."""

    page_id: UUID
