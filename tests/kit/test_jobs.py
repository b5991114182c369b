"""The job table: work that is owed is carried out once, and what cannot be carried out is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from server.kit import jobs
from server.kit.clock import database_now
from server.kit.db import Database
from server.kit.jobs import JobState
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization, an_agency
from tests.kit.errands import Errand, Refused, ask, buried, carried_out_by, let_time_pass, owed, refused_in
from tests.schema.asking import statements
from tests.workshop import Workshop
from workers.bind import answer
from workers.run import RetryLater, Run


async def test_what_a_rolled_back_transaction_deferred_is_not_owed(database: Database, agency: AnOrganization) -> None:
    async with refused_in(begin(database, agency.scope)) as uow:
        uow.defer(Errand("before the flush"))
        await uow.flush()
        uow.defer(Errand("after it"))

    assert await owed(database, agency.scope) == []


async def test_a_job_ends_in_the_transaction_of_its_effect(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    seen: list[str] = []

    async def carry_out(run: Run, errand: Errand) -> None:
        async with run.begin() as uow:
            uow.defer(Errand("next"))
            await run.finish(uow)
            seen.append(errand.name)

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    assert seen == ["one"]
    assert [one.payload for one in await owed(database, agency.scope)] == [{"name": "next"}]


async def test_an_effect_that_fails_to_commit_leaves_the_job_owed(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)

    async def carry_out(run: Run, errand: Errand) -> None:
        async with run.begin() as uow:
            uow.defer(Errand("never"))
            await run.finish(uow)
            raise Refused

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    assert [(one.payload, one.state) for one in await owed(database, agency.scope)] == [
        ({"name": "one"}, JobState.QUEUED)
    ]


async def test_ten_rings_for_one_job_carry_it_out_once(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    seen: list[str] = []

    async def carry_out(run: Run, errand: Errand) -> None:
        seen.append(errand.name)

    rings = (answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out)) for _ in range(10))
    await asyncio.gather(*rings)

    assert seen == ["one"]


async def test_work_with_a_key_is_owed_once_however_often_it_is_asked_for(
    database: Database, agency: AnOrganization
) -> None:
    async with begin(database, agency.scope) as uow:
        uow.defer(Errand("first"), key="k")
        uow.defer(Errand("second"), key="k")
        uow.defer(Errand("other"), key="l")
    async with begin(database, agency.scope) as uow:
        uow.defer(Errand("third"), key="k")

    names = {row.dedupe_key: row.payload["name"] for row in await owed(database, agency.scope)}

    assert names == {"k": "third", "l": "other"}


async def test_two_transactions_that_ask_for_the_same_jobs_in_opposite_orders_do_not_deadlock(
    database: Database, agency: AnOrganization
) -> None:
    async def ask_for(keys: list[str]) -> None:
        async with begin(database, agency.scope) as uow:
            for key in keys:
                uow.defer(Errand(key), key=key)

    keys = [f"key {n}" for n in range(40)]
    await asyncio.gather(*(ask_for(keys[::-1] if turn % 2 else keys) for turn in range(8)))

    assert len(await owed(database, agency.scope)) == 40


async def test_the_system_role_asks_for_work_of_many_organizations_in_one_statement(
    database: Database, agency: AnOrganization
) -> None:
    other = await an_agency(database)
    wanted = [(one.id, jobs.Deferred(Errand(name), key="k")) for one, name in ((agency, "ours"), (other, "theirs"))]

    with statements() as seen:
        async with database.unscoped_system() as session:
            await jobs.write_many(session, [*wanted, (agency.id, jobs.Deferred(Errand("ours again"), key="k"))])

    assert len(seen) == 1
    assert [row.payload for row in await owed(database, agency.scope)] == [{"name": "ours again"}]
    assert [row.payload for row in await owed(database, other.scope)] == [{"name": "theirs"}]


async def test_a_scope_asks_for_no_work_of_another_organization(database: Database, agency: AnOrganization) -> None:
    other = await an_agency(database)

    with pytest.raises(ProgrammingError, match="row-level security"):
        async with begin(database, agency.scope) as uow:
            await jobs.write_many(uow.session, [(one.id, jobs.Deferred(Errand("foreign"))) for one in (agency, other)])

    assert await owed(database, agency.scope) == await owed(database, other.scope) == []


async def test_asked_for_again_while_it_runs_it_runs_again(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope, "old", key="k")
    seen: list[str] = []

    async def carry_out(run: Run, errand: Errand) -> None:
        seen.append(errand.name)
        if errand.name == "old":
            async with begin(database, agency.scope) as uow:
                uow.defer(Errand("new"), key="k")

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))
    [again] = await owed(database, agency.scope)
    await answer(workshop.runtime, agency.id, again.id, carried_out_by(carry_out))

    assert (again.state, again.attempts, again.claimed_by) == (JobState.QUEUED, 0, None)
    assert seen == ["old", "new"]
    assert await owed(database, agency.scope) == []


async def test_a_job_is_not_claimed_before_it_is_due(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    async with begin(database, agency.scope) as uow:
        uow.defer(Errand("later"), delay=timedelta(minutes=1))
    [row] = await owed(database, agency.scope)

    async def carry_out(run: Run, errand: Errand) -> None:
        raise AssertionError("too early")

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [still] = await owed(database, agency.scope)
    assert (still.state, still.attempts) == (JobState.QUEUED, 0)


async def test_a_failing_job_waits_longer_each_time_and_then_becomes_a_dead_letter_with_its_reason(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    waits: list[int] = []

    async def carry_out(run: Run, errand: Errand) -> None:
        raise Refused("the platform said access_token=canary-of-a-token is bad")

    for _ in range(3):
        await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))
        async with begin(database, agency.scope) as uow:
            now = await database_now(uow.session)
        [failed] = await owed(database, agency.scope)
        waits.append(round((failed.due_at - now).total_seconds()))
        await let_time_pass(database, agency.scope, 60)

    assert 5 < waits[0] <= 10 < waits[1] <= 20
    assert (failed.state, failed.attempts, failed.claimed_by) == (JobState.DEAD, 3, None)
    [letter] = await buried(database, agency.scope)
    assert (letter.subject_id, letter.kind, letter.reason) == (row.id, "tests.errand", "attempts_exhausted")
    assert letter.detail == "tests.kit.errands.Refused: the platform said access_token=[struck] is bad"


async def test_what_is_asked_for_during_the_last_attempt_is_not_buried_with_it(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope, key="k")
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE job SET max_attempts = 1"))

    async def carry_out(run: Run, errand: Errand) -> None:
        async with begin(database, agency.scope) as uow:
            uow.defer(Errand("again"), key="k")
        raise Refused

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [again] = await owed(database, agency.scope)
    assert (again.payload, again.state, again.attempts) == ({"name": "again"}, JobState.QUEUED, 0)
    assert await buried(database, agency.scope) == []


async def test_a_dead_job_that_is_asked_for_again_lives_again(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope, key="k")
    seen: list[str] = []

    async def fail(run: Run, errand: Errand) -> None:
        raise Refused

    async def carry_out(run: Run, errand: Errand) -> None:
        seen.append(errand.name)

    for _ in range(3):
        await answer(workshop.runtime, agency.id, row.id, carried_out_by(fail))
        await let_time_pass(database, agency.scope, 60)
    await ask(database, agency.scope, "again", key="k")
    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    assert seen == ["again"]
    assert await owed(database, agency.scope) == []


async def test_giving_a_job_back_is_no_attempt(database: Database, agency: AnOrganization, workshop: Workshop) -> None:
    row = await ask(database, agency.scope)

    async def carry_out(run: Run, errand: Errand) -> None:
        raise RetryLater(timedelta(0))

    for _ in range(5):
        await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [still] = await owed(database, agency.scope)
    assert (still.state, still.attempts) == (JobState.QUEUED, 0)
    assert await buried(database, agency.scope) == []


async def test_a_job_that_is_given_back_for_later_is_due_at_once_when_it_was_asked_for_meanwhile(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope, key="k")
    seen: list[str] = []

    async def carry_out(run: Run, errand: Errand) -> None:
        seen.append(errand.name)
        if len(seen) == 1:
            await ask(database, agency.scope, "again", key="k")
        raise RetryLater(timedelta(hours=1))

    for _ in range(3):
        await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    assert seen == ["one", "again"], "the delay holds for a run that has seen all that was asked for"


async def test_a_job_that_kills_its_worker_each_time_is_given_up_because_the_claim_counts(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)

    async def carry_out(run: Run, errand: Errand) -> None:
        raise AssertionError("the fourth attempt must not begin")

    for _ in range(3):
        async with begin(database, agency.scope) as uow:
            assert await jobs.claim(uow.session, agency.id, row.id, uuid4())
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(
                text("UPDATE job SET state = 'QUEUED', claimed_by = NULL WHERE state = 'CLAIMED'")
            )
    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [dead] = await owed(database, agency.scope)
    [letter] = await buried(database, agency.scope)
    assert dead.state is JobState.DEAD
    assert letter.detail == "the worker ended during every attempt"


async def test_a_worker_whose_job_was_taken_over_commits_nothing(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    other = uuid4()

    async def carry_out(run: Run, errand: Errand) -> None:
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(text("UPDATE job SET claimed_by = :other"), {"other": other})
        async with run.begin() as uow:
            uow.defer(Errand("doubled"))
            await run.finish(uow)

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [still] = await owed(database, agency.scope)
    assert (still.payload, still.state, still.claimed_by) == ({"name": "one"}, JobState.CLAIMED, other)


async def test_a_job_whose_kind_nobody_knows_any_more_becomes_a_dead_letter(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE job SET payload = '{}', max_attempts = 1"))

    async def carry_out(run: Run, errand: Errand) -> None:
        raise AssertionError("not decoded")

    await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))

    [letter] = await buried(database, agency.scope)
    assert letter.detail == "KeyError: 'name'"


async def test_a_job_of_an_unknown_name_becomes_a_dead_letter_too(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE job SET kind = 'tests.gone' WHERE kind = 'tests.errand'"))

    async def carry_out(run: Run, errand: Errand) -> None:
        raise AssertionError("not decoded")

    for _ in range(3):
        await answer(workshop.runtime, agency.id, row.id, carried_out_by(carry_out))
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(text("UPDATE job SET due_at = clock_timestamp() WHERE kind = 'tests.gone'"))

    assert [letter.kind for letter in await buried(database, agency.scope)] == ["tests.gone"]


async def test_a_forged_organization_in_a_ring_finds_nothing(
    database: Database, agency: AnOrganization, workshop: Workshop
) -> None:
    row = await ask(database, agency.scope)

    async def carry_out(run: Run, errand: Errand) -> None:
        raise AssertionError("another tenant's job")

    for forged in (uuid4(), row.id):
        await answer(workshop.runtime, forged, row.id, carried_out_by(carry_out))

    [still] = await owed(database, agency.scope)
    assert (still.state, still.attempts) == (JobState.QUEUED, 0)
