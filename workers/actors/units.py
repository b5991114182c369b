"""Actors of the unit tree: reading the file of an import, line by line, and applying it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from tempfile import TemporaryFile
from typing import BinaryIO
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.kit.errors import NotFound
from server.tenants import service as tenants
from server.tenants import sheets
from server.tenants.jobs import ImportUnits
from server.tenants.sheets import SheetRow
from workers.run import Actor, Run

BATCH = 1_000
"""Lines per committed step."""


async def import_units(run: Run, job: ImportUnits) -> None:
    """Import a file. No transaction is open while lines are read; a run that dies is begun again with the first line."""
    async with run.begin() as uow:
        operation = await tenants.start_over(uow, job.operation_id)
    if operation is None:
        return
    with TemporaryFile() as spool:
        try:
            await _fetch(run, operation.subject_id, spool)
        except NotFound as gone:
            async with run.begin() as uow:
                await tenants.fail(uow, job.operation_id, gone)
                await run.finish(uow)
            return
        await _put_aside(run, job, spool)
    async with run.begin() as uow:
        ended = await tenants.conclude(uow, job.operation_id)
        details = {"askedBy": str(ended.operation.actor_id), "isDryRun": ended.operation.is_dry_run}
        told = {"refused": ended.operation.failed} if ended.counts is None else dict(ended.counts)
        await audit.record(uow, Action.UNIT_IMPORT_END, job.operation_id, details | told)
        await run.finish(uow)


async def _fetch(run: Run, file_id: UUID, spool: BinaryIO) -> None:
    async with run.begin_read() as uow:
        file = await tenants.file_of(uow, file_id)
        async for part in tenants.contents(uow, file.id):
            spool.write(part)


async def _put_aside(run: Run, job: ImportUnits, spool: BinaryIO) -> None:
    total = await asyncio.to_thread(sheets.count, job.format, spool)
    async with run.begin() as uow:
        await tenants.note_total(uow, job.operation_id, total)
    lines = sheets.rows(job.format, spool)
    while batch := await asyncio.to_thread(_next, lines):
        async with run.begin() as uow:
            await tenants.put_aside(uow, job.operation_id, batch)


def _next(lines: Iterator[SheetRow]) -> list[SheetRow]:
    return list(islice(lines, BATCH))


ACTORS: dict[type, Actor] = {ImportUnits: import_units}
