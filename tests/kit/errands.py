"""A job of the tests, and the questions that tests of the job table ask."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import select, text

from server.kit.db import Database
from server.kit.jobs import DeadLetterRow, JobRow, Queue, job
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from workers.run import Actor, Run

T = TypeVar("T")


@job("tests.errand", Queue.HOUSEKEEPING, max_attempts=3, backoff=timedelta(seconds=10))
@dataclass(frozen=True, slots=True)
class Errand:
    """Nothing but a name."""

    name: str


class Refused(Exception):
    """What a test raises to see it through."""


@asynccontextmanager
async def refused_in(transaction: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Open a transaction that fails at its end, whatever was done in it."""
    with contextlib.suppress(Refused):
        async with transaction as opened:
            yield opened
            raise Refused


def carried_out_by(body: Callable[[Run, Errand], Awaitable[None]]) -> dict[type, Actor]:
    """Return the actors of a worker that knows this one only."""
    return {Errand: body}


async def owed(database: Database, scope: Scope) -> list[JobRow]:
    """Return the errands that are owed in an organization, oldest first."""
    async with begin_read(database, scope) as uow:
        statement = select(JobRow).where(JobRow.organization_id == scope.organization_id, JobRow.kind == "tests.errand")
        return list(await uow.session.scalars(statement.order_by(JobRow.id)))


async def ask(database: Database, scope: Scope, name: str = "one", key: str = "") -> JobRow:
    """Ask for an errand and return the row that is owed for it."""
    async with begin(database, scope) as uow:
        uow.defer(Errand(name), key=key)
    return next(row for row in await owed(database, scope) if row.payload == {"name": name})


async def buried(database: Database, scope: Scope) -> list[DeadLetterRow]:
    """Return the dead letters of an organization."""
    async with begin_read(database, scope) as uow:
        return list(await uow.session.scalars(select(DeadLetterRow)))


async def let_time_pass(database: Database, scope: Scope, seconds: int) -> None:
    """Move every errand of the organization into the past: what waits is due sooner, what is claimed is held longer."""
    async with begin(database, scope) as uow:
        await uow.session.execute(
            text(
                "UPDATE job SET due_at = due_at - make_interval(secs => :s),"
                " claimed_at = claimed_at - make_interval(secs => :s), rung_at = rung_at - make_interval(secs => :s)"
                " WHERE kind = 'tests.errand'"
            ),
            {"s": seconds},
        )
