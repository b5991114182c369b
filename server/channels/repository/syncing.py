"""SQL of completeness: how far each page is compared with the platform's own list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import PageRow, PageSyncRow


async def begin(session: AsyncSession, page: PageRow, since: datetime) -> PageSyncRow:
    """Return a page's row, locked; it is made with `since` when the page is compared for the first time."""
    await session.execute(
        insert(PageSyncRow)
        .values(organization_id=page.organization_id, page_id=page.id, unit_id=page.unit_id, since=since)
        .on_conflict_do_nothing(index_elements=["organization_id", "page_id"])
    )
    statement = (
        select(PageSyncRow)
        .where(PageSyncRow.organization_id == page.organization_id, PageSyncRow.page_id == page.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one()


async def note(session: AsyncSession, organization_id: UUID, page_id: UUID, values: dict[str, Any]) -> None:
    """Write down how a comparison ended."""
    await session.execute(
        update(PageSyncRow)
        .where(PageSyncRow.organization_id == organization_id, PageSyncRow.page_id == page_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def move(
    session: AsyncSession, organization_id: UUID, page_id: UUID, until: datetime, filled: int, at: datetime
) -> None:
    """Move a page's completeness forward, never back, and count the gaps that were filled."""
    values: dict[str, Any] = {
        "complete_until": func.greatest(func.coalesce(PageSyncRow.complete_until, until), until),
        "checked_at": at,
        "gaps_filled": PageSyncRow.gaps_filled + filled,
        "note": None,
        "failures": 0,
    }
    await note(session, organization_id, page_id, values | ({"last_gap_at": at} if filled else {}))


async def syncs_by_page(
    session: AsyncSession, organization_id: UUID, page_ids: Sequence[UUID]
) -> Sequence[PageSyncRow]:
    """Return what is known about these pages, as far as the scope sees them."""
    statement = select(PageSyncRow).where(
        PageSyncRow.organization_id == organization_id, PageSyncRow.page_id.in_(page_ids)
    )
    return (await session.scalars(statement)).all()


async def note_subscription_checked(session: AsyncSession, organization_id: UUID, page_id: UUID) -> None:
    """Note that the platform was just asked whether the page's webhooks come to us."""
    await session.execute(
        update(PageRow)
        .where(PageRow.organization_id == organization_id, PageRow.id == page_id)
        .values(subscription_checked_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
