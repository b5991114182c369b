"""SQL of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.models import AuditEventRow, AuditHeadRow
from server.kit.pagination import Keyset, PageArguments

GENESIS = bytes(32)


async def lock_head(session: AsyncSession, organization_id: UUID) -> tuple[int, bytes]:
    """Return the end of the chain and lock it until the transaction ends."""
    await session.execute(
        upsert(AuditHeadRow)
        .values(organization_id=organization_id, seq=0, hash=GENESIS)
        .on_conflict_do_nothing(index_elements=["organization_id"])
    )
    row = (
        await session.execute(
            select(AuditHeadRow.seq, AuditHeadRow.hash)
            .where(AuditHeadRow.organization_id == organization_id)
            .with_for_update()
        )
    ).one()
    return row.seq, bytes(row.hash)


async def head(session: AsyncSession, organization_id: UUID) -> tuple[int, bytes] | None:
    """Return the number and hash of the last event; None before the first."""
    statement = select(AuditHeadRow.seq, AuditHeadRow.hash).where(AuditHeadRow.organization_id == organization_id)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row.seq, bytes(row.hash))


async def append(session: AsyncSession, events: Sequence[Mapping[str, Any]]) -> None:
    """Insert the events, in their order, and move the end of the chain to the last of them."""
    await session.execute(insert(AuditEventRow), list(events))
    last = events[-1]
    await session.execute(
        update(AuditHeadRow)
        .where(AuditHeadRow.organization_id == last["organization_id"])
        .values(seq=last["seq"], hash=last["hash"])
    )


async def chain(session: AsyncSession, organization_id: UUID, after_seq: int, limit: int) -> list[AuditEventRow]:
    """Return events in chain order, after a sequence number."""
    rows = await session.scalars(
        select(AuditEventRow)
        .where(AuditEventRow.organization_id == organization_id, AuditEventRow.seq > after_seq)
        .order_by(AuditEventRow.seq)
        .limit(limit)
    )
    return list(rows)


async def list_events(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments, subject_id: UUID | None
) -> Sequence[AuditEventRow]:
    """Return up to `size + 1` events of the page."""
    statement = select(AuditEventRow).where(AuditEventRow.organization_id == organization_id, *keyset.beyond(arguments))
    if subject_id is not None:
        statement = statement.where(AuditEventRow.subject_id == subject_id)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def events_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[AuditEventRow]:
    """Return the events with these ids."""
    statement = select(AuditEventRow).where(AuditEventRow.organization_id == organization_id, AuditEventRow.id.in_(ids))
    return (await session.scalars(statement)).all()
