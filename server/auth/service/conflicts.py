"""Conflict walls: two units that compete share no staff, unless two people except somebody by name.

All of it is the headquarters' business: every act and every list needs member:manage on the whole tree (lifting needs
organization:manage), so that whoever works for one side never learns that the other exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth.errors import ExceptionNotOpen, ExceptionOfOneself, PersonNeeded, SharedStaff
from server.auth.repository import conflicts as repository
from server.auth.repository import people
from server.auth.service.apart import shared_apps
from server.kit.errors import InvalidInput, NotFound
from server.kit.ids import encode, new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.conflict_models import ConflictExceptionGrantRow, ConflictExceptionRow, UnitConflictRow
from server.tenants.errors import AlreadyExists
from server.tenants.reach import units_below
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind
from server.tenants.uow import UnitOfWork

NEEDED = 2
MAX_REASON = 500


async def flag_conflict(uow: UnitOfWork, unit_id: UUID, other_id: UUID, reason: str) -> UnitConflictRow:
    """Keep two units apart from now on. Needs member:manage on the whole tree.

    Refused while anybody works for both (SharedStaff names them): a wall with people on both sides would promise what
    it does not hold. Raises PermissionDenied, NotFound, InvalidInput, AlreadyExists.
    """
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    pair = await _pair(uow, unit_id, other_id)
    _check_reason(reason)
    await tenants.lock_people(uow)
    if await repository.is_flagged(uow.session, uow.scope.organization_id, pair):
        raise AlreadyExists("These units are kept apart already.", path=("otherUnitId",))
    members = await tenants.shared_people(uow, [pair])
    apps = await shared_apps(uow, [pair])
    if members or apps:
        raise SharedStaff([encode("mem", one.member_id) for one in members], [encode("tok", one) for one in apps])
    row = UnitConflictRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        first_unit_id=pair[0],
        second_unit_id=pair[1],
        reason=reason,
        flagged_by=uow.scope.actor.name,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.CONFLICT_FLAG, row.id, {"units": [str(one) for one in pair], "reason": reason})
    return row


async def lift_conflict(uow: UnitOfWork, conflict_id: UUID) -> None:
    """End a wall. Needs organization:manage on the whole tree. Raises PermissionDenied, or NotFound if it is not up."""
    uow.scope.require(Permission.ORGANIZATION_MANAGE, None)
    await tenants.lock_people(uow)
    row = await repository.conflict(uow.session, uow.scope.organization_id, conflict_id)
    if row is None or row.lifted_at is not None:
        raise NotFound(path=("conflictId",))
    row.lifted_at = await uow.now()
    await uow.session.flush()
    units = [str(row.first_unit_id), str(row.second_unit_id)]
    await audit.record(uow, Action.CONFLICT_LIFT, row.id, {"units": units})


async def request_exception(
    uow: UnitOfWork, member_id: UUID, unit_id: UUID, other_id: UUID, reason: str
) -> ConflictExceptionRow:
    """Ask that a member may work for both units, also before they are kept apart. It counts when two people agreed.

    Needs member:manage on the whole tree. Raises PermissionDenied, NotFound, InvalidInput, AlreadyExists.
    """
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    pair = await _pair(uow, unit_id, other_id)
    _check_reason(reason)
    await tenants.lock_people(uow)
    organization_id = uow.scope.organization_id
    if await people.member(uow.session, organization_id, member_id) is None:
        raise NotFound(path=("memberId",))
    if await repository.has_exception(uow.session, organization_id, member_id, pair):
        raise AlreadyExists("This exception is asked for or granted already.", path=("memberId",))
    row = ConflictExceptionRow(
        organization_id=organization_id,
        id=new_id(),
        member_id=member_id,
        first_unit_id=pair[0],
        second_unit_id=pair[1],
        reason=reason,
        requested_by=uow.scope.actor.name,
    )
    uow.session.add(row)
    await uow.session.flush()
    told = {"member": str(member_id), "units": [str(one) for one in pair], "reason": reason}
    await audit.record(uow, Action.CONFLICT_EXCEPTION_REQUEST, row.id, told)
    return row


async def grant_exception(uow: UnitOfWork, exception_id: UUID) -> None:
    """Agree to an exception; with the second of two different people it counts.

    Needs member:manage on the whole tree, held by a person: not by an app, not by the member concerned, and still by the
    first when the second agrees. Raises PermissionDenied, PersonNeeded, NotFound, ExceptionNotOpen, ExceptionOfOneself.
    """
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    actor = uow.scope.actor
    if actor.kind is not ActorKind.MEMBER:
        raise PersonNeeded
    await tenants.lock_people(uow)
    organization_id = uow.scope.organization_id
    row = await repository.exception(uow.session, organization_id, exception_id)
    if row is None:
        raise NotFound(path=("exceptionId",))
    if row.granted_at is not None or row.withdrawn_at is not None:
        raise ExceptionNotOpen
    if row.member_id == actor.id:
        raise ExceptionOfOneself("You cannot agree to an exception for yourself.")
    agreed = [one.member_id for one in await repository.granted_by(uow.session, organization_id, [exception_id])]
    if actor.id in agreed:
        raise ExceptionOfOneself("You agreed already; somebody else has to agree too.")
    uow.session.add(
        ConflictExceptionGrantRow(organization_id=organization_id, exception_id=exception_id, member_id=actor.id)
    )
    standing = [one for one in agreed if await _still_manages(uow, one)]
    if len(standing) + 1 >= NEEDED:
        row.granted_at = await uow.now()
    await uow.session.flush()
    told = {"member": str(row.member_id), "granted": row.granted_at is not None}
    await audit.record(uow, Action.CONFLICT_EXCEPTION_GRANT, row.id, told)


async def withdraw_exception(uow: UnitOfWork, exception_id: UUID) -> None:
    """End an exception or the request for one. Needs member:manage on the whole tree.

    Raises PermissionDenied, NotFound, ExceptionNotOpen, and Separated while the member works on both sides of a wall.
    """
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    await tenants.lock_people(uow)
    row = await repository.exception(uow.session, uow.scope.organization_id, exception_id)
    if row is None:
        raise NotFound(path=("exceptionId",))
    if row.withdrawn_at is not None:
        raise ExceptionNotOpen
    row.withdrawn_at = await uow.now()
    await uow.session.flush()
    await tenants.check_separation(uow, [row.member_id], path=("exceptionId",))
    await audit.record(uow, Action.CONFLICT_EXCEPTION_WITHDRAW, row.id, {"member": str(row.member_id)})


async def list_conflicts(uow: UnitOfWork, arguments: PageArguments) -> Page[UnitConflictRow]:
    """List the walls, newest first, lifted ones too. Needs member:manage on the whole tree."""
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    keyset = Keyset((SortKey(UnitConflictRow.id, UUID, descending=True),), ["conflicts"])
    rows = await repository.list_conflicts(uow.session, uow.scope.organization_id, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def conflicts_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, UnitConflictRow]:
    """Return the walls with these ids; none without member:manage on the whole tree."""
    if Permission.MEMBER_MANAGE not in uow.scope.everywhere:
        return {}
    return {row.id: row for row in await repository.conflicts_by_id(uow.session, uow.scope.organization_id, ids)}


async def list_exceptions(
    uow: UnitOfWork, arguments: PageArguments, *, member_id: UUID | None = None
) -> Page[ConflictExceptionRow]:
    """List the exceptions, newest first; of one member, if given. Needs member:manage on the whole tree."""
    uow.scope.require(Permission.MEMBER_MANAGE, None)
    keyset = Keyset((SortKey(ConflictExceptionRow.id, UUID, descending=True),), ["exceptions", member_id])
    rows = await repository.list_exceptions(uow.session, uow.scope.organization_id, keyset, arguments, member_id)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def exceptions_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, ConflictExceptionRow]:
    """Return the exceptions with these ids; none without member:manage on the whole tree."""
    if Permission.MEMBER_MANAGE not in uow.scope.everywhere:
        return {}
    return {row.id: row for row in await repository.exceptions_by_id(uow.session, uow.scope.organization_id, ids)}


async def granters_of(uow: UnitOfWork, exception_ids: Sequence[UUID]) -> Mapping[UUID, list[UUID]]:
    """Return the members who agreed to each exception, the first one first."""
    found: dict[UUID, list[UUID]] = {one: [] for one in exception_ids}
    for row in await repository.granted_by(uow.session, uow.scope.organization_id, exception_ids):
        found[row.exception_id].append(row.member_id)
    return found


async def _still_manages(uow: UnitOfWork, member_id: UUID) -> bool:
    organization_id = uow.scope.organization_id
    root = await people.root_id(uow.session, organization_id)
    return Permission.MEMBER_MANAGE in await people.held_on(uow.session, organization_id, member_id, root)


async def _pair(uow: UnitOfWork, unit_id: UUID, other_id: UUID) -> tuple[UUID, UUID]:
    found = await tenants.units_by_id(uow, [unit_id, other_id])
    for one, name in ((unit_id, "unitId"), (other_id, "otherUnitId")):
        if one not in found:
            raise NotFound(path=(name,))
    if other_id in await units_below(uow, unit_id) or unit_id in await units_below(uow, other_id):
        raise InvalidInput("Name two units of which neither is or stands under the other.", path=("otherUnitId",))
    return min(unit_id, other_id), max(unit_id, other_id)


def _check_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        raise InvalidInput(f"A reason has 1 to {MAX_REASON} printable characters.", path=("reason",))
