"""SQL of reading single messages and notes again."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.inbox.models import MessageRow, NoteRow


async def messages_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[MessageRow]:
    """Return the messages with these ids, in no order."""
    statement = select(MessageRow).where(MessageRow.organization_id == organization_id, MessageRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def notes_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[NoteRow]:
    """Return the notes with these ids, in no order."""
    statement = select(NoteRow).where(NoteRow.organization_id == organization_id, NoteRow.id.in_(ids))
    return (await session.scalars(statement)).all()
