"""Long work that somebody may watch: who asked for it, how far it is, and what came of it.

The one who asks calls `start` and defers a job in the same unit of work; the job's actor calls `advance` and, at the
end, `finish` or `fail`, in the transactions of its effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from server.kit.errors import DomainError, NotFound
from server.kit.ids import new_id
from server.kit.nested import Listing, Nested, the
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.models import OperationProblemRow, OperationRow
from server.tenants.repository import operations as repository
from server.tenants.rules import OperationKind, OperationState
from server.tenants.uow import UnitOfWork

TOPIC = "operation"
"""The hint `operation:<id>` is announced whenever one moves."""


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong with one line (from 1) of an operation's input."""

    line: int
    error: DomainError


async def start_operation(
    uow: UnitOfWork, kind: OperationKind, unit_id: UUID, subject_id: UUID, *, is_dry_run: bool = False
) -> OperationRow:
    """Write an operation down as QUEUED; the caller has checked the permission and defers the job."""
    actor = uow.scope.actor
    row = OperationRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=unit_id,
        kind=kind,
        state=OperationState.QUEUED,
        is_dry_run=is_dry_run,
        actor_id=actor.id,
        actor_name=actor.name,
        subject_id=subject_id,
        done=0,
        failed=0,
        result={},
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def advance(
    uow: UnitOfWork, operation_id: UUID, *, total: int | None = None, done: int = 0, failed: int = 0
) -> OperationRow:
    """Add `done` and `failed` steps, note the `total` once it is known, and lock the row until the transaction ends.

    The first call makes it RUNNING. Raises NotFound for one that does not exist.
    """
    row = await repository.lock_operation(uow.session, uow.scope.organization_id, operation_id)
    if row is None:
        raise NotFound
    if row.state is OperationState.QUEUED:
        row.state, row.started_at = OperationState.RUNNING, await uow.now()
    row.total = row.total if total is None else total
    row.done += done
    row.failed += failed
    uow.announce(f"{TOPIC}:{operation_id}")
    return row


async def finish(uow: UnitOfWork, operation_id: UUID, result: Mapping[str, object]) -> None:
    """Make an operation SUCCEEDED with its result, as JSON values."""
    await _end(uow, operation_id, OperationState.SUCCEEDED, result)


async def fail(uow: UnitOfWork, operation_id: UUID, reason: DomainError) -> None:
    """Make an operation FAILED with the reason for people."""
    await _end(uow, operation_id, OperationState.FAILED, {"code": reason.code, "message": reason.message})


async def _end(uow: UnitOfWork, operation_id: UUID, state: OperationState, result: Mapping[str, object]) -> None:
    row = await advance(uow, operation_id)
    row.state, row.result, row.finished_at = state, dict(result), await uow.now()


async def note_problems(uow: UnitOfWork, operation: OperationRow, problems: Sequence[LineProblem]) -> None:
    """Keep what was wrong with lines of the input, for the one who asked."""
    values = [
        {
            "organization_id": operation.organization_id,
            "operation_id": operation.id,
            "unit_id": operation.unit_id,
            "line": one.line,
            "seq": seq,
            "code": one.error.code,
            "message": one.error.message,
            "path": list(one.error.path),
        }
        for seq, one in enumerate(problems)
    ]
    if values:
        await repository.insert_problems(uow.session, values)


async def operations_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, OperationRow]:
    """Return the operations with these ids that the scope may watch: its own, and others' with the kind's permission."""
    rows = await repository.operations_by_id(uow.session, uow.scope, ids)
    return {row.id: row for row in rows}


async def list_operations(
    uow: UnitOfWork,
    arguments: PageArguments,
    *,
    kind: OperationKind | None = None,
    state: OperationState | None = None,
) -> Page[OperationRow]:
    """List the operations that the scope may watch, newest first."""
    keyset = Keyset((SortKey(OperationRow.id, UUID, descending=True),), ["operations", kind, state])
    rows = await repository.list_operations(uow.session, uow.scope, keyset, arguments, kind, state)
    return keyset.page(rows, arguments, lambda row: (row.id,))


_PROBLEMS: Nested[OperationProblemRow] = Nested(
    keyset=lambda operation_id: Keyset(
        (SortKey(OperationProblemRow.line, int), SortKey(OperationProblemRow.seq, int)), ["problems", str(operation_id)]
    ),
    values=lambda row: (row.line, row.seq),
)


async def problems_of(
    uow: UnitOfWork, wanted: Sequence[Listing]
) -> Mapping[Listing, Page[OperationProblemRow] | DomainError]:
    """List what was wrong with the lines of operations' inputs, in their order; nothing for one that it may not watch."""
    return await _PROBLEMS.pages(wanted, partial(repository.problems_of, uow.session, uow.scope), {})


async def list_problems(uow: UnitOfWork, operation_id: UUID, arguments: PageArguments) -> Page[OperationProblemRow]:
    """List what was wrong with the lines of one operation's input, in their order."""
    listing = (operation_id, arguments)
    return the(await problems_of(uow, [listing]), listing)
