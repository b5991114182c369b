"""Access under a legal basis: one person asks, another decides, and for some hours the first may read what was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from server.audit import errors
from server.audit.actions import Action
from server.audit.models import LegalAccessRow
from server.audit.repository import legal as repository
from server.audit.rules import MAX_HOURS, MAX_REASON, MAX_SECRET, LegalAccessState, LegalBasis, basis_problems
from server.audit.service.trail import record
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind, Scope
from server.tenants.uow import UnitOfWork

_MAY_END = (LegalAccessState.REQUESTED, LegalAccessState.GRANTED)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What somebody wants to read and on what basis: one conversation, or all of one contact, of the unit itself."""

    unit_id: UUID
    contact_id: UUID | None
    conversation_id: UUID | None
    basis: LegalBasis
    reference: str
    reason: str
    hours: int
    secret_until: datetime | None = None


async def request_access(uow: UnitOfWork, wanted: AccessRequest) -> LegalAccessRow:
    """Write a request down; nobody may read anything by it yet. Needs legal:request on the unit; audited.

    The caller has made sure that what is named is of the unit. Raises PeopleOnly for apps, and Problems for the form.
    """
    await tenants.unit(uow, wanted.unit_id)
    uow.scope.require(Permission.LEGAL_REQUEST, wanted.unit_id)
    user_id = _person(uow)
    if problems := await _problems(uow, wanted):
        raise Problems(problems)
    row_id = new_id()
    await repository.insert_access(
        uow.session,
        {
            "organization_id": uow.scope.organization_id,
            "id": row_id,
            "unit_id": wanted.unit_id,
            "contact_id": wanted.contact_id,
            "conversation_id": wanted.conversation_id,
            "basis": wanted.basis,
            "reference": wanted.reference,
            "reason": wanted.reason,
            "hours": wanted.hours,
            "secret_until": wanted.secret_until,
            "requester_id": uow.scope.actor.id,
            "requester_user_id": user_id,
            "requester_name": uow.scope.actor.name,
            "state": LegalAccessState.REQUESTED,
        },
    )
    row = (await repository.accesses_by_id(uow.session, uow.scope, [row_id]))[0]
    await _record(uow, Action.LEGAL_ACCESS_REQUEST, row, {"hours": row.hours})
    return row


async def _problems(uow: UnitOfWork, wanted: AccessRequest) -> list[DomainError]:
    problems = basis_problems(wanted.reference, wanted.reason)
    if not 1 <= wanted.hours <= MAX_HOURS:
        problems.append(InvalidInput(f"An access lasts 1 to {MAX_HOURS} hours.", path=("hours",)))
    if (wanted.contact_id is None) == (wanted.conversation_id is None):
        problems.append(InvalidInput("Name either a contact or a conversation.", path=("conversationId",)))
    now = await uow.now()
    if wanted.secret_until is not None and not now < wanted.secret_until <= now + MAX_SECRET:
        problems.append(InvalidInput(f"A secret ends within {MAX_SECRET.days} days from now.", path=("isSecretUntil",)))
    return problems


async def decide_access(uow: UnitOfWork, access_id: UUID, *, is_granted: bool, comment: str = "") -> LegalAccessRow:
    """Grant or refuse a request; a granted one lasts its hours from now. Needs legal:grant on its unit; audited.

    Whoever asked cannot decide, with whatever token. Raises NotFound, PeopleOnly, FourEyes and AlreadyDecided.
    """
    row = await repository.lock_access(uow.session, uow.scope, access_id)
    if row is None:
        raise NotFound(path=("legalAccessId",))
    uow.scope.require(Permission.LEGAL_GRANT, row.unit_id)
    user_id = _person(uow)
    if uow.scope.actor.id == row.requester_id or user_id == row.requester_user_id:
        raise errors.FourEyes
    if row.state is not LegalAccessState.REQUESTED:
        raise errors.AlreadyDecided
    if len(comment) > MAX_REASON:
        raise InvalidInput(f"A comment has at most {MAX_REASON} characters.", path=("comment",))
    now = await uow.now()
    decision: dict[str, object] = {
        "state": LegalAccessState.GRANTED if is_granted else LegalAccessState.REFUSED,
        "decided_by": uow.scope.actor.id,
        "decided_by_user_id": user_id,
        "decided_by_name": uow.scope.actor.name,
        "decided_at": now,
        "comment": comment or None,
        "expires_at": now + timedelta(hours=row.hours) if is_granted else None,
    }
    await repository.change(uow.session, row, decision)
    action = Action.LEGAL_ACCESS_GRANT if is_granted else Action.LEGAL_ACCESS_REFUSE
    await _record(uow, action, row, {"until": row.expires_at})
    return row


async def end_access(uow: UnitOfWork, access_id: UUID) -> LegalAccessRow:
    """Withdraw a request or end an access before its time. For whoever asked, and those with legal:grant; audited.

    Raises NotFound, PermissionDenied, and AlreadyDecided for one that was refused, withdrawn or ended.
    """
    row = await repository.lock_access(uow.session, uow.scope, access_id)
    if row is None:
        raise NotFound(path=("legalAccessId",))
    if row.requester_id != uow.scope.actor.id:
        uow.scope.require(Permission.LEGAL_GRANT, row.unit_id)
    if row.state not in _MAY_END:
        raise errors.AlreadyDecided
    over = LegalAccessState.WITHDRAWN if row.state is LegalAccessState.REQUESTED else LegalAccessState.ENDED
    end: dict[str, object] = {"state": over, "ended_at": await uow.now(), "ended_by_name": uow.scope.actor.name}
    await repository.change(uow.session, row, end)
    await _record(uow, Action.LEGAL_ACCESS_END, row, {"state": over.value})
    return row


def reading_scope(scope: Scope, unit_id: UUID) -> Scope:
    """Return the scope in which the caller reads by an access: one unit, and of what the caller holds legal:request alone."""
    held = {one for one in (Permission.LEGAL_REQUEST,) if scope.may(one, unit_id)}
    return replace(
        scope,
        all_units=False,
        everywhere=frozenset(),
        by_unit={unit_id: frozenset({*held, Permission.INBOX_READ, Permission.CONTACT_READ})},
        lineage_ids=frozenset(),
    )


async def use_access(uow: UnitOfWork, access_id: UUID, details: Mapping[str, object]) -> LegalAccessRow:
    """Check, at this moment of the database's clock, that the caller may read by the access, and write the reading down.

    Call it in the transaction that reads, so that nothing is read without its trace. Only for whoever asked, as long as
    they hold legal:request on its unit. Raises NotFound, PermissionDenied and AccessNotOpen.
    """
    row = await own_access(uow, access_id)
    if not await repository.is_open(uow.session, uow.scope.organization_id, access_id):
        raise errors.AccessNotOpen
    await _record(uow, Action.LEGAL_ACCESS_READ, row, details)
    return row


async def own_access(uow: UnitOfWork, access_id: UUID) -> LegalAccessRow:
    """Return an access that the caller asked for; raise NotFound, and PermissionDenied without legal:request."""
    found = await repository.accesses_by_id(uow.session, uow.scope, [access_id])
    if not found or found[0].requester_id != uow.scope.actor.id:
        raise NotFound(path=("legalAccessId",))
    uow.scope.require(Permission.LEGAL_REQUEST, found[0].unit_id)
    return found[0]


async def list_accesses(uow: UnitOfWork, arguments: PageArguments) -> Page[LegalAccessRow]:
    """List requests and accesses, newest first: one's own, and those at units where the caller looks on.

    Looking on takes legal:grant, legal:request or audit:read on the unit; a secret one takes legal:grant on the whole tree.
    """
    keyset = Keyset((SortKey(LegalAccessRow.id, UUID, descending=True),), ["legal accesses"])
    rows = await repository.list_accesses(uow.session, uow.scope, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def accesses_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[LegalAccessRow]:
    """Return those of the accesses that the caller may list, in no order."""
    return await repository.accesses_by_id(uow.session, uow.scope, ids)


def _person(uow: UnitOfWork) -> UUID:
    credential = uow.scope.credential
    if uow.scope.actor.kind is not ActorKind.MEMBER or credential is None or credential.user_id is None:
        raise errors.PeopleOnly
    return credential.user_id


async def _record(uow: UnitOfWork, action: Action, row: LegalAccessRow, more: Mapping[str, object]) -> None:
    """Write the act into the trail; of one that is secret the trail, which others read, does not say whom it is about."""
    if row.secret_until is not None:
        await record(uow, action, row.id, {"isSecret": True})
        return
    about = {
        "unit": str(row.unit_id),
        "contact": None if row.contact_id is None else str(row.contact_id),
        "conversation": None if row.conversation_id is None else str(row.conversation_id),
        "basis": row.basis.value,
        "reference": row.reference,
    }
    await record(uow, action, row.id, about | dict(more))
