"""The actor of bulk connects: the lines of a list, some at a time."""

from __future__ import annotations

from server.channels import service as channels
from server.channels.errors import ConnectionNotOpen
from server.channels.jobs import ConnectMany
from server.tenants import service as tenants
from workers.run import Actor, Run


async def connect_many(run: Run, job: ConnectMany) -> None:
    """Connect what is left of a list; each step is committed with its results."""
    async with run.begin() as uow:
        left = await channels.choices_of(uow, job.operation_id)
    if left is None:
        return
    try:
        for start in range(0, len(left), channels.AT_ONCE):
            part = left[start : start + channels.AT_ONCE]
            async with run.begin() as uow:
                await channels.connect_part(uow, job.operation_id, job.connection_id, part)
    except ConnectionNotOpen as gone:
        async with run.begin() as uow:
            await tenants.fail(uow, job.operation_id, gone)
            await run.finish(uow)
        return
    async with run.begin() as uow:
        await channels.end_connecting(uow, job.operation_id, job.connection_id)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {ConnectMany: connect_many}
