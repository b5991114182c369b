"""Erasing one contact everywhere; a keyed hash on the list of the erased is all that stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.contacts import leaving as people
from server.contacts import service as contacts
from server.inbox import leaving as talks
from server.kit.errors import NotFound, Problems
from server.kit.jobs import kind_of
from server.privacy.errors import ErasureRunning, UnderLegalHold
from server.privacy.jobs import EraseContact
from server.privacy.parts import OF_CONTACT
from server.privacy.rules import reason_problems
from server.privacy.service.traces import Wanted, forget_traces
from server.privacy.service.turns import ROWS_AT_ONCE
from server.sends import leaving as sends
from server.tenants import departures
from server.tenants import service as tenants
from server.tenants.leaving import erase_contact
from server.tenants.rules import DepartureKind, OperationKind, Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice erased, by table, and whether it was the last one."""

    counts: dict[str, int]
    is_last: bool


async def ask_to_erase(uow: UnitOfWork, contact_id: UUID, reason: str) -> UUID:
    """Begin to erase a contact; return the operation that somebody may watch.

    From the commit on nothing is sent to them, and they are on the list that outlives them. Needs contact:erase on the
    contact's unit. Raises NotFound, UnderLegalHold, ErasureRunning, and Problems for a missing reason.
    """
    found = await contacts.contacts_by_id(uow, [contact_id])
    if not found:
        raise NotFound(path=("contactId",))
    unit_id = found[0].unit_id
    uow.scope.require_on(Permission.CONTACT_ERASE, unit_id, "contactId", read_with=Permission.CONTACT_READ)
    if problems := reason_problems(reason):
        raise Problems(problems)
    if await audit.holds_on(uow, [unit_id], [contact_id]):
        raise UnderLegalHold
    if not await departures.begin(uow, DepartureKind.CONTACT, [contact_id]):
        raise ErasureRunning
    await people.remember(uow, [contact_id])
    await sends.cancel_for_contact(uow, contact_id)
    operation = await tenants.start_operation(uow, OperationKind.CONTACT_ERASURE, unit_id, contact_id)
    uow.defer(EraseContact(contact_id, operation.id), key=str(contact_id))
    await audit.record(uow, Action.CONTACT_ERASE, contact_id, {"operation": str(operation.id), "reason": reason})
    return operation.id


async def erase_slice(uow: UnitOfWork, contact_id: UUID, operation_id: UUID) -> bool:
    """Erase the next slice of a contact; return whether it was the last. A hold that was set meanwhile ends the erasure.

    The numbers by table stand in the operation's result.
    """
    operation = (await tenants.operations_by_id(uow, [operation_id])).get(operation_id)
    if operation is None or operation.finished_at is not None:
        return True
    person = await contacts.contacts_by_id(uow, [contact_id])
    if person and await audit.holds_on(uow, [person[0].unit_id], [contact_id]):
        await departures.end(uow, [contact_id])
        await tenants.fail(uow, operation_id, UnderLegalHold())
        return True
    done = await _erase(uow, contact_id)
    counts = _sum(operation.result, done.counts)
    locked = await tenants.advance(uow, operation_id, done=sum(done.counts.values()))
    locked.result = dict(counts)
    if done.is_last:
        await departures.end(uow, [contact_id])
        await tenants.finish(uow, operation_id, counts)
        await audit.record(uow, Action.CONTACT_ERASE, contact_id, {"operation": str(operation_id), "erased": counts})
        uow.announce("contacts")
        uow.announce("inbox")
    return done.is_last


async def _erase(uow: UnitOfWork, contact_id: UUID) -> Slice:
    counts = await _forget_traces(uow, contact_id)
    counts["send_intent"] = await sends.tally_contact(uow, contact_id)
    await talks.step_back(uow, contact_id)
    budget = ROWS_AT_ONCE
    for part in OF_CONTACT:
        gone = await erase_contact(uow, part, contact_id, budget)
        counts[part.name] = counts.get(part.name, 0) + gone
        budget -= gone
        if budget <= 0:
            return Slice(counts, is_last=False)
    return Slice(counts, is_last=True)


async def _forget_traces(uow: UnitOfWork, contact_id: UUID) -> dict[str, int]:
    """Forget jobs and results that name the contact, or a page together with the person's id there."""
    known = (await contacts.identities_of(uow, [contact_id])).get(contact_id, [])
    words = frozenset(one.external_id for one in known)
    spared = kind_of(EraseContact).name
    found = await forget_traces(uow, Wanted(ids=frozenset({contact_id}), words=words, spared=spared))
    return found.counts()


def _sum(before: dict[str, object], more: dict[str, int]) -> dict[str, int]:
    names: Sequence[str] = sorted({*before, *more})
    return {name: total for name in names if (total := int(str(before.get(name, 0))) + more.get(name, 0))}
