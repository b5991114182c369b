"""What of the spine leaves: the place in the tree, the people, files and operations; and the mark of what is leaving."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from server.kit.ids import new_id
from server.startup.models import StartCanaryRow, WriteProbeRow
from server.tenants.conflict_models import ConflictExceptionGrantRow, ConflictExceptionRow, UnitConflictRow
from server.tenants.departure_models import DepartureRow
from server.tenants.leaving import How, Leaving, among, of_units
from server.tenants.models import (
    CustomRoleRow,
    IdempotencyRow,
    LocationGroupRow,
    LocationGroupUnitRow,
    MemberRow,
    MembershipRow,
    OperationProblemRow,
    OperationRow,
    OrganizationRow,
    StoredFilePartRow,
    StoredFileRow,
    UnitClosureRow,
    UnitImportRow,
    UnitRow,
)
from server.tenants.repository import units as repository
from server.tenants.rules import DepartureKind
from server.tenants.setting_models import UnitSettingRow
from server.tenants.uow import UnitOfWork

FORMER_MEMBER = "Former member"
_QUIET = {"synchronize_session": False}


def _closures(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    return or_(UnitClosureRow.ancestor_id == among(unit_ids), UnitClosureRow.descendant_id == among(unit_ids))


def _in_groups(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    return or_(LocationGroupUnitRow.unit_id == among(unit_ids), LocationGroupUnitRow.location_id == among(unit_ids))


def _conflicts(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    return or_(UnitConflictRow.first_unit_id == among(unit_ids), UnitConflictRow.second_unit_id == among(unit_ids))


def _exceptions(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = ConflictExceptionRow
    return or_(row.first_unit_id == among(unit_ids), row.second_unit_id == among(unit_ids))


def _exception_grants(unit_ids: Sequence[UUID]) -> ColumnElement[bool]:
    row = ConflictExceptionGrantRow
    mine = ConflictExceptionRow.organization_id == row.organization_id
    return row.exception_id.in_(select(ConflictExceptionRow.id).where(mine, _exceptions(unit_ids)))


LEAVING = (
    Leaving(ConflictExceptionGrantRow, How.STAFF, _exception_grants),
    Leaving(ConflictExceptionRow, How.STAFF, _exceptions),
    Leaving(UnitConflictRow, How.STAFF, _conflicts),
    Leaving(LocationGroupUnitRow, How.ROWS, _in_groups),
    Leaving(LocationGroupRow, How.ROWS, of_units(LocationGroupRow.unit_id)),
    Leaving(UnitImportRow, How.ROWS, of_units(UnitImportRow.unit_id)),
    Leaving(StoredFilePartRow, How.ROWS, of_units(StoredFilePartRow.unit_id)),
    Leaving(StoredFileRow, How.ROWS, of_units(StoredFileRow.unit_id)),
    Leaving(OperationProblemRow, How.ROWS, of_units(OperationProblemRow.unit_id)),
    Leaving(OperationRow, How.ROWS, of_units(OperationRow.unit_id)),
    Leaving(UnitSettingRow, How.ROWS, of_units(UnitSettingRow.unit_id)),
    Leaving(MembershipRow, How.STAFF, of_units(MembershipRow.unit_id)),
    Leaving(MemberRow, How.APART, note="server.tenants.departures.forget_people takes name and address away"),
    Leaving(IdempotencyRow, How.APART, note="server.privacy.service.traces, by the ids that its results name"),
    Leaving(DepartureRow, How.APART, note="server.tenants.departures.end, with the last row of what it names"),
    Leaving(UnitClosureRow, How.TREE, _closures),
    Leaving(UnitRow, How.TREE, of_units(UnitRow.id)),
    Leaving(OrganizationRow, How.STAYS, note="it is who parts with the unit"),
    Leaving(CustomRoleRow, How.STAYS, note="belongs to the organization as a whole"),
    Leaving(StartCanaryRow, How.STAYS, note="tells whether key ring and pepper fit; nothing of anybody"),
    Leaving(WriteProbeRow, How.STAYS, note="when a process last wrote; nothing of anybody"),
)


@dataclass(frozen=True, slots=True)
class Staff:
    """How many roles were removed, and who was left without any, deactivated before or not."""

    memberships: int
    deactivated_ids: tuple[UUID, ...]


async def units_that_leave(uow: UnitOfWork, unit_id: UUID) -> list[UUID]:
    """Return the unit and everything under it, archived or not, sorted."""
    return sorted(await repository.units_below(uow.session, uow.scope.organization_id, unit_id))


async def begin(uow: UnitOfWork, kind: DepartureKind, subject_ids: Collection[UUID]) -> bool:
    """Mark what leaves; return whether anything was not marked before.

    From the commit on no caller sees rows of the units, and no send of the units or contacts is claimed.
    """
    rows = [
        {"organization_id": uow.scope.organization_id, "subject_id": one, "kind": kind} for one in sorted(subject_ids)
    ]
    made = await uow.session.execute(
        insert(DepartureRow).values(rows).on_conflict_do_nothing().returning(DepartureRow.subject_id)
    )
    return made.first() is not None


async def end(uow: UnitOfWork, subject_ids: Sequence[UUID]) -> None:
    """Take the marks off: what they named has no rows any more."""
    await uow.session.execute(
        delete(DepartureRow).where(
            DepartureRow.organization_id == uow.scope.organization_id, DepartureRow.subject_id == among(subject_ids)
        )
    )


async def remove_staff(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> Staff:
    """Take all roles on these units away, and deactivate who has no other. Repeatable."""
    organization_id = uow.scope.organization_id
    gone = await uow.session.execute(
        delete(MembershipRow)
        .where(MembershipRow.organization_id == organization_id, MembershipRow.unit_id == among(unit_ids))
        .returning(MembershipRow.member_id)
        .execution_options(**_QUIET)
    )
    removed = [row.member_id for row in gone]
    others = exists().where(
        MembershipRow.organization_id == MemberRow.organization_id, MembershipRow.member_id == MemberRow.id
    )
    left = await uow.session.execute(
        update(MemberRow)
        .where(
            MemberRow.organization_id == organization_id,
            MemberRow.id == among(removed),
            ~others,
        )
        .values(deactivated_at=func.coalesce(MemberRow.deactivated_at, func.clock_timestamp()))
        .returning(MemberRow.id)
        .execution_options(**_QUIET)
    )
    return Staff(len(removed), tuple(sorted(row.id for row in left)))


async def forget_people(uow: UnitOfWork, member_ids: Sequence[UUID]) -> int:
    """Take name, address and account off members who are still deactivated; return how many. Repeatable.

    The row stays, because what others did together with them names it; the trail keeps the name under which they acted.
    """
    statement = select(MemberRow).where(
        MemberRow.organization_id == uow.scope.organization_id,
        MemberRow.id == among(member_ids),
        MemberRow.deactivated_at.is_not(None),
    )
    rows = (await uow.session.scalars(statement.with_for_update())).all()
    for row in rows:
        row.name, row.email, row.user_id = FORMER_MEMBER, f"{row.id}@erased.invalid", new_id()
    await uow.session.flush()
    return len(rows)


async def lock_unit(uow: UnitOfWork, unit_id: UUID) -> UnitRow | None:
    """Return a unit and lock it: waits for everybody who is adding something to it."""
    statement = (
        select(UnitRow)
        .where(UnitRow.organization_id == uow.scope.organization_id, UnitRow.id == unit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await uow.session.scalars(statement)).one_or_none()


async def is_leaving(uow: UnitOfWork, subject_id: UUID) -> bool:
    """Say whether this unit or contact is marked."""
    found = exists().where(
        DepartureRow.organization_id == uow.scope.organization_id, DepartureRow.subject_id == subject_id
    )
    return bool((await uow.session.execute(select(found))).scalar_one())
