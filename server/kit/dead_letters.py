"""Reading dead letters: what could not be carried out or placed, newest first. The caller checks who may read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.jobs import DeadLetterRow, DeadLetterSource
from server.kit.pagination import Keyset, Page, PageArguments, SortKey


async def list_newest(
    session: AsyncSession,
    organization_id: UUID,
    arguments: PageArguments,
    *,
    source: DeadLetterSource | None = None,
) -> Page[DeadLetterRow]:
    """List the dead letters of an organization, newest first: all, or those of one source."""
    keyset = Keyset(
        (
            SortKey(DeadLetterRow.created_at, datetime, descending=True),
            SortKey(DeadLetterRow.id, UUID, descending=True),
        ),
        ["dead letters", source],
    )
    conditions = [] if source is None else [DeadLetterRow.source == source]
    statement = (
        select(DeadLetterRow)
        .where(DeadLetterRow.organization_id == organization_id, *conditions, *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    rows = (await session.scalars(statement)).all()
    return keyset.page(rows, arguments, lambda row: (row.created_at, row.id))


async def by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[DeadLetterRow]:
    """Return the dead letters with these ids, in no particular order."""
    statement = select(DeadLetterRow).where(DeadLetterRow.organization_id == organization_id, DeadLetterRow.id.in_(ids))
    return (await session.scalars(statement)).all()
