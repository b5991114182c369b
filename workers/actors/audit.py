"""Jobs of the audit slice."""

from __future__ import annotations

from server.audit import service as audit
from server.audit.jobs import WriteExport
from server.tenants import service as tenants
from workers.run import Actor, Run


async def write_export(run: Run, job: WriteExport) -> None:
    """Let watchers see that it runs; then write the file, finish the operation and the job in one transaction."""
    async with run.begin() as uow:
        await tenants.advance(uow, job.operation_id)
    async with run.begin() as uow:
        await audit.write_export(uow, job.operation_id, job.since, job.until)
        await run.finish(uow)


ACTORS: dict[type, Actor] = {WriteExport: write_export}
