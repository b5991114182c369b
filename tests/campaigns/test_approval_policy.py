"""How many people have to approve a campaign: the most that a unit of its pages asks, at submit and again at the start."""

from __future__ import annotations

from dataclasses import replace

from server.approvals import service as approvals
from server.approvals.models import ApprovalState, Verdict
from server.campaigns import service as campaigns
from server.campaigns.models import CampaignState
from server.config import Settings
from server.kit.db import Database
from server.tenants import service as tenants
from server.tenants.rules import Role, UnitKind
from server.tenants.settings import ApprovalPolicy
from server.tenants.uow import begin, begin_read
from tests.factories.campaigns import a_client, a_crowd, a_submitted, an_approved
from tests.factories.channels import a_page
from tests.factories.settings import a_setting
from tests.factories.tenants import a_person


async def test_a_campaign_needs_as_many_people_as_the_strictest_unit_of_its_pages_asks(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    async with begin(database, client.agency.scope) as uow:
        shop = await tenants.create_unit(uow, parent_id=client.unit_id, kind=UnitKind.LOCATION, name="shop")
    page = await a_page(database, client.agency, shop.id)
    await a_setting(database, client.agency, shop.id, ApprovalPolicy(2))
    await a_crowd(database, client, 1)
    draft = replace(client.draft, page_ids=(client.page.id, page.id))
    second = await a_person(database, settings, client.agency, client.unit_id, Role.APPROVER, "Dora")

    row = await a_submitted(database, client, draft)

    assert row.content_digest is not None
    states = []
    for person in (client.approver, second):
        async with begin(database, person.scope) as uow:
            states.append((await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest)).state)
    assert states == [CampaignState.IN_REVIEW, CampaignState.SCHEDULED]
    async with begin(database, client.agency.scope) as uow:
        assert await campaigns.begin_run(uow, row.id)


async def test_a_unit_that_does_not_send_asks_for_nothing(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_setting(database, client.agency, client.agency.units["client 2"], ApprovalPolicy(5))
    await a_crowd(database, client, 1)

    assert (await an_approved(database, client)).state is CampaignState.SCHEDULED


async def test_a_campaign_that_was_approved_by_too_few_by_now_does_not_start(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await an_approved(database, client)
    await a_setting(database, client.agency, client.agency.root_id, ApprovalPolicy(2))

    async with begin(database, client.agency.scope) as uow:
        assert not await campaigns.begin_run(uow, row.id)

    async with begin_read(database, client.agency.scope) as uow:
        found = await campaigns.campaign(uow, row.id)
        approval = await approvals.current(uow, row.id)
    assert found.state is CampaignState.DRAFT
    assert approval is not None
    assert approval.state is ApprovalState.VOIDED
