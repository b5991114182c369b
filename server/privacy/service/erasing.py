"""The step that erases: traces first, then, for RETAIN at its date, all rows in batches, people and strays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from server.audit import service as audit
from server.channels import service as channels
from server.consent import leaving as consent
from server.metering import leaving as metering
from server.platforms.port import Channel
from server.privacy.models import OffboardingStepRow
from server.privacy.parts import ERASED
from server.privacy.repository import offboardings as repository
from server.privacy.rules import OffboardingState, Policy, StepName
from server.privacy.service import certificate
from server.privacy.service.steps import rows_left
from server.privacy.service.traces import Wanted, forget_traces
from server.privacy.service.turns import ROWS_AT_ONCE, At, More, StepDone, Strays, Turn, Wait
from server.sends import leaving as sends
from server.tenants import departures
from server.tenants.leaving import erase_units
from server.tenants.uow import UnitOfWork

HOLD_IS_ASKED_EVERY = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(hours=12)


class Phase(StrEnum):
    """How far the erasure is."""

    TRACES = "TRACES"
    DATE = "DATE"
    SUMS = "SUMS"
    ROWS = "ROWS"
    PEOPLE = "PEOPLE"
    STRAYS = "STRAYS"


async def erase_next(uow: UnitOfWork, at: At) -> Turn:
    """Erase the next slice, unless a legal hold forbids it at this moment."""
    # Asked in the transaction that erases: a hold that is set now waits for this slice, or this slice waits for it.
    if await audit.holds_on(uow, at.unit_ids, []):
        at.row.state = OffboardingState.ON_HOLD
        at.note(was_on_hold=True)
        return Wait(HOLD_IS_ASKED_EVERY)
    if at.row.state is OffboardingState.ON_HOLD:
        at.row.state = OffboardingState.RUNNING
    return await _PHASES[_phase(at.step)](uow, at)


def _phase(step: OffboardingStepRow) -> Phase:
    return Phase(str(step.facts.get("phase", Phase.TRACES.value)))


async def _traces(uow: UnitOfWork, at: At) -> Turn:
    pages = [[one.channel.value, one.external_id] for one in await channels.departing_pages(uow, at.unit_ids)]
    found = await forget_traces(uow, Wanted(at.unit_ids, frozenset(at.row.page_ids)))
    for table, count in found.counts().items():
        at.add(table, count)
    at.note(pages=pages, phase=Phase.DATE.value)
    return More()


async def _date(uow: UnitOfWork, at: At) -> Turn:
    until, now = at.row.retained_until, await uow.now()
    if at.row.policy is Policy.RETAIN and until is not None and now < until:
        if at.row.state is not OffboardingState.RETAINED:
            at.row.state = OffboardingState.RETAINED
            await certificate.issue(uow, at, is_final=False)
        return Wait(min(until - now, _LONGEST_WAIT))
    at.row.state = OffboardingState.RUNNING
    at.note(phase=Phase.SUMS.value)
    return More()


async def _sums(uow: UnitOfWork, at: At) -> Turn:
    tallied = await sends.tally_units(uow, at.unit_ids, ROWS_AT_ONCE)
    at.add("send_intent", tallied)
    if tallied == ROWS_AT_ONCE:
        return More()
    carried = await metering.carry_over(uow, at.unit_ids, at.row.unit_id, at.row.left_unit_id)
    at.add("cost", sum(one.rows for one in carried))
    at.note(
        carried_costs=[{"currency": one.currency, "amount_micros": one.amount_micros} for one in carried],
        suppression_hashes=await consent.remember_suppressed(uow, at.unit_ids),
        phase=Phase.ROWS.value,
        table=0,
    )
    return More()


async def _rows(uow: UnitOfWork, at: At) -> Turn:
    place, budget = int(str(at.step.facts.get("table", 0))), ROWS_AT_ONCE
    while place < len(ERASED) and budget > 0:
        gone = await erase_units(uow, ERASED[place], at.unit_ids, budget)
        at.add(ERASED[place].name, gone)
        at.move(gone)
        place, budget = (place, 0) if gone == budget else (place + 1, budget - gone)
    if place == len(ERASED):
        # What a worker wrote behind our back, between two slices, is found here and erased by another round.
        is_empty = not await rows_left(uow, at)
        at.note(table=0, **({"phase": Phase.PEOPLE.value} if is_empty else {}))
    else:
        at.note(table=place)
    return More()


async def _people(uow: UnitOfWork, at: At) -> Turn:
    planned = await repository.steps(uow.session, uow.scope.organization_id, [at.row.id])
    staff = next(one for one in planned if one.name is StepName.STAFF)
    ids = staff.facts.get("member_ids")
    found = [UUID(str(one)) for one in ids] if isinstance(ids, list) else []
    at.note(people_forgotten=await departures.forget_people(uow, found), phase=Phase.STRAYS.value)
    return More()


async def _strays(uow: UnitOfWork, at: At) -> Turn:
    found = at.step.facts.get("pages")
    pages = found if isinstance(found, list) else []
    if not pages:
        return StepDone()
    return Strays(at.row.id, tuple((Channel(channel), str(name)) for channel, name in pages))


async def note_strays(uow: UnitOfWork, asked: Strays, count: int) -> None:
    """Write down how many strays were deleted; their pages are then forgotten, too."""
    row = await repository.lock(uow.session, uow.scope.organization_id, asked.offboarding_id)
    if row is None:
        return
    planned = await repository.steps(uow.session, uow.scope.organization_id, [row.id])
    at = At(row, next(one for one in planned if one.name is StepName.ERASE), ())
    at.add("stray_event", count)
    at.note(pages=[])
    await uow.session.flush()


_PHASES: Mapping[Phase, Callable[[UnitOfWork, At], Awaitable[Turn]]] = {
    Phase.TRACES: _traces,
    Phase.DATE: _date,
    Phase.SUMS: _sums,
    Phase.ROWS: _rows,
    Phase.PEOPLE: _people,
    Phase.STRAYS: _strays,
}
