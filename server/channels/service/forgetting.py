"""Raw events whose content must not be kept any longer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from server.channels.repository import forgetting as repository
from server.tenants.uow import UnitOfWork


async def forget_payloads(uow: UnitOfWork, page_id: UUID, before: datetime) -> None:
    """Empty the payloads of a page's events that came in before then; their keys stay, so duplicates stay harmless."""
    await repository.forget_payloads(uow.session, uow.scope.organization_id, page_id, before)
