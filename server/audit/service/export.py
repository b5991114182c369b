"""Exporting the trail, so that a client can check it without us; and the end of the chain, to be written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.audit.actions import Action
from server.audit.jobs import WriteExport
from server.audit.lines import Start, end_line, event_line
from server.audit.repository import export as repository
from server.audit.repository import trail
from server.audit.service.trail import content_of, record
from server.kit.errors import InvalidInput
from server.tenants import service as tenants
from server.tenants.models import OperationRow, StoredFileRow
from server.tenants.rules import OperationKind, Permission
from server.tenants.uow import UnitOfWork

_PAGE = 500
_KEPT_FOR = timedelta(days=7)
MEDIA_TYPE = "application/jsonl"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of an organization's chain: how many events there are, and the hash of the last."""

    seq: int
    hash: bytes


@dataclass(slots=True)
class Written:
    """How far an export has come."""

    seq: int
    head: bytes
    count: int = field(default=0)


async def head(uow: UnitOfWork) -> Head:
    """Return the end of the chain. Needs audit:read on the whole tree."""
    uow.scope.require(Permission.AUDIT_READ, None)
    seq, found = await trail.head(uow.session, uow.scope.organization_id) or (0, trail.GENESIS)
    return Head(seq, found)


async def start_export(uow: UnitOfWork, since: datetime | None, until: datetime | None) -> OperationRow:
    """Ask for a file of the events from `since` on and before `until`; without them, of all. Audited.

    Needs audit:read on the whole tree. Raises InvalidInput for a range that holds no moment.
    """
    uow.scope.require(Permission.AUDIT_READ, None)
    if since is not None and until is not None and since >= until:
        raise InvalidInput("The range must begin before it ends.", path=("to",))
    root_id = await repository.root_id(uow.session, uow.scope.organization_id)
    operation = await tenants.start_operation(uow, OperationKind.AUDIT_EXPORT, root_id, root_id)
    uow.defer(WriteExport(operation.id, since, until), key=str(operation.id))
    await record(uow, Action.AUDIT_EXPORT, operation.id, {"from": since, "to": until})
    return operation


async def write_export(uow: UnitOfWork, operation_id: UUID, since: datetime | None, until: datetime | None) -> None:
    """Write the file and finish the operation, in one transaction: a run that is cut off leaves nothing and is repeated.

    The result names the file under "file_id", and tells the numbers of the first event's predecessor and of the last.
    """
    operation = await tenants.advance(uow, operation_id)
    start, last_seq = await _range(uow, since, until)
    written = Written(start.after_seq, start.previous_hash)
    file = await _stored(uow, operation, start, last_seq, written)
    await tenants.advance(uow, operation_id, total=written.count, done=written.count)
    result = {"file_id": str(file.id), "events": written.count, "last_seq": written.seq, "head": written.head.hex()}
    await tenants.finish(uow, operation_id, result)


async def _stored(
    uow: UnitOfWork, operation: OperationRow, start: Start, last_seq: int, written: Written
) -> StoredFileRow:
    name = f"audit-{start.after_seq + 1}-{last_seq}.jsonl"
    new = tenants.NewFile(operation.unit_id, name, MEDIA_TYPE, _KEPT_FOR, Permission.AUDIT_READ)
    return await tenants.store_file(uow, new, _lines(uow, start, last_seq, written))


async def _range(uow: UnitOfWork, since: datetime | None, until: datetime | None) -> tuple[Start, int]:
    organization_id = uow.scope.organization_id
    found = await repository.span(uow.session, organization_id, since, until)
    if found is None:
        end_seq, end_hash = await trail.head(uow.session, organization_id) or (0, trail.GENESIS)
        return Start(organization_id, end_seq, end_hash, since, until), end_seq
    first, last = found
    before = await repository.hash_of(uow.session, organization_id, first - 1) or trail.GENESIS
    return Start(organization_id, first - 1, before, since, until), last


async def _lines(uow: UnitOfWork, start: Start, last_seq: int, written: Written) -> AsyncIterator[bytes]:
    first_line = start.line()
    yield first_line
    while written.seq < last_seq:
        limit = min(_PAGE, last_seq - written.seq)
        events = await trail.chain(uow.session, uow.scope.organization_id, written.seq, limit)
        if not events:
            break
        for event in events:
            yield event_line(content_of(event), bytes(event.previous_hash), bytes(event.hash))
        written.seq, written.head = events[-1].seq, bytes(events[-1].hash)
        written.count += len(events)
    yield end_line(first_line, written.count, written.seq, written.head)
