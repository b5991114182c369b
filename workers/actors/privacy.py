"""Actors of privacy: HTTP to the platforms happens here, between short units of work."""

from __future__ import annotations

from uuid import UUID

from server.channels import service as channels
from server.channels.service import DepartingAccount, DepartingPage
from server.platforms.port import Connector, FailureReason, PlatformCallFailed
from server.platforms.registry import ChannelNotOffered
from server.privacy import service as privacy
from server.privacy.jobs import EraseContact, Offboard
from server.privacy.rules import Revocation
from workers.run import Actor, RetryLater, Run


async def offboard(run: Run, job: Offboard) -> None:
    """Carry out one step of an off-boarding, slice by slice; what the platform is asked for is asked between two slices."""
    tried: set[UUID] = set()
    while True:
        async with run.begin() as uow:
            turn = await privacy.work(uow, job.offboarding_id, frozenset(tried))
            if isinstance(turn, privacy.Over | privacy.StepDone):
                await run.finish(uow)
                return
        match turn:
            case privacy.Wait(delay=delay):
                raise RetryLater(delay)
            case privacy.TakeBack():
                tried.add(turn.what.id)
                await _take_back(run, turn)
            case privacy.Strays():
                await _forget_strays(run, turn)
            case privacy.More():
                continue


async def _take_back(run: Run, asked: privacy.TakeBack) -> None:
    outcome: Revocation | None = None
    failure: PlatformCallFailed | None = None
    try:
        if isinstance(asked.what, DepartingAccount) and await channels.is_granted_elsewhere(
            run.runtime.database, run.organization_id, asked.unit_ids, asked.what
        ):
            outcome = Revocation.SHARED
        else:
            await _ask(run.registry.of(asked.what.channel), asked.what)
    except PlatformCallFailed as problem:
        failure = problem
    except ChannelNotOffered as problem:
        failure = PlatformCallFailed(FailureReason.NOT_CONNECTED, str(problem))
    async with run.begin() as uow:
        await privacy.note_taken_back(uow, asked, outcome, failure)


async def _ask(connector: Connector, what: DepartingPage | DepartingAccount) -> None:
    match what:
        case DepartingPage(credentials=page) if page is not None:
            await connector.unsubscribe(page)
        case DepartingAccount(credentials=account) if account is not None:
            await connector.revoke(account)


async def _forget_strays(run: Run, asked: privacy.Strays) -> None:
    count = 0
    for channel in dict.fromkeys(one for one, _ in asked.pages):
        names = [name for at, name in asked.pages if at is channel]
        count += await channels.forget_strays(run.runtime.database, channel, names)
    async with run.begin() as uow:
        await privacy.note_strays(uow, asked, count)


async def erase_contact(run: Run, job: EraseContact) -> None:
    """Erase one contact, a slice per unit of work."""
    while True:
        async with run.begin() as uow:
            if await privacy.erase_slice(uow, job.contact_id, job.operation_id):
                await run.finish(uow)
                return


ACTORS: dict[type, Actor] = {Offboard: offboard, EraseContact: erase_contact}
