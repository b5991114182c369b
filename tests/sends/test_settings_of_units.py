"""Settings of units where messages go out: quiet hours hold campaigns and nobody's reply, and caps only get tighter."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text, update

from server.kit.db import Database
from server.kit.ids import new_id
from server.sends.models import Purpose, SendIntentRow, SendState
from server.sends.repository import claim as claims
from server.tenants import service as tenants
from server.tenants.rules import UnitKind
from server.tenants.service import UnitChange
from server.tenants.settings import MarketingCap, SettingName
from server.tenants.uow import begin, begin_read
from tests.factories.sends import AShop, a_customer, a_reply, a_shop, marketing, the_send
from tests.factories.settings import a_setting, quiet_around
from tests.standin_server import Platform
from tests.workshop import Workshop

GAP = timedelta(days=1)


async def _now(database: Database, shop: AShop) -> datetime:
    async with begin_read(database, shop.organization.scope) as uow:
        return await uow.now()


async def _time_passes(database: Database, shop: AShop, send_id: UUID) -> None:
    """Let the time come that a send waits for."""
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            update(SendIntentRow).where(SendIntentRow.id == send_id).values(not_before=text("clock_timestamp()"))
        )


async def test_a_campaign_waits_for_the_end_of_the_quiet_hours_and_a_reply_does_not(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    hours, end = quiet_around(await _now(database, shop))
    await a_setting(database, shop.organization, shop.organization.root_id, hours)
    person = await a_customer(database, platform, shop, token="t")
    (offer,) = await marketing(database, shop, new_id(), [person])
    reply = await a_reply(database, shop, *person)

    await workshop.settle(shop.organization.id)

    waiting = await the_send(database, shop, offer)
    assert (waiting.state, waiting.not_before, waiting.attempt) == (SendState.QUEUED, end, 0)
    assert (await the_send(database, shop, reply)).state is SendState.SENT
    assert [entry["text"] for entry in await platform.ledger(shop.page.external_id)] == ["Hello"]
    assert await workshop.dead_jobs(shop.organization.id) == []

    await _time_passes(database, shop, offer)
    await workshop.work(shop.organization.id, within=timedelta(minutes=1))
    assert (await the_send(database, shop, offer)).state is SendState.QUEUED

    async with begin(database, shop.organization.scope) as uow:
        await tenants.clear_setting(uow, shop.organization.root_id, SettingName.QUIET_HOURS)
    await _time_passes(database, shop, offer)
    await workshop.work(shop.organization.id, within=timedelta(minutes=1))
    assert (await the_send(database, shop, offer)).state not in {SendState.QUEUED, SendState.SKIPPED}


async def test_quiet_hours_are_told_by_the_clocks_of_the_unit(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    zone = "Pacific/Kiritimati"
    hours, end = quiet_around(await _now(database, shop), zone)
    await a_setting(database, shop.organization, shop.organization.root_id, hours)
    person = await a_customer(database, platform, shop, token="t")

    async with begin(database, shop.organization.scope) as uow:
        elsewhere = await tenants.quiet_until(uow, shop.page.unit_id)
        await tenants.update_unit(uow, shop.page.unit_id, UnitChange(attributes={"time_zone": zone}))
    async with begin(database, shop.organization.scope) as uow:
        here = await tenants.quiet_until(uow, shop.page.unit_id)
        await tenants.update_unit(uow, shop.page.unit_id, UnitChange(attributes={"time_zone": None}))
        await tenants.update_organization(uow, time_zone=zone)
    async with begin(database, shop.organization.scope) as uow:
        by_organization = await tenants.quiet_until(uow, shop.page.unit_id)

    assert (elsewhere, here, by_organization) == (None, end, end)
    (offer,) = await marketing(database, shop, new_id(), [person])
    await workshop.settle(shop.organization.id)
    assert (await the_send(database, shop, offer)).not_before == end


async def test_many_sends_wait_at_once_and_none_of_them_is_lost(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    hours, end = quiet_around(await _now(database, shop))
    await a_setting(database, shop.organization, shop.page.unit_id, hours)
    person = await a_customer(database, platform, shop, token="t")
    await marketing(database, shop, new_id(), [person] * 1_001)

    await workshop.settle(shop.organization.id)

    async with begin_read(database, shop.organization.scope) as uow:
        rows = await uow.session.execute(text("SELECT state, not_before, count(*) FROM send_intent GROUP BY 1, 2"))
        assert [tuple(row) for row in rows] == [("QUEUED", end, 1_001)]


async def _claim(database: Database, shop: AShop, person: tuple[UUID, str]) -> str | None:
    """Queue a marketing message and claim it; return why it may not go."""
    (send_id,) = await marketing(database, shop, new_id(), [person])
    async with begin(database, shop.organization.scope) as uow:
        await claims.claim(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.MARKETING,
            worker_id=new_id(),
            size=10,
            rules=claims.ChannelRules(GAP),
        )
    row = await the_send(database, shop, send_id)
    assert row.state in {SendState.CLAIMED, SendState.SKIPPED}
    return row.reason


async def _used(database: Database, shop: AShop, hours: int) -> None:
    """Let the last marketing message be so many hours ago."""
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text("UPDATE marketing_use SET used_at = clock_timestamp() - make_interval(hours => :hours)"),
            {"hours": hours},
        )


@pytest.mark.parametrize(
    ("at_headquarters", "at_location"),
    [(None, None), (48, None), (None, 48), (48, 72), (72, 72)],
)
async def test_the_claim_takes_the_strictest_cap_of_the_line(
    database: Database, platform: Platform, at_headquarters: int | None, at_location: int | None
) -> None:
    shop = await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="t")
    # The location first: a cap that is tightened above later counts all the same.
    for unit_id, hours in ((shop.page.unit_id, at_location), (shop.organization.root_id, at_headquarters)):
        if hours is not None:
            await a_setting(database, shop.organization, unit_id, MarketingCap(1, hours))
    async with begin_read(database, shop.organization.scope) as uow:
        cap = (await tenants.effective(uow, shop.page.unit_id))[SettingName.MARKETING_CAP].value
    assert cap == MarketingCap(1, max(24, at_headquarters or 0, at_location or 0))

    assert await _claim(database, shop, person) is None
    await _used(database, shop, cap.hours - 1)
    assert await _claim(database, shop, person) == "DAILY_CAP"
    await _used(database, shop, cap.hours + 1)
    assert await _claim(database, shop, person) is None


async def test_a_cap_of_none_stops_marketing_and_takes_nobodys_slot(database: Database, platform: Platform) -> None:
    shop = await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="t")
    await a_setting(database, shop.organization, shop.organization.root_id, MarketingCap(0, 24))

    assert await _claim(database, shop, person) == "DAILY_CAP"

    async with begin(database, shop.organization.scope) as uow:
        await tenants.clear_setting(uow, shop.organization.root_id, SettingName.MARKETING_CAP)
    assert await _claim(database, shop, person) is None


async def test_a_cap_of_a_sibling_does_not_count(database: Database, platform: Platform) -> None:
    shop, other = await a_shop(database, platform), await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="t")
    await a_setting(database, other.organization, other.organization.root_id, MarketingCap(0, 24))
    async with begin(database, shop.organization.scope) as uow:
        sibling = await tenants.create_unit(
            uow, parent_id=shop.organization.root_id, kind=UnitKind.LOCATION, name="sibling"
        )
    await a_setting(database, shop.organization, sibling.id, MarketingCap(0, 24))

    assert await _claim(database, shop, person) is None
