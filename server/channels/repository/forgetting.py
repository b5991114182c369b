"""SQL of raw events whose content must go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import literal, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import EventState, PlatformEventRow


async def forget_payloads(session: AsyncSession, organization_id: UUID, page_id: UUID, before: datetime) -> None:
    """Empty the payloads of a page's events that came in before then, applied or given up."""
    await session.execute(
        update(PlatformEventRow)
        .where(
            PlatformEventRow.organization_id == organization_id,
            PlatformEventRow.page_id == page_id,
            PlatformEventRow.state != EventState.STORED,
            PlatformEventRow.created_at < before,
            PlatformEventRow.payload != literal({}, JSONB),
        )
        .values(payload={})
        .execution_options(synchronize_session=False)
    )
