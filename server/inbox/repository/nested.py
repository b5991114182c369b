"""SQL of what hangs on conversations, for many of them at once: messages, notes, and who owned them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.inbox.models import AssignmentRow, ConversationRow, MessageRow, NoteRow
from server.kit.nested import Batch, rows_of_each
from server.tenants.cuts import is_one_of


async def units_of(session: AsyncSession, organization_id: UUID, ids: Collection[UUID]) -> Mapping[UUID, UUID]:
    """Return the unit of each of the conversations that the scope sees, by conversation."""
    statement = select(ConversationRow.id, ConversationRow.unit_id).where(
        ConversationRow.organization_id == organization_id, is_one_of(ConversationRow.id, ids)
    )
    return {conversation_id: unit_id for conversation_id, unit_id in await session.execute(statement)}


async def messages_of(
    session: AsyncSession, organization_id: UUID, batch: Batch
) -> Mapping[UUID, Sequence[MessageRow]]:
    """Return up to `size + 1` messages of each conversation."""
    return await rows_of_each(
        session,
        MessageRow,
        batch,
        lambda parent: [MessageRow.organization_id == organization_id, MessageRow.conversation_id == parent],
    )


async def notes_of(session: AsyncSession, organization_id: UUID, batch: Batch) -> Mapping[UUID, Sequence[NoteRow]]:
    """Return up to `size + 1` remarks on each conversation."""
    return await rows_of_each(
        session,
        NoteRow,
        batch,
        lambda parent: [NoteRow.organization_id == organization_id, NoteRow.conversation_id == parent],
    )


async def assignments_of(
    session: AsyncSession, organization_id: UUID, batch: Batch
) -> Mapping[UUID, Sequence[AssignmentRow]]:
    """Return up to `size + 1` entries of the history of owners of each conversation."""
    return await rows_of_each(
        session,
        AssignmentRow,
        batch,
        lambda parent: [AssignmentRow.organization_id == organization_id, AssignmentRow.conversation_id == parent],
    )
