"""Raw events of one mailbox: reading them in order, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.channels.models import PlatformEventRow
from server.channels.repository import events as repository
from server.channels.rules import storable_text
from server.tenants.uow import UnitOfWork


async def next_events(
    uow: UnitOfWork, page_id: UUID, mailboxes: Sequence[str], limit: int
) -> Sequence[PlatformEventRow]:
    """Lock and return up to `limit` unhandled events of mailboxes of one page, each in the order in which they happened."""
    return await repository.next_events(uow.session, uow.scope.organization_id, page_id, mailboxes, limit)


async def waiting_mailboxes(uow: UnitOfWork, page_id: UUID, after: str | None, limit: int) -> Sequence[str]:
    """Return up to `limit` mailboxes of a page with unhandled events, by name, beyond `after` (None: from the first on)."""
    return await repository.waiting_mailboxes(uow.session, uow.scope.organization_id, page_id, after, limit)


async def mark_handled(uow: UnitOfWork, event_ids: Sequence[UUID]) -> None:
    """Mark events as applied; call it in the transaction of their effect."""
    if event_ids:
        await repository.mark_handled(uow.session, uow.scope.organization_id, event_ids)


async def mark_unknown(uow: UnitOfWork, event: PlatformEventRow, kind: str) -> None:
    """Keep an event of an unknown kind as it is, under a name by which such events are counted (docs/inbound.md)."""
    await repository.mark_unknown(uow.session, event, storable_text(kind, 200))


async def mark_dead(uow: UnitOfWork, event: PlatformEventRow, reason: str, detail: str) -> None:
    """Give an event up and record a dead letter, once, that waits for a person. `reason` is a short stable word."""
    await repository.mark_dead(uow.session, event, storable_text(reason, 200), storable_text(detail))
