"""SQL of mail that is kept because it cannot be sent."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import DevMailRow
from server.kit.ids import new_id


async def keep(session: AsyncSession, recipient: str, subject: str, body: str) -> None:
    """Keep a mail for the local page."""
    await session.execute(insert(DevMailRow).values(id=new_id(), recipient=recipient, subject=subject, body=body))


async def newest(session: AsyncSession, size: int) -> Sequence[DevMailRow]:
    """Return the newest mails that were kept."""
    return (await session.scalars(select(DevMailRow).order_by(DevMailRow.created_at.desc()).limit(size))).all()
