"""Reconciliation: what became of sends whose outcome nobody knows.

First the echo (service.settle_by_echo), then the platform's own list, then a person. A send that is missing from an
authoritative list twice, a grace apart, while no live worker holds it, is queued again (ADR 0007).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server.config import SendSettings
from server.kit.locks import is_abandoned
from server.platforms.port import Listing
from server.sends.models import Purpose, SendState
from server.sends.queueing import ask_to_reconcile, ring
from server.sends.repository import unknowns as repository
from server.sends.repository.intents import SettledSend
from server.sends.rules import ABSENT_CHECKS, CLOCK_SKEW, UnknownSend, match_unknowns
from server.tenants.uow import UnitOfWork

_AT_ONCE = 500


async def abandon_claims(uow: UnitOfWork, settings: SendSettings, page_id: UUID, worker_id: UUID) -> list[SettledSend]:
    """Make the claims of workers that are gone unknown; a paused worker still holds its lock and keeps its claims."""
    settled: list[SettledSend] = []
    for other in await repository.claimants(uow.session, uow.scope.organization_id, page_id, worker_id):
        if await is_abandoned(uow.session, other):
            settled += await repository.abandon(uow.session, uow.scope.organization_id, page_id, other)
    if settled:
        ask_to_reconcile(uow, page_id, settings.grace_s)
    return settled


async def abandon_unrecorded(
    uow: UnitOfWork, settings: SendSettings, page_id: UUID, purpose: Purpose
) -> list[SettledSend]:
    """Make claims that outlived their lease unknown, although their worker lives: it could not record what it did.

    Only for the run that holds the page's drain job: it is the only one that may claim here, and the job of a worker that
    is merely paused is not put back. Unknown is not sent again without proof, and a late record still counts.
    """
    lease = timedelta(seconds=settings.lease_s)
    settled = await repository.abandon_old(uow.session, uow.scope.organization_id, page_id, purpose, lease)
    if settled:
        ask_to_reconcile(uow, page_id, settings.grace_s)
    return settled


async def due_unknowns(uow: UnitOfWork, settings: SendSettings, page_id: UUID) -> Sequence[UnknownSend]:
    """Return the page's unknowns whose grace has passed, oldest first, at most 500."""
    grace = timedelta(seconds=max(settings.grace_s, settings.deadline_s))
    return await repository.unknowns(uow.session, uow.scope.organization_id, page_id, grace, _AT_ONCE)


def since(unknowns: Sequence[UnknownSend]) -> datetime:
    """Return from when on the platform's list must be read to prove anything about these unknowns."""
    return unknowns[0].claimed_at - CLOCK_SKEW


async def settle_by_list(
    uow: UnitOfWork, page_id: UUID, unknowns: Sequence[UnknownSend], listing: Listing
) -> list[SettledSend]:
    """Settle unknowns by the platform's list: found is sent, absent is counted and then queued again, doubt is a person's.

    What is missing from a list that does not reach back far enough proves nothing: after the checks a person decides.
    """
    organization_id = uow.scope.organization_id
    taken = await repository.attributed(
        uow.session, organization_id, page_id, [message.platform_message_id for message in listing.messages]
    )
    findings = match_unknowns(unknowns, listing.messages, taken, is_complete=listing.is_complete)
    settled = await repository.resolve(uow.session, organization_id, findings, ABSENT_CHECKS)
    if any(one.state is SendState.QUEUED for one in settled):
        for purpose in Purpose:
            ring(uow, page_id, purpose)
    return settled


async def is_done(uow: UnitOfWork, page_id: UUID) -> bool:
    """Say whether the page has neither claims nor unknowns left."""
    return not await repository.has_open(uow.session, uow.scope.organization_id, page_id)
