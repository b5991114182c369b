"""Pages: reach, health, pauses, sealed tokens, and the mailboxes of their events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.models import Health
from server.config import Settings
from server.kit.crypto import SealBroken
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.channels.conftest import Scripted, an_event
from tests.factories.channels import a_page
from tests.factories.tenants import a_franchise, a_person, an_agency


async def test_a_member_lists_the_pages_of_the_own_reach_by_name(database: Database, settings: Settings) -> None:
    franchise = await a_franchise(database, locations=3)
    for number in (3, 1, 2):
        await a_page(database, franchise, franchise.units[f"location {number}"], name=f"Shop {number}")
    manager = await a_person(database, settings, franchise, franchise.units["location 2"], Role.MANAGER)
    headquarters = await a_person(database, settings, franchise, franchise.root_id, Role.ANALYST, name="Hanna")

    async with begin_read(database, manager.scope) as uow:
        own = await channels.list_pages(uow, PageArguments())
    async with begin_read(database, headquarters.scope) as uow:
        first = await channels.list_pages(uow, PageArguments(first=2))
        rest = await channels.list_pages(uow, PageArguments(first=2, after=first.cursors[-1]))
        under = await channels.list_pages(uow, PageArguments(), franchise.root_id)
        one = await channels.list_pages(uow, PageArguments(), franchise.units["location 3"])

    assert [page.name for page in own.items] == ["Shop 2"]
    assert [page.name for page in (*first.items, *rest.items)] == ["Shop 1", "Shop 2", "Shop 3"]
    assert [len(under.items), len(one.items)] == [3, 1]


async def test_the_pages_of_units_without_the_permission_are_left_out(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    await a_page(database, agency, agency.units["client 1"])
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)

    async with begin_read(database, approver.scope) as uow:
        with pytest.raises(PermissionDenied):
            await channels.list_pages(uow, PageArguments())
        with pytest.raises(PermissionDenied):
            await channels.list_pages(uow, PageArguments(), agency.units["client 1"])


async def test_a_foreign_page_is_not_found_whatever_is_asked(database: Database) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    page = await a_page(database, other, other.units["client 1"])

    async with begin(database, agency.scope) as uow:
        assert await channels.pages_by_id(uow, [page.id]) == []
        for page_id in (page.id, new_id()):
            for call in (channels.page_ref, channels.credentials, channels.lift_restriction, channels.disconnect_page):
                with pytest.raises(NotFound):
                    await call(uow, page_id)
            with pytest.raises(NotFound):
                await channels.mark_unhealthy(uow, page_id, Health.RESTRICTED, "x")
    async with begin_read(database, other.scope) as uow:
        assert (await channels.pages_by_id(uow, [page.id]))[0].health is Health.HEALTHY


async def test_a_token_that_was_copied_to_another_page_does_not_open(database: Database) -> None:
    agency = await an_agency(database)
    one, two = [await a_page(database, agency, agency.units["client 1"]) for _ in range(2)]
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE page SET token_sealed = (SELECT token_sealed FROM page WHERE id = :a) WHERE id = :b"),
            {"a": one.id, "b": two.id},
        )

    async with begin_read(database, agency.scope) as uow:
        credentials = await channels.credentials(uow, one.id)
        assert (credentials.page_token, credentials.account_token) == ("page-token", "account-token")
        assert "token'" not in repr(credentials)
        with pytest.raises(SealBroken):
            await channels.credentials(uow, two.id)


async def test_a_dead_token_marks_page_and_account_once_and_a_restriction_the_page_alone(database: Database) -> None:
    agency = await an_agency(database)
    dead, restricted = [await a_page(database, agency, agency.units["client 1"]) for _ in range(2)]
    for _ in range(2):
        async with begin(database, agency.scope) as uow:
            await channels.mark_unhealthy(uow, dead.id, Health.RECONNECT_NEEDED, "190: \x00 \ud83d expired")
            await channels.mark_unhealthy(uow, restricted.id, Health.RESTRICTED, "blocked")

    async with begin_read(database, agency.scope) as uow:
        told = await uow.session.execute(
            text(
                "SELECT p.id, p.health, a.health FROM page p"
                " JOIN connected_account a ON a.organization_id = p.organization_id AND a.id = p.account_id"
            )
        )
        healths = {row[0]: tuple(row[1:]) for row in told}
        recorded = await uow.session.execute(
            text("SELECT count(*) FROM audit_event WHERE action = 'channel:account:unhealthy'")
        )
        assert recorded.scalar_one() == 2
    assert healths == {dead.id: ("RECONNECT_NEEDED", "RECONNECT_NEEDED"), restricted.id: ("RESTRICTED", "HEALTHY")}


async def test_a_lifted_restriction_does_not_heal_a_dead_token(database: Database) -> None:
    agency = await an_agency(database)
    dead, restricted = [await a_page(database, agency, agency.units["client 1"]) for _ in range(2)]
    async with begin(database, agency.scope) as uow:
        await channels.mark_unhealthy(uow, dead.id, Health.RECONNECT_NEEDED, "expired")
        await channels.mark_unhealthy(uow, restricted.id, Health.RESTRICTED, "blocked")

    async with begin(database, agency.scope) as uow:
        for page in (dead, restricted):
            await channels.lift_restriction(uow, page.id)

    async with begin_read(database, agency.scope) as uow:
        rows = {row.id: row.health for row in await channels.pages_by_id(uow, [dead.id, restricted.id])}
    assert rows == {dead.id: Health.RECONNECT_NEEDED, restricted.id: Health.HEALTHY}


async def test_a_shorter_pause_never_shortens_a_longer_one(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    late = datetime.now(UTC) + timedelta(hours=2)

    for until in (late - timedelta(hours=1), late, late - timedelta(minutes=1)):
        async with begin(database, agency.scope) as uow:
            await channels.pause_page(uow, page.id, until)

    async with begin_read(database, agency.scope) as uow:
        assert (await channels.pages_by_id(uow, [page.id]))[0].paused_until == late


async def test_the_events_of_one_mailbox_come_in_the_order_in_which_they_happened(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    start = datetime(2026, 5, 1, tzinfo=UTC)
    events = [
        an_event(page.external_id, f"m_{minute}", occurred_at=start + timedelta(minutes=minute)) for minute in (3, 1, 2)
    ]
    events.append(an_event(page.external_id, "m_other", mailbox="78", occurred_at=start))
    await channels.record_events(database, Scripted(events), b"")

    async with begin(database, agency.scope) as uow:
        first = await channels.next_events(uow, page.id, ["77"], 2)
        await channels.mark_handled(uow, [event.id for event in first])
        second = await channels.next_events(uow, page.id, ["77"], 10)

    assert [event.external_id for event in (*first, *second)] == ["m_1", "m_2", "m_3"]


async def test_a_second_worker_waits_for_the_first_and_reads_what_is_left(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    events = [an_event(page.external_id, f"m_{number}") for number in range(20)]
    await channels.record_events(database, Scripted(events), b"")

    async def drain(limit: int) -> list[str]:
        async with begin(database, agency.scope) as uow:
            found = await channels.next_events(uow, page.id, ["77"], limit)
            await channels.mark_handled(uow, [event.id for event in found])
            return [event.external_id for event in found]

    async with begin(database, agency.scope) as uow:
        first = await channels.next_events(uow, page.id, ["77"], 15)
        second = asyncio.create_task(drain(20))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
        await channels.mark_handled(uow, [event.id for event in first])
    drained = [*(event.external_id for event in first), *await second]

    assert sorted(drained) == sorted(event.external_id for event in events)


async def test_an_event_that_nobody_can_place_is_a_dead_letter_once(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    await channels.record_events(database, Scripted([an_event(page.external_id)]), b"")

    async with begin(database, agency.scope) as uow:
        event = (await channels.next_events(uow, page.id, ["77"], 1))[0]
        for _ in range(2):
            await channels.mark_dead(uow, event, "no_person", "the sender\x00 is missing \ud83d")

    async with begin_read(database, agency.scope) as uow:
        letters = (await uow.session.execute(text("SELECT source, kind, reason FROM dead_letter"))).all()
        assert [tuple(letter) for letter in letters] == [("EVENT", "message", "no_person")]
        states = (await uow.session.execute(text("SELECT state FROM platform_event"))).scalars().all()
        assert states == ["DEAD"]
