"""Legal holds: what must not be erased, by whose word, until it is lifted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.audit.actions import Action
from server.audit.errors import HoldLifted
from server.audit.models import LegalHoldRow
from server.audit.repository import holds as repository
from server.audit.rules import MAX_REASON, LegalBasis, basis_problems
from server.audit.service.trail import record
from server.kit.errors import InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Hold:
    """What is to be kept and why. With a contact only that one is held, and `unit_id` is the contact's own."""

    unit_id: UUID
    contact_id: UUID | None
    basis: LegalBasis
    reference: str
    reason: str


async def holds_on(uow: UnitOfWork, unit_ids: Collection[UUID], contact_ids: Collection[UUID]) -> bool:
    """Say whether a legal hold forbids an erasure, and keep new holds waiting until the unit of work ends.

    Without contacts, all of `unit_ids` is to be erased: a hold on one of them, above, under, or on a contact there forbids
    it. With contacts, only these are to be erased and `unit_ids` are where they belong: a hold on one of the contacts, on
    one of the units or above forbids it. Call it in the transaction that erases, before anything is erased.
    """
    await repository.lock_holds(uow.session, uow.scope.organization_id, shared=True)
    return await repository.stands(uow.session, uow.scope.organization_id, unit_ids, contact_ids)


async def hold(uow: UnitOfWork, wanted: Hold) -> LegalHoldRow:
    """Forbid erasures from now on; waits for one that runs. Needs legal:request on the unit; audited.

    The caller has made sure that the contact is one of the unit. Raises Problems for the form.
    """
    await tenants.unit(uow, wanted.unit_id)
    uow.scope.require(Permission.LEGAL_REQUEST, wanted.unit_id)
    if problems := basis_problems(wanted.reference, wanted.reason):
        raise Problems(problems)
    await repository.lock_holds(uow.session, uow.scope.organization_id, shared=False)
    row = LegalHoldRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=wanted.unit_id,
        contact_id=wanted.contact_id,
        basis=wanted.basis,
        reference=wanted.reference,
        reason=wanted.reason,
        set_by_name=uow.scope.actor.name,
    )
    uow.session.add(row)
    await uow.session.flush()
    await uow.session.refresh(row)
    await record(uow, Action.LEGAL_HOLD_SET, row.id, _told(row))
    return row


async def lift_hold(uow: UnitOfWork, hold_id: UUID, reason: str) -> LegalHoldRow:
    """Let what was held be erased again. Needs legal:grant on the hold's unit; audited. Raises NotFound and HoldLifted."""
    row = await repository.lock_hold(uow.session, uow.scope.organization_id, hold_id)
    scope = uow.scope.past()
    if row is None or not scope.reaches(row.unit_id):
        raise NotFound(path=("legalHoldId",))
    scope.require_on(Permission.LEGAL_GRANT, row.unit_id, "legalHoldId", read_with=Permission.LEGAL_REQUEST)
    if row.lifted_at is not None:
        raise HoldLifted
    if not reason.strip() or len(reason) > MAX_REASON:
        raise InvalidInput(f"A reason has 1 to {MAX_REASON} characters.", path=("reason",))
    row.lifted_at, row.lifted_by_name, row.lift_reason = await uow.now(), uow.scope.actor.name, reason
    await uow.session.flush()
    await record(uow, Action.LEGAL_HOLD_LIFT, row.id, _told(row))
    return row


def _told(row: LegalHoldRow) -> dict[str, object]:
    contact = None if row.contact_id is None else str(row.contact_id)
    return {"unit": str(row.unit_id), "contact": contact, "basis": row.basis.value, "reference": row.reference}


async def list_holds(uow: UnitOfWork, arguments: PageArguments) -> Page[LegalHoldRow]:
    """List the holds at units where the caller has legal:request or legal:grant, newest first."""
    keyset = Keyset((SortKey(LegalHoldRow.id, UUID, descending=True),), ["legal holds"])
    rows = await repository.list_holds(uow.session, uow.scope, keyset, arguments, _units(uow))
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def holds_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[LegalHoldRow]:
    """Return those of the holds that the caller may list, in no order."""
    rows = await repository.holds_by_id(uow.session, uow.scope.organization_id, ids)
    units = _units(uow)
    return [row for row in rows if units is None or row.unit_id in units]


def _units(uow: UnitOfWork) -> set[UUID] | None:
    found: set[UUID] = set()
    for permission in (Permission.LEGAL_REQUEST, Permission.LEGAL_GRANT):
        units = uow.scope.units_with(permission)
        if units is None:
            return None
        found.update(units)
    return found
