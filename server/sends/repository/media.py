"""SQL of media: what the platform of a page calls our files."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.sends.models import PageMediaRow


async def known(
    session: AsyncSession, organization_id: UUID, page_id: UUID, file_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return what the page's platform calls these files and still keeps for five minutes at least."""
    soon = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 5)
    statement = select(PageMediaRow.file_id, PageMediaRow.platform_media_id).where(
        PageMediaRow.organization_id == organization_id,
        PageMediaRow.page_id == page_id,
        PageMediaRow.file_id.in_(file_ids),
        or_(PageMediaRow.expires_at.is_(None), PageMediaRow.expires_at > soon),
    )
    return {row.file_id: row.platform_media_id for row in await session.execute(statement)}


async def keep(session: AsyncSession, values: dict[str, Any]) -> None:
    """Keep the platform's name of a file; the latest upload wins."""
    statement = insert(PageMediaRow).values(**values)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "page_id", "file_id"],
            set_={
                "platform_media_id": statement.excluded.platform_media_id,
                "expires_at": statement.excluded.expires_at,
                "uploaded_at": func.clock_timestamp(),
            },
        )
    )


async def forget(session: AsyncSession, organization_id: UUID, page_id: UUID, file_ids: Collection[UUID]) -> None:
    """Forget the platform's names of these files, so that they are uploaded anew."""
    await session.execute(
        delete(PageMediaRow).where(
            PageMediaRow.organization_id == organization_id,
            PageMediaRow.page_id == page_id,
            PageMediaRow.file_id.in_(file_ids),
        )
    )
