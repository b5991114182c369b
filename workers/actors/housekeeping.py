"""Actors that tidy up."""

from __future__ import annotations

from server.audit import service as audit
from server.auth import service as auth
from server.auth.service import oauth
from server.channels import service as channels
from server.documents import service as documents
from server.sends import quota
from server.sends import service as sends
from server.tenants import idempotency
from server.tenants import service as tenants
from workers.run import Actor, Run
from workers.schedule import KeepHouse


async def keep_house(run: Run, job: KeepHouse) -> None:
    """Delete what the organization no longer needs."""
    async with run.begin() as uow:
        await idempotency.forget_old(uow)
        await sends.forget_old_receipts(uow)
        await tenants.forget_files(uow)
        await audit.forget_traces(uow)
        await oauth.forget_used(uow)
        await auth.tell_cuts(uow)
        await channels.tend(uow)
        await documents.forget_old_uses(uow)
        await run.finish(uow)
    await quota.forget_old(run.runtime.database)


ACTORS: dict[type, Actor] = {KeepHouse: keep_house}
