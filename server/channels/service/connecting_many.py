"""Connecting pages by the thousand: one rule for all, carried out in the background with a result for each page."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import choices as lists
from server.channels.choices import Choice, ListFormat, Problem
from server.channels.errors import (
    ChoicesUnclear,
    ConnectionNotOpen,
    PageInOtherUnit,
    PageNotOffered,
    PageTaken,
)
from server.channels.jobs import ConnectMany
from server.channels.models import ConnectionRow, ConnectionState
from server.channels.repository import connections, pages
from server.channels.rules import MAX_LIST
from server.channels.service.finish import connect_chosen, offered_by, open_connection
from server.kit.errors import DomainError, NotFound, PermissionDenied
from server.tenants import service as tenants
from server.tenants.models import OperationRow
from server.tenants.rules import OperationKind, OperationState, Permission
from server.tenants.service import LineProblem, NewFile
from server.tenants.uow import UnitOfWork

AT_ONCE = 200
_MAX_FILE_BYTES = 4_000_000
_KEPT_FOR = timedelta(days=7)
_TIME_TO_CONNECT = timedelta(days=1)
_OVER = frozenset({OperationState.SUCCEEDED, OperationState.FAILED})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pages of a dialogue are connected, by exactly one of three rules.

    `unit_id`: everything found, to this unit. `pages`: these (external id, unit) pairs, at most 10,000. `file_id`: those of a
    file that was uploaded before, written in `file_format`.
    """

    unit_id: UUID | None = None
    pages: Sequence[tuple[str, UUID]] | None = None
    file_id: UUID | None = None
    file_format: ListFormat = ListFormat.CSV


async def start_connecting(uow: UnitOfWork, connection_id: UUID, completion: str, wanted: Wanted) -> OperationRow:
    """Ask for pages of a granted dialogue to be connected in the background; the dialogue's code is used up by it.

    What the caller may do is decided now: a line whose unit the caller does not reach, or where channel:connect is missing,
    is refused in the operation's problems. Raises as `finish_connection` does, ChoicesUnclear, and for the one unit of all
    NotFound and UnitArchived.
    """
    row = await open_connection(uow, connection_id, completion, lock=True)
    found = lists.once(await _choices(uow, row, wanted))
    homes = await pages.units_by_external_id(
        uow.session, row.organization_id, row.channel, [one.external_id for one in found]
    )
    found = [_allowed(uow, one, homes) for one in found]
    new = NewFile(row.unit_id, "connect.jsonl", "application/jsonl", _KEPT_FOR, Permission.CHANNEL_CONNECT)
    file = await tenants.store_file(uow, new, _once(lists.written(found)))
    operation = await tenants.start_operation(uow, OperationKind.CHANNEL_CONNECT, row.unit_id, file.id)
    row.completion_hash, row.expires_at = None, await uow.now() + _TIME_TO_CONNECT
    uow.defer(ConnectMany(operation.id, row.id), key=str(operation.id))
    await audit.record(uow, Action.CHANNEL_CONNECT_MANY, operation.id, {"connection": str(row.id), "pages": len(found)})
    return operation


async def _choices(uow: UnitOfWork, row: ConnectionRow, wanted: Wanted) -> list[Choice]:
    given = [one for one in (wanted.unit_id, wanted.pages, wanted.file_id) if one is not None]
    if len(given) != 1:
        raise ChoicesUnclear("Give exactly one of unitId, pages and fileId.")
    if wanted.unit_id is not None:
        uow.scope.require(Permission.CHANNEL_CONNECT, wanted.unit_id)
        await tenants.working_unit(uow, wanted.unit_id)
        return [Choice(name, wanted.unit_id) for name in sorted(offered_by(uow, row))]
    if wanted.pages is not None:
        if not 1 <= len(wanted.pages) <= MAX_LIST:
            raise ChoicesUnclear(f"Choose 1 to {MAX_LIST:,} pages.", path=("pages",))
        return [Choice(name, unit_id) for name, unit_id in wanted.pages]
    file = await tenants.file_of(uow, given[0]) if isinstance(given[0], UUID) else None
    if file is None or file.size > _MAX_FILE_BYTES:
        raise ChoicesUnclear("The file has more than 4 MB. Connect in parts.", path=("fileId",))
    content = b"".join([part async for part in tenants.contents(uow, file.id)])
    return lists.read(wanted.file_format, content)


def _allowed(uow: UnitOfWork, one: Choice, homes: Mapping[str, UUID]) -> Choice:
    if one.unit_id is None:
        return one
    if uow.scope.may(Permission.CHANNEL_CONNECT, one.unit_id):
        home = homes.get(one.external_id, one.unit_id)
        return one if home == one.unit_id else Choice(one.external_id, home, Problem.OTHER_UNIT)
    problem = Problem.NOT_ALLOWED if uow.scope.reaches(one.unit_id) else Problem.NO_SUCH_UNIT
    return Choice(one.external_id, None, problem)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def choices_of(uow: UnitOfWork, operation_id: UUID) -> list[Choice] | None:
    """Return the list of an operation, for its worker; None for one that has ended."""
    operation = await tenants.advance(uow, operation_id)
    if operation.state in _OVER:
        return None
    found = lists.stored(b"".join([part async for part in tenants.contents(uow, operation.subject_id)]))
    await tenants.advance(uow, operation_id, total=len(found))
    return found[operation.done :]


async def connect_part(
    uow: UnitOfWork, operation_id: UUID, connection_id: UUID, part: Sequence[Choice]
) -> Mapping[str, int]:
    """Connect the next lines of an operation's list, and note what became of each; return how many ended how.

    `done` of the operation counts the lines in their order, so that a later run goes on behind them.
    """
    row = await connections.by_id(uow.session, uow.scope.organization_id, connection_id, lock=True)
    if row is None or row.state is not ConnectionState.GRANTED or row.found_sealed is None:
        raise ConnectionNotOpen
    before = (await tenants.advance(uow, operation_id)).done
    tried = [(one.external_id, one.unit_id) for one in part if one.problem is None and one.unit_id is not None]
    results = iter(await connect_chosen(uow, row, tried))
    errors: list[LineProblem] = []
    for place, one in enumerate(part):
        error = _refusal(one) if one.problem is not None or one.unit_id is None else next(results).error
        if isinstance(error, PageInOtherUnit) and one.problem is None:
            # The one who asked does not see that unit, or it was chosen since: whose page it is must not be told.
            error = PageTaken()
        if error is not None:
            errors.append(LineProblem(before + place + 1, _named(one, error)))
    operation = await tenants.advance(uow, operation_id, done=len(part), failed=len(errors))
    await tenants.note_problems(uow, operation, errors)
    return Counter(one.error.code for one in errors)


def _refusal(one: Choice) -> DomainError:
    match one.problem:
        case Problem.OTHER_UNIT if one.unit_id is not None:
            return PageInOtherUnit(one.unit_id)
        case Problem.NOT_ALLOWED:
            return PermissionDenied(Permission.CHANNEL_CONNECT.value)
        case Problem.NO_SUCH_UNIT:
            return NotFound(path=("unitId",))
        case _:
            return PageNotOffered()


def _named(one: Choice, error: DomainError) -> DomainError:
    """Say of which page a problem is: the path ends with its external id."""
    error.path = (*error.path, one.external_id)
    return error


async def end_connecting(uow: UnitOfWork, operation_id: UUID, connection_id: UUID) -> None:
    """End an operation whose list is through: the tokens that the dialogue found are forgotten. Audited."""
    row = await connections.by_id(uow.session, uow.scope.organization_id, connection_id, lock=True)
    operation = await tenants.advance(uow, operation_id)
    if row is not None:
        row.state, row.found_sealed = ConnectionState.FINISHED, None
    told = {"connected": operation.done - operation.failed, "refused": operation.failed}
    await tenants.finish(uow, operation_id, told)
    uow.announce("channels")
    await audit.record(uow, Action.CHANNEL_CONNECT_MANY_END, operation_id, {"askedBy": str(operation.actor_id), **told})
