"""Live hints: after the commit or never, and a listener that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from server.kit.db import Database
from server.kit.live import LIVE_CHANNEL, Hint, Listener
from server.tenants.uow import begin
from switchboard.postgres import SUPERUSER, Server
from tests.factories.tenants import AnOrganization, an_agency
from tests.kit.errands import refused_in


@pytest.fixture
async def listener(database: Database, agency: AnOrganization) -> AsyncIterator[Listener]:
    """A listener that has begun to listen."""
    started = Listener(database.system_dsn)
    async with started.watching(Hint("start", agency.id)) as wake:
        started.start()
        await _heard(wake)
    yield started
    await started.aclose()


async def _heard(wake: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await wake.wait()
    wake.clear()


async def test_a_hint_is_heard_after_the_commit_and_not_before(
    database: Database, agency: AnOrganization, listener: Listener
) -> None:
    async with (
        listener.watching(Hint("inbox", agency.id)) as wake,
        listener.watching(Hint("fence", agency.id)) as passed,
    ):
        async with begin(database, agency.scope) as uow:
            uow.announce("inbox")
            await uow.flush()
            async with begin(database, agency.scope) as fence:
                fence.announce("fence")
            await _heard(passed)
            early = wake.is_set()
        await _heard(wake)

    assert early is False


async def test_a_hint_of_a_rolled_back_transaction_is_never_heard(
    database: Database, agency: AnOrganization, listener: Listener
) -> None:
    async with (
        listener.watching(Hint("inbox", agency.id)) as wake,
        listener.watching(Hint("fence", agency.id)) as passed,
    ):
        async with refused_in(begin(database, agency.scope)) as uow:
            uow.announce("inbox")
            await uow.flush()
        async with begin(database, agency.scope) as uow:
            uow.announce("fence")
        await _heard(passed)

        assert not wake.is_set()


async def test_a_hint_wakes_only_the_watchers_of_its_organization_and_topic(
    database: Database, agency: AnOrganization, listener: Listener
) -> None:
    other = await an_agency(database)
    async with (
        listener.watching(Hint("inbox", agency.id)) as mine,
        listener.watching(Hint("inbox", agency.id)) as mine_too,
        listener.watching(Hint("inbox", other.id)) as theirs,
        listener.watching(Hint("campaign", agency.id)) as elsewhere,
    ):
        async with begin(database, agency.scope) as uow:
            uow.announce("inbox")
        await _heard(mine)
        await _heard(mine_too)

        assert not theirs.is_set()
        assert not elsewhere.is_set()


async def test_a_topic_may_name_an_object_and_one_watcher_may_wait_for_several(
    database: Database, agency: AnOrganization, listener: Listener
) -> None:
    async with (
        listener.watching(Hint("operation:7", agency.id), Hint("access", agency.id)) as either,
        listener.watching(Hint("operation:8", agency.id)) as other,
    ):
        for topic in ("operation:7", "access"):
            async with begin(database, agency.scope) as uow:
                uow.announce(topic)
            await _heard(either)

        assert not other.is_set()


async def test_a_payload_that_is_no_hint_is_passed_over(
    database: Database, agency: AnOrganization, listener: Listener
) -> None:
    async with listener.watching(Hint("inbox", agency.id)) as wake:
        async with begin(database, agency.scope) as uow:
            for payload in ("", ":", "inbox", "inbox:not-an-id", "x" * 7000):
                await uow.session.execute(text("SELECT pg_notify(:c, :p)"), {"c": LIVE_CHANNEL, "p": payload})
            uow.announce("inbox")

        await _heard(wake)


async def test_a_listener_that_lost_its_connection_comes_back_and_wakes_everybody_to_catch_up(
    postgres: Server, database: Database, agency: AnOrganization, listener: Listener
) -> None:
    name = database.app_engine.url.database or ""
    async with listener.watching(Hint("inbox", agency.id)) as wake:
        # As the superuser: other listeners of this database belong to other roles.
        async with await psycopg.AsyncConnection.connect(postgres.dsn(name, SUPERUSER), autocommit=True) as session:
            ended = await session.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'switchboard-live' AND datname = current_database()"
            )
            row = await ended.fetchone()
            assert row is not None
            assert row[0] >= 1

        await _heard(wake)  # nothing was announced: this is the call to read again
        async with begin(database, agency.scope) as uow:
            uow.announce("inbox")
        await _heard(wake)


async def test_a_listener_that_is_closed_wakes_whoever_waits(database: Database, agency: AnOrganization) -> None:
    listener = Listener(database.system_dsn)
    listener.start()

    async with listener.watching(Hint("inbox", agency.id)) as wake:
        await listener.aclose()

        assert wake.is_set()
