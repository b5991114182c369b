"""Parting with a client: asked for in one call, carried out step by step. Each slice is a unit of work of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.campaigns import leaving as campaigns
from server.channels import service as channels
from server.kit.errors import NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.privacy.jobs import Offboard
from server.privacy.models import OffboardingRow, OffboardingStepRow
from server.privacy.repository import offboardings as repository
from server.privacy.rules import (
    OffboardingState,
    Policy,
    StepName,
    StepState,
    offboarding_problems,
)
from server.privacy.service import certificate, erasing, revoking, steps
from server.privacy.service.turns import At, More, Over, StepDone, Turn
from server.tenants import departures
from server.tenants import service as tenants
from server.tenants.rules import DepartureKind, OperationKind, Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. `confirmed` is the unit's name as they typed it."""

    unit_id: UUID
    policy: Policy
    retain_days: int | None
    confirmed: str
    reason: str


async def offboard(uow: UnitOfWork, wish: Wish) -> OffboardingRow:
    """Begin to part with a unit and everything under it; from the commit on nobody sees it and nothing is sent for it.

    Needs unit:offboard on the unit and the one above it. Raises NotFound, also for a unit that is leaving already, and
    Problems for the headquarters, another name, days that do not fit the policy, and a missing reason.
    """
    unit = await tenants.unit(uow, wish.unit_id)
    uow.scope.require(Permission.UNIT_OFFBOARD, unit.id)
    problems = offboarding_problems(
        unit.kind,
        unit.name,
        confirmed=wish.confirmed,
        policy=wish.policy,
        retain_days=wish.retain_days,
        reason=wish.reason,
    )
    if problems:
        raise Problems(problems)
    locked = await departures.lock_unit(uow, unit.id)
    if locked is None or locked.parent_id is None or await departures.is_leaving(uow, unit.id):
        raise NotFound(path=("unitId",))
    # Somebody has to stay who sees the export and the certificate.
    if not uow.scope.may(Permission.UNIT_OFFBOARD, locked.parent_id):
        raise PermissionDenied(Permission.UNIT_OFFBOARD.value, path=("unitId",))
    return await _begin(uow, wish, unit.id, locked.parent_id)


async def _begin(uow: UnitOfWork, wish: Wish, unit_id: UUID, above_id: UUID) -> OffboardingRow:
    left = await departures.units_that_leave(uow, unit_id)
    await departures.begin(uow, DepartureKind.UNIT, left)
    pages = await channels.freeze_pages(uow, left)
    stopped = await campaigns.stop(uow, left)
    operation = await tenants.start_operation(uow, OperationKind.CLIENT_OFFBOARDING, above_id, unit_id)
    days = timedelta(days=wish.retain_days or 0)
    row = OffboardingRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=above_id,
        left_unit_id=unit_id,
        left_unit_ids=left,
        page_ids=pages,
        policy=wish.policy,
        retained_until=await uow.now() + days if wish.policy is Policy.RETAIN else None,
        state=OffboardingState.RUNNING,
        operation_id=operation.id,
        actor_id=uow.scope.actor.id,
        actor_name=uow.scope.actor.name,
        reason=wish.reason,
    )
    uow.session.add(row)
    await uow.session.flush()
    uow.session.add_all(_planned(row, {"pages": len(pages), "campaigns": stopped}))
    await uow.session.flush()
    uow.defer(Offboard(row.id), key=str(row.id))
    tenants.announce_access(uow)
    details = {"offboarding": str(row.id), "policy": row.policy.value, "units": len(left), "pages": len(pages)}
    await audit.record(uow, Action.CLIENT_OFFBOARD, unit_id, details)
    return row


def _planned(row: OffboardingRow, frozen: Mapping[str, object]) -> list[OffboardingStepRow]:
    return [
        OffboardingStepRow(
            organization_id=row.organization_id,
            offboarding_id=row.id,
            position=position,
            unit_id=row.unit_id,
            name=name,
            state=StepState.WAITING,
            done=0,
            facts=dict(frozen) if name is StepName.FREEZE else {},
        )
        for position, name in enumerate(StepName)
    ]


Handler = Callable[[UnitOfWork, At], Awaitable[Turn]]
_HANDLERS: Mapping[StepName, Handler] = {
    StepName.FREEZE: steps.freeze,
    StepName.EXPORT: steps.export_all,
    StepName.REVOKE: revoking.revoke_next,
    StepName.STAFF: steps.remove_staff,
    StepName.ERASE: erasing.erase_next,
    StepName.CERTIFICATE: certificate.certify,
}


async def work(uow: UnitOfWork, offboarding_id: UUID, tried: frozenset[UUID] = frozenset()) -> Turn:
    """Do the next slice of an off-boarding; the caller commits, then acts on what is returned.

    Whoever dies between two slices continues with the second; what a slice did and that it did so stand in one commit.
    """
    row = await repository.lock(uow.session, uow.scope.organization_id, offboarding_id)
    if row is None or row.state is OffboardingState.DONE:
        return Over()
    planned = await repository.steps(uow.session, uow.scope.organization_id, [row.id])
    step = next(one for one in planned if one.state is not StepState.DONE)
    if step.state is StepState.WAITING:
        step.state, step.started_at = StepState.RUNNING, await uow.now()
        await tenants.advance(uow, row.operation_id, total=len(planned))
    at = At(row, step, await _units(uow, row), tried)
    turn = await _HANDLERS[step.name](uow, at)
    if isinstance(turn, StepDone):
        step.state, step.ended_at = StepState.DONE, await uow.now()
        if step.name is not StepName.CERTIFICATE:
            await tenants.advance(uow, row.operation_id, done=1)
            uow.defer(Offboard(row.id), key=str(row.id))
    elif isinstance(turn, More):
        uow.announce(f"operation:{row.operation_id}")
    await uow.session.flush()
    return turn


async def _units(uow: UnitOfWork, row: OffboardingRow) -> tuple[UUID, ...]:
    """Return the unit first and then all under it, with those that a transaction added while the leaving began."""
    below = await departures.units_that_leave(uow, row.left_unit_id)
    if below and below != list(row.left_unit_ids):
        row.left_unit_ids = below
        await departures.begin(uow, DepartureKind.UNIT, below)
        row.page_ids = await channels.freeze_pages(uow, below)
        await campaigns.stop(uow, below)
    return (row.left_unit_id, *(one for one in row.left_unit_ids if one != row.left_unit_id))


# --------------------------------------------------------------------------- reading


async def offboardings_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, OffboardingRow]:
    """Return those of the off-boardings that the scope may see: unit:offboard on the unit above."""
    rows = await repository.by_id(uow.session, uow.scope.organization_id, ids)
    return {row.id: row for row in rows if uow.scope.may(Permission.UNIT_OFFBOARD, row.unit_id)}


async def list_offboardings(uow: UnitOfWork, arguments: PageArguments) -> Page[OffboardingRow]:
    """List off-boardings, newest first. Needs unit:offboard on the unit above what left."""
    uow.scope.require_anywhere(Permission.UNIT_OFFBOARD)
    keyset = Keyset((SortKey(OffboardingRow.id, UUID, descending=True),), ["offboardings"])
    units = uow.scope.units_with(Permission.UNIT_OFFBOARD)
    rows = await repository.newest(uow.session, uow.scope, keyset, arguments, units)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def steps_of(uow: UnitOfWork, offboarding_ids: Sequence[UUID]) -> Mapping[UUID, list[OffboardingStepRow]]:
    """Return the steps of each off-boarding, in their order."""
    found: dict[UUID, list[OffboardingStepRow]] = {one: [] for one in offboarding_ids}
    for step in await repository.steps(uow.session, uow.scope.organization_id, offboarding_ids):
        found[step.offboarding_id].append(step)
    return found
