"""SQL of operations and of stored files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.nested import Batch, rows_of_each
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, in_reach
from server.tenants.models import OperationProblemRow, OperationRow, StoredFilePartRow, StoredFileRow
from server.tenants.rules import WATCHED_WITH, OperationKind, OperationState
from server.tenants.scope import Scope


async def lock_operation(session: AsyncSession, organization_id: UUID, operation_id: UUID) -> OperationRow | None:
    """Return one operation and lock it until the transaction ends."""
    statement = (
        select(OperationRow)
        .where(OperationRow.organization_id == organization_id, OperationRow.id == operation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def operations_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[OperationRow]:
    """Return the operations with these ids at units of the scope."""
    statement = select(OperationRow).where(_watched_by(scope), OperationRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_operations(
    session: AsyncSession,
    scope: Scope,
    keyset: Keyset,
    arguments: PageArguments,
    kind: OperationKind | None,
    state: OperationState | None,
) -> Sequence[OperationRow]:
    """Return up to `size + 1` operations of the page that the scope may watch."""
    statement = select(OperationRow).where(_watched_by(scope), *keyset.beyond(arguments))
    if kind is not None:
        statement = statement.where(OperationRow.kind == kind)
    if state is not None:
        statement = statement.where(OperationRow.state == state)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


def _watched_by(scope: Scope) -> ColumnElement[bool]:
    """Select what the scope may watch: its own work, and that of others where it holds the permission of the kind."""
    same = OperationRow.organization_id == scope.organization_id
    reached = in_reach(scope, OperationRow.unit_id)
    granted = [OperationRow.actor_id == scope.actor.id]
    for kind, permission in WATCHED_WITH.items():
        granted.append(and_(OperationRow.kind == kind, at(OperationRow.unit_id, scope.units_with(permission))))
    return and_(same, reached, or_(*granted))


async def insert_problems(session: AsyncSession, values: Sequence[Mapping[str, Any]]) -> None:
    """Insert what was wrong with lines of an operation's input; what is noted already stays."""
    await session.execute(insert(OperationProblemRow).on_conflict_do_nothing(), list(values))


async def problems_of(
    session: AsyncSession, scope: Scope, batch: Batch
) -> Mapping[UUID, Sequence[OperationProblemRow]]:
    """Return up to `size + 1` problems of each operation that the scope may watch."""
    watched = exists().where(_watched_by(scope), OperationRow.id == OperationProblemRow.operation_id)
    return await rows_of_each(
        session,
        OperationProblemRow,
        batch,
        lambda operation: [
            OperationProblemRow.organization_id == scope.organization_id,
            OperationProblemRow.operation_id == operation,
            watched,
        ],
    )


async def files_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[StoredFileRow]:
    """Return the files with these ids at units of the scope, unless they are over."""
    statement = select(StoredFileRow).where(
        StoredFileRow.organization_id == scope.organization_id,
        StoredFileRow.id.in_(ids),
        StoredFileRow.expires_at > func.clock_timestamp(),
    )
    return [row for row in (await session.scalars(statement)).all() if scope.reaches(row.unit_id)]


async def insert_part(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Add a piece to a file."""
    await session.execute(insert(StoredFilePartRow).values(**values))


async def parts(session: AsyncSession, organization_id: UUID, file_id: UUID) -> AsyncIterator[bytes]:
    """Yield the pieces of a file in order, one row at a time."""
    seq = 0
    while (content := await part(session, organization_id, file_id, seq)) is not None:
        yield content
        seq += 1


async def part(session: AsyncSession, organization_id: UUID, file_id: UUID, seq: int) -> bytes | None:
    """Return one piece of a file."""
    found = await session.scalars(
        select(StoredFilePartRow.content).where(
            StoredFilePartRow.organization_id == organization_id,
            StoredFilePartRow.file_id == file_id,
            StoredFilePartRow.seq == seq,
        )
    )
    content = found.one_or_none()
    return None if content is None else bytes(content)


async def delete_files_over(session: AsyncSession, organization_id: UUID) -> None:
    """Delete the files whose time is over; their pieces go with them."""
    await session.execute(
        delete(StoredFileRow).where(
            StoredFileRow.organization_id == organization_id, StoredFileRow.expires_at <= func.clock_timestamp()
        )
    )
