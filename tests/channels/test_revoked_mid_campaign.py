"""A token dies in the middle of a campaign: few further calls, nothing lost, nothing twice (G9)."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import func, select

from server.channels import service as channels
from server.channels.models import Health
from server.channels.service import PageRef
from server.config import Settings
from server.consent import service as consent
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel
from server.sends.models import Purpose, SendIntentRow, SendState
from server.sends.service import ring
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.channels import an_external_id
from tests.factories.connecting import Stage, a_person_with, connected
from tests.factories.grants import health_of
from tests.factories.sends import AShop, a_customer, marketing
from tests.factories.tenants import APerson, a_person, an_agency
from tests.standin_server import Platform
from tests.workshop import Workshop

PEOPLE = 100
REVOKED_AFTER = 20


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


async def count_by_state(database: Database, shop: AShop) -> Counter[SendState]:
    """Count the sends by state."""
    async with begin_read(database, shop.organization.scope) as uow:
        rows = await uow.session.execute(
            select(SendIntentRow.state, func.count())
            .where(SendIntentRow.organization_id == shop.organization.id)
            .group_by(SendIntentRow.state)
        )
        return Counter({row[0]: row[1] for row in rows})


async def revoke_later(platform: Platform, page: str, person: str, token: str) -> None:
    """Let the person take the app off once enough messages left: all of its tokens end (platforms.md 1.1)."""
    while len(await platform.ledger(page)) < REVOKED_AFTER:
        await asyncio.sleep(0.005)
    answer = await platform.http.delete(
        f"{platform.url}/v25.0/{person}/permissions", headers={"authorization": f"Bearer {token}"}
    )
    assert answer.is_success, answer.text


async def refusals(platform: Platform) -> int:
    """Count the marketing sends that were refused for their token so far."""
    calls: dict[str, dict[str, int]] = (await platform.control("calls", method="GET"))["by_op"]
    told = calls.get("marketing_send", {})
    return sum(count for label, count in told.items() if ":190" in label)


async def test_a_campaign_stops_at_a_revoked_token_and_goes_on_after_the_reconnect_without_doubles(
    stage: Stage, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    shop, member, person = await a_connected_shop(stage)
    agency, page, external_id = shop.organization, shop.page, shop.page.external_id
    await a_campaign(database, platform, shop)
    before = await refusals(platform)

    async with begin_read(database, agency.scope) as uow:
        token = (await channels.credentials(uow, page.id)).account_token
    assert token is not None

    revoking = asyncio.create_task(revoke_later(platform, external_id, person, token))
    await workshop.settle(agency.id, timeout_s=120)
    await revoking
    stopped = await count_by_state(database, shop)
    refused = await refusals(platform) - before
    for _ in range(3):
        async with begin(database, agency.scope) as uow:
            ring(uow, page.id, Purpose.MARKETING)
        await workshop.settle(agency.id, timeout_s=120)
    later = await refusals(platform) - before
    ill = await health_of(database, page, agency)
    await connected(stage, member.scope, page.unit_id, person, [external_id])
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(SendIntentRow.__table__.update().values(not_before=func.clock_timestamp()))
    await workshop.settle(agency.id, timeout_s=120)

    people = [entry["person"] for entry in await platform.ledger(external_id)]
    assert ill[0] == Health.RECONNECT_NEEDED
    assert stopped[SendState.SENT] >= REVOKED_AFTER
    assert stopped[SendState.QUEUED] > 0
    assert stopped[SendState.SENT] + stopped[SendState.QUEUED] == PEOPLE
    assert 1 <= refused <= settings.sends.batch
    assert later == refused
    assert (await count_by_state(database, shop)) == Counter({SendState.SENT: PEOPLE})
    assert (len(people), len(set(people))) == (PEOPLE, PEOPLE)


async def a_connected_shop(stage: Stage) -> tuple[AShop, APerson, str]:
    """A page that was connected by the dialogue, the member who did it, and the person at the platform."""
    agency = await an_agency(stage.database)
    unit_id, external_id = agency.units["client 1"], an_external_id()
    member = await a_person(stage.database, stage.settings, agency, unit_id, Role.ADMIN)
    person = await a_person_with(stage.platform, [external_id])
    row = (await connected(stage, member.scope, unit_id, person, [external_id]))[0].page
    assert row is not None
    async with begin(stage.database, agency.scope) as uow:
        topic = await consent.create_topic(uow, unit_id, "offers", "Offers")
    page = PageRef(row.id, unit_id, Channel.MESSENGER, external_id, row.name)
    return AShop(agency, page, topic.id), member, person


async def a_campaign(database: Database, platform: Platform, shop: AShop) -> list[UUID]:
    """Everybody opted in, and a marketing message is queued for each."""
    page = shop.page.external_id
    rows = [
        {"page": page, "psid": str(new_id().int % 10**15), "first_name": "Grace", "wrote_s_ago": 60}
        | {"optin": {"payload": "offers", "title": "Offers"}}
        for _ in range(PEOPLE)
    ]
    made = await platform.control("customers", rows)
    token = (await platform.control(f"pages/{page}", method="GET"))["access_token"]
    answer = await platform.http.post(
        f"{platform.url}/v25.0/act_{page}/message_campaign",
        json={"name": "offers", "page_id": page, "daily_budget": 100_000},
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.is_success, answer.text
    people = [
        await a_customer(database, platform, shop, psid=one["psid"], token=one["notification_messages_token"])
        for one in made["customers"]
    ]
    return await marketing(database, shop, new_id(), people, platform_campaign_id=answer.json()["id"])
