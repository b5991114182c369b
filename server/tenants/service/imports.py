"""Importing units from a file: asked for here, read and carried out by a worker, all of it or nothing.

Lines are checked one by one and put aside in committed steps, so that somebody can watch. The last step checks them
together and applies them in one transaction. Whoever starts over, because a worker died, begins with the first line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.kit.ids import new_id
from server.tenants.errors import ImportRefused, UnitMisplaced
from server.tenants.jobs import ImportUnits
from server.tenants.models import OperationRow
from server.tenants.repository import imports as repository
from server.tenants.repository import tree
from server.tenants.rules import OperationKind, OperationState, Permission, UnitKind
from server.tenants.service.files import file_of
from server.tenants.service.operations import LineProblem, advance, fail, finish, note_problems, start_operation
from server.tenants.service.units import working_unit
from server.tenants.sheets import SheetFormat, SheetRow
from server.tenants.uow import UnitOfWork

_FINAL = frozenset({OperationState.SUCCEEDED, OperationState.FAILED})


@dataclass(frozen=True, slots=True)
class Concluded:
    """How an import ended: what it made, changed and left (of a dry run: would), or None where lines were wrong."""

    operation: OperationRow
    counts: Mapping[str, int] | None


async def start_import(
    uow: UnitOfWork, file_id: UUID, form: SheetFormat, parent_id: UUID, *, is_dry_run: bool
) -> OperationRow:
    """Ask for an import of a stored file under a unit. Needs unit:manage on the unit, and leave to read the file.

    Raises NotFound, PermissionDenied, UnitArchived, and UnitMisplaced for a location, which nothing can stand under.
    """
    uow.scope.require(Permission.UNIT_MANAGE, parent_id)
    parent = await working_unit(uow, parent_id, path="parentId")
    if parent.kind is UnitKind.LOCATION:
        raise UnitMisplaced("Nothing can stand under a LOCATION.", path=("parentId",))
    file = await file_of(uow, file_id)
    row = await start_operation(uow, OperationKind.UNIT_IMPORT, parent_id, file.id, is_dry_run=is_dry_run)
    uow.defer(ImportUnits(row.id, form), key=str(row.id))
    return row


async def start_over(uow: UnitOfWork, operation_id: UUID) -> OperationRow | None:
    """Begin an import with its first line, forgetting what an earlier run left; None for one that has ended."""
    row = await advance(uow, operation_id)
    if row.state in _FINAL:
        return None
    row.total, row.done, row.failed = None, 0, 0
    await repository.forget(uow.session, row)
    return row


async def note_total(uow: UnitOfWork, operation_id: UUID, total: int) -> None:
    """Say how many lines there are."""
    await advance(uow, operation_id, total=total)


async def put_aside(uow: UnitOfWork, operation_id: UUID, rows: Sequence[SheetRow]) -> None:
    """Keep lines for the end and note what is wrong with them by themselves."""
    wrong = [row for row in rows if row.problems]
    operation = await advance(uow, operation_id, done=len(rows), failed=len(wrong))
    await repository.stage(uow.session, operation, [_staged(row) for row in rows if row.external_code is not None])
    await note_problems(uow, operation, [LineProblem(row.line, one) for row in wrong for one in row.problems])


def _staged(row: SheetRow) -> dict[str, object]:
    return {
        "line": row.line,
        "code": row.external_code,
        "name": row.name,
        "kind": row.kind,
        "parent": row.parent_code,
        "attributes": row.attributes or {},
        "sound": not row.problems,
        "id": str(new_id()),
    }


async def conclude(uow: UnitOfWork, operation_id: UUID) -> Concluded:
    """Check the lines together; then apply all of them, or none and end as FAILED with the problems kept.

    A dry run does the same and writes no unit. Waits for other changes of the tree; raises TreeBusy.
    """
    await tree.lock_tree(uow.session, uow.scope.organization_id)
    operation = await advance(uow, operation_id)
    await repository.plan_for_many_rows(uow.session)
    await repository.resolve(uow.session, operation)
    await repository.check(uow.session, operation)
    wrong = await repository.count_wrong_lines(uow.session, operation)
    operation.failed = wrong
    if wrong:
        counts = None
        await fail(uow, operation_id, ImportRefused(wrong))
    else:
        counts = await repository.count_changes(uow.session, operation)
        if not operation.is_dry_run:
            await repository.apply(uow.session, operation)
        await finish(uow, operation_id, counts)
    await repository.forget_rows(uow.session, operation)
    return Concluded(operation, counts)
