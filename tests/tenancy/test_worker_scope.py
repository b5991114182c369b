"""What a worker runs, it runs in the organization of the job's row, whatever the broker says (reliability.md G27)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware.asyncio import AsyncIO
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.jobs import JobState, Queue
from tests.factories.tenants import AnOrganization, an_agency
from tests.kit.errands import Errand, ask, carried_out_by, owed
from workers.bind import actor_name, bind
from workers.middleware.setup import SetUp
from workers.run import Run

ORGANIZATIONS = 12
_SEEN = text(
    "SELECT current_setting('app.organization'), (SELECT array_agg(DISTINCT organization_id) FROM unit),"
    " (SELECT array_agg(payload->>'name' ORDER BY id) FROM job WHERE kind = 'tests.errand'), count(*)"
    " FROM organization"
)


@dataclass(slots=True)
class Diary:
    """What each run said it was for, and what it could see while it ran."""

    runs: list[tuple[str, UUID, str, list[UUID], list[str], int]] = field(default_factory=list)

    async def note(self, run: Run, errand: Errand) -> None:
        """Carry out an errand: look around."""
        async with run.begin_read() as uow:
            organization, owners, jobs, count = (await uow.session.execute(_SEEN)).one()
        self.runs.append((errand.name, run.organization_id, organization, owners, jobs, count))


@asynccontextmanager
async def a_worker(settings: Settings, diary: Diary) -> AsyncIterator[StubBroker]:
    """Run a worker with several threads on a broker in memory that takes any message; wait for the last one."""
    broker = StubBroker(middleware=[AsyncIO()])
    setup = SetUp(settings)
    broker.add_middleware(setup)
    bind(broker, [Queue.HOUSEKEEPING], setup.runtime, carried_out_by(diary.note))
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
    await asyncio.to_thread(worker.start)
    try:
        yield broker
        await asyncio.to_thread(broker.join, Queue.HOUSEKEEPING.value, timeout=20_000, fail_fast=False)
        await asyncio.to_thread(worker.join)
    finally:
        await asyncio.to_thread(worker.stop)


def ring(broker: StubBroker, *due: Sequence[object], **more: object) -> None:
    """Put a message in the queue, whoever could have written it."""
    broker.enqueue(
        dramatiq.Message(
            queue_name=Queue.HOUSEKEEPING.value,
            actor_name=actor_name(Queue.HOUSEKEEPING),
            args=([list(one) for one in due],),
            kwargs=dict(more),
            options={},
        )
    )


async def tenants_with_an_errand(database: Database) -> dict[UUID, tuple[AnOrganization, UUID]]:
    """Make organizations that each owe one errand, named after themselves."""
    made = [await an_agency(database, 1) for _ in range(ORGANIZATIONS)]
    return {one.id: (one, (await ask(database, one.scope, str(one.id))).id) for one in made}


async def test_each_run_has_exactly_the_organization_of_its_row(database: Database, settings: Settings) -> None:
    tenants = await tenants_with_an_errand(database)
    diary = Diary()

    async with a_worker(settings, diary) as broker:
        for _ in range(3):
            ring(broker, *((str(one), str(job_id)) for one, (_, job_id) in tenants.items()))

    expected = [(str(one), one, str(one), [one], [str(one)], 1) for one in tenants]
    assert sorted(diary.runs) == sorted(expected)


async def test_a_forged_message_runs_nothing_and_costs_no_attempt(database: Database, settings: Settings) -> None:
    tenants = await tenants_with_an_errand(database)
    diary = Diary()
    pairs = [(one, other, tenants[other][1]) for one, other in itertools.permutations(tenants, 2)]

    async with a_worker(settings, diary) as broker:
        ring(broker, *((str(one), str(job_id)) for one, _, job_id in pairs))
        ring(
            broker,
            *((str(one), str(job_id), str(other), {"organization_id": str(other)}) for one, other, job_id in pairs),
        )
        for one, other, job_id in pairs[:5]:
            ring(broker, (str(job_id), str(other)), (str(new_id()), str(job_id)))
            ring(broker, (str(one), str(job_id)), organization_id=str(other))
            ring(broker, (f"{one}' OR true --", str(job_id)), (str(other), "%"), ())

    assert diary.runs == []
    for one, (organization, job_id) in tenants.items():
        [still] = await owed(database, organization.scope)
        assert (still.id, still.state, still.attempts) == (job_id, JobState.QUEUED, 0)
        assert still.payload == {"name": str(one)}
