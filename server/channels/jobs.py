"""Work of channels asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.kit.jobs import Queue, job


@job("channels.drain_page", Queue.EVENTS)
@dataclass(frozen=True, slots=True)
class DrainPage:
    """Apply the stored events of one page: its mailboxes side by side, each in order. Owed at most once per page."""

    page_id: UUID


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


@job("channels.keep_grant", Queue.HOUSEKEEPING, max_attempts=50)
@dataclass(frozen=True, slots=True)
class KeepGrant:
    """Look after one grant for as long as pages hang on it: renew its tokens ahead of their end, ask how well it is."""

    account_id: UUID


@job("channels.sync_page", Queue.HOUSEKEEPING, max_attempts=50)
@dataclass(frozen=True, slots=True)
class SyncPage:
    """Compare one page with the platform's own list every few minutes, for as long as it is connected and well."""

    page_id: UUID


@job("channels.withdraw_grant", Queue.HOUSEKEEPING, max_attempts=50)
@dataclass(frozen=True, slots=True)
class WithdrawGrant:
    """Destroy what a person gave us, because the platform said so; a request is done when none of these is owed for it."""

    account_id: UUID
    request_id: UUID
    is_deletion: bool
    issued_at: datetime | None
    """When the platform said so; a grant that was given later is not meant."""
    is_partial: bool = False
    """Only single rights were taken back: the platform is asked how well the grant still is."""


@job("channels.connect_many", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class ConnectMany:
    """Connect the pages of a list, in steps that are committed; a run that dies goes on where the last step ended."""

    operation_id: UUID
    connection_id: UUID
