"""Taking back at the platforms: webhooks of pages first, then grants, whose end also ends the tokens of their pages."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from server.channels import service as channels
from server.channels.service import DepartingAccount, DepartingPage
from server.platforms.port import FailureReason, PlatformCallFailed
from server.privacy.models import PlatformRevocationRow
from server.privacy.repository import offboardings as repository
from server.privacy.rules import PLATFORM_TRIES, Revocation, Target
from server.privacy.service.turns import At, StepDone, TakeBack, Turn, Wait
from server.tenants.uow import UnitOfWork

_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=30)
_DETAIL = 300


async def revoke_next(uow: UnitOfWork, at: At) -> Turn:
    """Say what the platform is to be asked for next; at the end hand on the grants that others need."""
    pages = {one.id: one for one in await channels.departing_pages(uow, at.unit_ids)}
    accounts = {one.id: one for one in await channels.departing_accounts(uow, at.unit_ids)}
    if at.step.total is None:
        at.step.total = await _plan(uow, at, list(pages.values()), list(accounts.values()))
    organization_id, offboarding_id = uow.scope.organization_id, at.row.id
    while (row := await repository.waiting(uow.session, organization_id, offboarding_id, at.tried)) is not None:
        what = pages.get(row.subject_id) if row.target is Target.PAGE else accounts.get(row.subject_id)
        if what is None or what.credentials is None:
            await _settle(uow, at, row, Revocation.REFUSED, "the token is gone")
        elif isinstance(what, DepartingAccount) and what.serves_others:
            await _settle(uow, at, row, Revocation.SHARED, None)
        else:
            return TakeBack(offboarding_id, at.unit_ids, what)
    tries = await repository.most_tries(uow.session, organization_id, offboarding_id)
    if tries is not None:
        return Wait(min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))
    for page_id in pages:
        await channels.wipe_page(uow, page_id)
    for account_id in accounts:
        await channels.hand_over(uow, account_id, at.unit_ids, at.row.unit_id)
    return StepDone()


async def _plan(uow: UnitOfWork, at: At, pages: list[DepartingPage], accounts: list[DepartingAccount]) -> int:
    wanted: list[tuple[Target, DepartingPage | DepartingAccount]] = [
        *((Target.PAGE, one) for one in pages if one.credentials is not None),
        *((Target.GRANT, one) for one in accounts if one.credentials is not None),
    ]
    await repository.plan_revocations(
        uow.session,
        [
            {
                "organization_id": uow.scope.organization_id,
                "offboarding_id": at.row.id,
                "target": target,
                "subject_id": one.id,
                "unit_id": at.row.unit_id,
                "channel": one.channel,
                "external_id": one.external_id,
                "outcome": Revocation.WAITING,
            }
            for target, one in wanted
        ],
    )
    return len(wanted)


async def note_taken_back(
    uow: UnitOfWork, asked: TakeBack, outcome: Revocation | None, failure: PlatformCallFailed | None = None
) -> None:
    """Write down what became of a request; when that is settled, destroy the token and give the route free.

    `outcome` None: judge by `failure`, or its absence. A platform that cannot be reached is asked again, a few times.
    """
    row = await repository.lock(uow.session, uow.scope.organization_id, asked.offboarding_id)
    found = await repository.revocation(uow.session, uow.scope.organization_id, asked.offboarding_id, asked.what.id)
    if row is None or found is None or found.outcome is not Revocation.WAITING:
        return
    planned = await repository.steps(uow.session, uow.scope.organization_id, [row.id])
    step = next(one for one in planned if one.name.value == "REVOKE")
    at = At(row, step, asked.unit_ids)
    found.tries += 0 if outcome is Revocation.SHARED else 1
    said = outcome or _judged(failure, found.tries)
    detail = None if failure is None else f"{failure.reason.value}: {failure.detail}"[:_DETAIL]
    if said is Revocation.WAITING:
        found.detail = detail
    else:
        await _settle(uow, at, found, said, detail)
    await uow.session.flush()


def _judged(failure: PlatformCallFailed | None, tries: int) -> Revocation:
    if failure is None:
        return Revocation.DONE
    if failure.reason is FailureReason.AUTH:
        return Revocation.VOID
    if not failure.retryable:
        return Revocation.REFUSED
    return Revocation.UNREACHABLE if tries >= PLATFORM_TRIES else Revocation.WAITING


async def _settle(uow: UnitOfWork, at: At, row: PlatformRevocationRow, outcome: Revocation, detail: str | None) -> None:
    row.outcome, row.detail, row.settled_at = outcome, detail, await uow.now()
    at.move(1)
    await _wipe(uow, at, row.target, row.subject_id, keeps_token=outcome is Revocation.SHARED)
    await uow.session.flush()


async def _wipe(uow: UnitOfWork, at: At, target: Target, subject_id: UUID, *, keeps_token: bool) -> None:
    if target is Target.PAGE:
        await channels.wipe_page(uow, subject_id)
        return
    accounts = {one.id: one for one in await channels.departing_accounts(uow, at.unit_ids)}
    if keeps_token and subject_id in accounts and accounts[subject_id].serves_others:
        return
    await channels.wipe_account(uow, subject_id, at.unit_ids, at.row.left_unit_id)
