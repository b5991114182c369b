"""One renewal for everybody who needs it, and no token lost that the platform gave (G10)."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from server.channels import service as channels
from server.channels.models import Health
from server.kit.db import Database
from server.platforms.port import Tokens
from server.tenants.uow import begin, begin_read
from tests.factories.grants import AnAccount, a_renewable, a_rule, a_run, age, at_x, health_of, the_account
from tests.standin_server import ROOT, Platform
from tests.workshop import Workshop
from workers.refreshing import ensure_fresh, renew
from workers.run import RetryLater


@pytest.fixture
async def faults(platform: Platform) -> AsyncIterator[Platform]:
    """The stand-in, whose fault plan is empty again after the test."""
    yield platform
    await platform.control("faults", method="DELETE")


async def a_process(account: AnAccount, count: int) -> asyncio.subprocess.Process:
    """A worker process that asks so many times at once."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.channels.renewing", str(account.organization.id), str(account.page.id)),
        str(count),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def the_token(database: Database, account: AnAccount) -> str:
    """The token that a call would use now."""
    async with begin_read(database, account.organization.scope) as uow:
        return (await channels.credentials(uow, account.page.id)).page_token


async def test_of_twenty_workers_in_four_processes_one_renews_and_all_use_the_new_token(
    database: Database, platform: Platform
) -> None:
    account = await a_renewable(database, platform)
    processes = [await a_process(account, 5) for _ in range(4)]

    told = await asyncio.gather(*(one.communicate() for one in processes))

    used = [token for out, _ in told for token in json.loads(out)]
    seen = await at_x(platform, account)
    assert [one.returncode for one in processes] == [0, 0, 0, 0]
    assert seen["used_refresh_tokens"] == 1
    assert len(used) == 20
    assert set(used) <= set(seen["live_access_tokens"])
    assert len(set(used)) == 1
    assert used[0] == await the_token(database, account)


async def test_twenty_that_ask_at_once_in_one_process_renew_once_even_when_the_platform_is_slow(
    database: Database, faults: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, faults)
    await faults.control("faults", a_rule("late_after_accept", delay_ms=700), method="PUT")
    runs = [a_run(workshop.runtime, account.organization.id) for _ in range(20)]

    await asyncio.gather(*(ensure_fresh(run, account.page.id) for run in runs))

    assert (await at_x(faults, account))["used_refresh_tokens"] == 1
    assert (await the_account(database, account)).token_version == 1


async def test_a_worker_killed_between_the_answer_and_its_commit_is_said_and_never_silent(
    database: Database, faults: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, faults)
    await faults.control("faults", a_rule("late_after_accept", delay_ms=60_000, times=1), method="PUT")
    process = await a_process(account, 1)
    async with asyncio.timeout(20):
        while (await at_x(faults, account))["used_refresh_tokens"] == 0:
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await age(database, account, refresh_lease_until="clock_timestamp()")

    await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)

    health, reason = await health_of(database, account.page, account.organization)
    assert health == Health.RECONNECT_NEEDED
    assert reason is not None
    assert "interrupted before its new token was stored" in reason
    calls = (await faults.control("calls", method="GET"))["by_op"]["x:refresh"]
    await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)
    assert (await faults.control("calls", method="GET"))["by_op"]["x:refresh"] == calls


async def test_a_worker_killed_before_the_platform_heard_of_it_costs_nothing(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, platform)
    await age(
        database,
        account,
        refresh_lease="gen_random_uuid()",
        refresh_lease_until="clock_timestamp() - interval '1 second'",
    )

    await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)

    row = await the_account(database, account)
    assert (await at_x(platform, account))["used_refresh_tokens"] == 1
    assert (row.token_version, row.health, row.was_interrupted) == (1, Health.HEALTHY, False)


async def test_while_another_holds_the_lease_for_long_the_job_is_given_back(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, platform)
    await age(
        database,
        account,
        refresh_lease="gen_random_uuid()",
        refresh_lease_until="clock_timestamp() + interval '1 minute'",
    )

    with pytest.raises(RetryLater):
        await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)

    assert (await at_x(platform, account))["used_refresh_tokens"] == 0


async def test_the_tokens_of_a_renewal_are_not_written_over_a_grant_that_was_connected_anew(
    database: Database, platform: Platform
) -> None:
    account = await a_renewable(database, platform)
    async with begin(database, account.organization.scope) as uow:
        found = await channels.standing(uow, account.account_id)
        assert found is not None
        claim = await channels.claim_refresh(uow, found, 40)
        assert claim is not None
    await age(database, account, token_version="token_version + 1", refresh_lease="NULL")

    async with begin(database, account.organization.scope) as uow:
        tokens = Tokens("stale", datetime.now(UTC) + timedelta(hours=2), "refresh-stale")
        assert await channels.store_tokens(uow, claim, tokens) is False

    assert "stale" not in await the_token(database, account)


async def test_a_platform_that_fails_is_asked_again_later_and_a_token_that_still_works_is_used(
    database: Database, faults: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, faults, ends_in=timedelta(seconds=60))
    await faults.control("faults", a_rule("error", status=503, times=1), method="PUT")
    run = a_run(workshop.runtime, account.organization.id)

    await ensure_fresh(run, account.page.id)

    row = await the_account(database, account)
    assert (row.refresh_failures, row.health, row.refresh_lease) == (1, Health.HEALTHY, None)
    await age(database, account, refresh_not_before="clock_timestamp()")
    await ensure_fresh(run, account.page.id)
    row = await the_account(database, account)
    assert (row.refresh_failures, row.token_version, row.was_interrupted) == (0, 1, False)


async def test_with_a_token_that_has_ended_the_work_waits_for_the_next_try(
    database: Database, faults: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, faults, ends_in=timedelta(seconds=-1))
    await faults.control("faults", a_rule("error", status=503), method="PUT")

    with pytest.raises(RetryLater):
        await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)

    assert (await the_account(database, account)).health is Health.HEALTHY


async def test_a_refresh_token_that_the_platform_refuses_needs_a_person_and_says_so(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, platform)
    await platform.control(f"x/accounts/{account.page.external_id}/revoke", {})

    await ensure_fresh(a_run(workshop.runtime, account.organization.id), account.page.id)

    health, reason = await health_of(database, account.page, account.organization)
    row = await the_account(database, account)
    assert (health, row.health) == (Health.RECONNECT_NEEDED, Health.RECONNECT_NEEDED)
    assert reason is not None
    assert reason.startswith("The platform does not renew this login")


async def test_a_refused_token_is_renewed_once_and_then_a_person_must_connect_again(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    account = await a_renewable(database, platform, ends_in=timedelta(hours=1))
    run = a_run(workshop.runtime, account.organization.id)
    async with begin(database, account.organization.scope) as uow:
        await channels.note_refused_token(uow, account.page.id, "401", await uow.now())

    await ensure_fresh(run, account.page.id)
    renewed = await the_account(database, account)
    async with begin(database, account.organization.scope) as uow:
        await channels.note_refused_token(uow, account.page.id, "401", renewed.tokens_at - timedelta(seconds=1))
    spared = await health_of(database, account.page, account.organization)
    async with begin(database, account.organization.scope) as uow:
        await channels.note_refused_token(uow, account.page.id, "401 again", await uow.now())

    assert (await at_x(platform, account))["used_refresh_tokens"] == 1
    assert renewed.token_version == 1
    assert spared == (Health.HEALTHY, None)
    assert await health_of(database, account.page, account.organization) == (Health.RECONNECT_NEEDED, "401 again")


async def test_a_grant_is_renewed_ahead_of_its_end_by_the_clock(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    due = await a_renewable(database, platform, ends_in=timedelta(minutes=20))
    early = await a_renewable(database, platform, ends_in=timedelta(minutes=100))

    for account in (due, early):
        await renew(a_run(workshop.runtime, account.organization.id), account.account_id, ahead=True)

    assert (await at_x(platform, due))["used_refresh_tokens"] == 1
    assert (await at_x(platform, early))["used_refresh_tokens"] == 0
