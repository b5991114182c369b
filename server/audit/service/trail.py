"""Recording, one call beside the change in the transaction of the change; and reading the trail back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.audit.actions import Action
from server.audit.models import AuditEventRow
from server.audit.repository import trail as repository
from server.audit.rules import first_broken, link, moment, plain
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

_CHAIN_PAGE = 1_000


async def record(
    uow: UnitOfWork, action: Action, subject_id: UUID, details: Mapping[str, object] | None = None
) -> None:
    """Append one act to the organization's chain. `details` hold no secret and no message text; fractions become text.

    Locks the end of the chain, so call it late in a unit of work.
    """
    await record_many(uow, action, [(subject_id, details or {})])


async def record_many(uow: UnitOfWork, action: Action, acts: Sequence[tuple[UUID, Mapping[str, object]]]) -> None:
    """Append one act of the same kind for each (subject, details), in a constant number of statements."""
    scope, actor = uow.scope, uow.scope.actor
    seq, previous = await repository.lock_head(uow.session, scope.organization_id)
    occurred_at = await uow.now()
    rows: list[dict[str, object]] = []
    for number, (subject_id, details) in enumerate(acts, seq + 1):
        content: dict[str, object] = {
            "organization_id": str(scope.organization_id),
            "seq": number,
            "occurred_at": moment(occurred_at),
            "actor_kind": actor.kind.value,
            "actor_id": str(actor.id),
            "actor_name": actor.name,
            "action": action.value,
            "subject_id": str(subject_id),
            "details": plain(details),
        }
        found = link(previous, content)
        stored = {"organization_id": scope.organization_id, "id": new_id(), "occurred_at": occurred_at}
        stored |= {"actor_id": actor.id, "subject_id": subject_id, "previous_hash": previous, "hash": found}
        rows.append(content | stored)
        previous = found
    if rows:
        await repository.append(uow.session, rows)


async def list_events(
    uow: UnitOfWork, arguments: PageArguments, *, subject_id: UUID | None = None
) -> Page[AuditEventRow]:
    """List the trail, newest first. Needs audit:read on the whole tree: events carry no unit that could cut them."""
    uow.scope.require(Permission.AUDIT_READ, None)
    keyset = Keyset((SortKey(AuditEventRow.seq, int, descending=True),), ["audit events", subject_id])
    rows = await repository.list_events(uow.session, uow.scope.organization_id, keyset, arguments, subject_id)
    return keyset.page(rows, arguments, lambda row: (row.seq,))


async def events_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[AuditEventRow]:
    """Return the events with these ids, in no order; none without audit:read on the whole tree."""
    if Permission.AUDIT_READ not in uow.scope.everywhere:
        return []
    return await repository.events_by_id(uow.session, uow.scope.organization_id, ids)


async def verify(uow: UnitOfWork) -> int | None:
    """Check the whole chain of the organization; return the number of the first broken event, or None."""
    previous, after = repository.GENESIS, 0
    while events := await repository.chain(uow.session, uow.scope.organization_id, after, _CHAIN_PAGE):
        links = [(content_of(event), bytes(event.previous_hash), bytes(event.hash)) for event in events]
        broken = first_broken(links, previous)
        if broken is not None:
            return events[broken].seq
        if [event.seq for event in events] != list(range(after + 1, after + 1 + len(events))):
            return after + 1
        previous, after = bytes(events[-1].hash), events[-1].seq
    return None if (after, previous) == await _end(uow) else after + 1


async def _end(uow: UnitOfWork) -> tuple[int, bytes]:
    return await repository.head(uow.session, uow.scope.organization_id) or (0, repository.GENESIS)


def content_of(event: AuditEventRow) -> dict[str, object]:
    """Return what an event's hash covers, besides the hash before it."""
    return {
        "organization_id": str(event.organization_id),
        "seq": event.seq,
        "occurred_at": moment(event.occurred_at),
        "actor_kind": event.actor_kind,
        "actor_id": str(event.actor_id),
        "actor_name": event.actor_name,
        "action": event.action,
        "subject_id": str(event.subject_id),
        "details": event.details,
    }
