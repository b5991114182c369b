"""Work that sends ask for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.jobs import Queue, job
from server.sends.models import Purpose


@job("sends.drain_page", Queue.CAMPAIGNS, max_attempts=50, backoff=timedelta(milliseconds=200))
@dataclass(frozen=True, slots=True)
class DrainPage:
    """Send what is due at one page, of one purpose; replies and campaigns have queues of their own."""

    page_id: UUID
    purpose: Purpose


@job("sends.reconcile_page", Queue.HOUSEKEEPING, max_attempts=50)
@dataclass(frozen=True, slots=True)
class ReconcilePage:
    """Find out what became of a page's unknown sends."""

    page_id: UUID


QUEUE_OF = {Purpose.CONVERSATIONAL: Queue.REPLIES, Purpose.MARKETING: Queue.CAMPAIGNS}
