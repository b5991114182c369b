"""Actors that tidy up."""

from __future__ import annotations

from server.sends import service as sends
from server.tenants import idempotency
from workers.run import Actor, Run
from workers.schedule import KeepHouse


async def keep_house(run: Run, job: KeepHouse) -> None:
    """Delete what the organization no longer needs."""
    async with run.begin() as uow:
        await idempotency.forget_old(uow)
        await sends.forget_old_receipts(uow)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {KeepHouse: keep_house}
