"""Carrying a campaign out: opened once at the platform, expanded once per person, stoppable, and counted to the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from server.campaigns import service as campaigns
from server.campaigns.errors import WrongState
from server.campaigns.jobs import ExpandCampaign, ImportCosts, StartCampaign, WatchCampaign
from server.campaigns.models import CampaignState
from server.channels import service as channels
from server.channels.models import Health
from server.config import Settings
from server.kit.db import Database
from server.kit.jobs import JobRow, kind_of
from server.kit.money import Micros, Money
from server.kit.pagination import PageArguments
from server.platforms.port import PlatformCallFailed
from server.sends.models import BatchState, Delivery, SendBatchRow, SendState
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.campaigns import (
    a_client,
    a_crowd,
    a_running,
    an_approved,
    carry,
    count_sends,
    settle_sends,
    snapshot_of,
)
from tests.factories.tenants import AnOrganization, a_person
from tests.platforms.factory import answers, graph_error
from tests.platforms.wire import Exchange, Script
from workers.run import RetryLater, Runtime

Worker = Callable[[Script], Awaitable[Runtime]]


class APlatform:
    """Opens paid campaigns and tells what they cost so far."""

    def __init__(self) -> None:
        self.opened: list[object] = []
        self.spend, self.delivered = "0", "0"

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.path.split("?")[0].endswith("/message_campaign"):
            self.opened.append(exchange.json)
            await exchange.answer(200, {"id": f"60{len(self.opened)}"})
            return
        row = {
            "marketing_messages_delivered": self.delivered,
            "marketing_messages_spend": self.spend,
            "account_currency": "USD",
        }
        await exchange.answer(200, {"data": [row]})


async def owed(database: Database, organization: AnOrganization, kind: type) -> int:
    """How many jobs of this kind are owed."""
    async with begin_read(database, organization.scope) as uow:
        statement = select(func.count()).where(
            JobRow.organization_id == organization.id, JobRow.kind == kind_of(kind).name
        )
        return (await uow.session.execute(statement)).scalar_one()


async def test_a_campaign_runs_from_its_start_to_its_costs(
    database: Database, settings: Settings, worker: Worker
) -> None:
    client = await a_client(database, settings)
    people = await a_crowd(database, client, 4)
    await a_crowd(database, client, 2, says_yes=None)
    row = await an_approved(database, client)
    platform = APlatform()
    runtime = await worker(platform)

    await carry(runtime, client.agency, StartCampaign)
    await carry(runtime, client.agency, ExpandCampaign)
    with pytest.raises(RetryLater):
        await carry(runtime, client.agency, WatchCampaign)
    await settle_sends(database, client, people[:2], SendState.SENT, Delivery.READ)
    await settle_sends(database, client, people[2:3], SendState.SENT, Delivery.ACCEPTED)
    await settle_sends(database, client, people[3:], SendState.SKIPPED, reason="DAILY_CAP")
    async with begin(database, client.agency.scope) as uow:
        assert await campaigns.watch(uow, row.id) is None
    platform.spend, platform.delivered = "0.03", "2"
    async with begin(database, client.agency.scope) as uow:
        sources = await campaigns.cost_sources(uow, row.id)
        credentials = await channels.credentials(uow, client.page.id)
    connector = runtime.registry.of(client.page.channel)
    for _ in range(2):
        costs = await connector.campaign_costs(credentials, sources[0].platform_campaign_id)
        async with begin(database, client.agency.scope) as uow:
            await campaigns.record_costs(uow, sources[0], costs)

    assert platform.opened == [{"name": "Half price", "page_id": client.page.external_id, "daily_budget": 100_000}]
    async with begin_read(database, client.author.scope) as uow:
        done = await campaigns.campaign(uow, row.id)
        found = await campaigns.results(uow, row.id)
    assert done.state is CampaignState.DONE
    assert found.skipped == {"NO_CONSENT": 2, "DAILY_CAP": 1}
    assert (found.audience, found.queued, found.sent, found.delivered, found.read, found.unknown) == (6, 0, 3, 2, 2, 0)
    assert found.spend == [Money(Micros(30_000), "USD")]
    assert found.cost_per_delivered == Money(Micros(15_000), "USD")


async def test_costs_are_read_again_after_the_end_so_that_late_deliveries_count(
    database: Database, settings: Settings, worker: Worker
) -> None:
    client = await a_client(database, settings)
    people = await a_crowd(database, client, 1)
    row = await an_approved(database, client)
    platform = APlatform()
    runtime = await worker(platform)
    await carry(runtime, client.agency, StartCampaign)
    await carry(runtime, client.agency, ExpandCampaign)
    await settle_sends(database, client, people, SendState.SENT, Delivery.DELIVERED)
    with pytest.raises(RetryLater):
        await carry(runtime, client.agency, ImportCosts)
    async with begin(database, client.agency.scope) as uow:
        await campaigns.watch(uow, row.id)
        await uow.session.execute(JobRow.__table__.delete().where(JobRow.dedupe_key == f"{row.id}:0"))

    totals = []
    for spend in ("0.01", "0.04", "0.04", "0.05", "0.05", "0.06"):
        platform.spend, platform.delivered = spend, "1"
        await carry(runtime, client.agency, ImportCosts)
        async with begin_read(database, client.approver.scope) as uow:
            totals.append((await campaigns.results(uow, row.id)).spend)

    assert totals == [[Money(Micros(int(cents) * 10_000), "USD")] for cents in (1, 4, 4, 5, 5, 6)]
    assert await owed(database, client.agency, ImportCosts) == 0


async def test_a_start_before_its_time_waits(database: Database, settings: Settings, worker: Worker) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    await an_approved(database, client, replace(client.draft, scheduled_at=datetime.now(UTC) + timedelta(hours=2)))
    platform = APlatform()

    with pytest.raises(RetryLater) as waits:
        await carry(await worker(platform), client.agency, StartCampaign)

    assert timedelta(hours=1) < waits.value.delay <= timedelta(hours=2)
    assert platform.opened == []


@pytest.mark.parametrize(
    ("_case", "script", "error", "health"),
    [
        ("token gone", answers(400, graph_error(190)), PlatformCallFailed, Health.RECONNECT_NEEDED),
        ("too many calls", answers(400, graph_error(613)), RetryLater, Health.HEALTHY),
    ],
)
async def test_a_platform_that_refuses_the_campaign_starts_nothing(
    database: Database,
    settings: Settings,
    worker: Worker,
    _case: str,
    script: Script,
    error: type[Exception],
    health: Health,
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await an_approved(database, client)

    with pytest.raises(error):
        await carry(await worker(script), client.agency, StartCampaign)

    async with begin_read(database, client.agency.scope) as uow:
        assert (await campaigns.campaign(uow, row.id)).state is CampaignState.SCHEDULED
        (page,) = await channels.pages_by_id(uow, [client.page.id])
    assert page.health is health


async def test_each_person_gets_one_send_however_often_and_by_how_many_it_is_expanded(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1_200)
    row = await a_running(database, client)

    async def expand() -> bool:
        async with begin(database, client.agency.scope) as uow:
            return await campaigns.expand(uow, row.id)

    more = await asyncio.gather(*(expand() for _ in range(4)))

    assert sorted(more) == [False, False, False, True]
    assert await count_sends(database, client, row.id) == 1_200
    linked = [one.send_id for one in await snapshot_of(database, client, row.id)]
    assert None not in linked
    assert len(set(linked)) == 1_200


async def test_an_expansion_that_dies_between_pages_goes_on_where_it_was(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1_100)
    row = await a_running(database, client)

    async def dies() -> None:
        async with begin(database, client.agency.scope) as uow:
            await campaigns.expand(uow, row.id)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await dies()
    assert await count_sends(database, client, row.id) == 0

    async with begin(database, client.agency.scope) as uow:
        assert await campaigns.expand(uow, row.id)
    async with begin(database, client.agency.scope) as uow:
        assert not await campaigns.expand(uow, row.id)

    assert await count_sends(database, client, row.id) == 1_100


async def test_a_paused_campaign_expands_nothing_and_resumes(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 2)
    row = await a_running(database, client)

    async with begin(database, client.approver.scope) as uow:
        assert (await campaigns.pause(uow, row.id)).state is CampaignState.PAUSED
    async with begin(database, client.agency.scope) as uow:
        assert not await campaigns.expand(uow, row.id)
        assert await campaigns.watch(uow, row.id) is None
    async with begin(database, client.approver.scope) as uow:
        assert (await campaigns.resume(uow, row.id)).state is CampaignState.RUNNING
    async with begin(database, client.agency.scope) as uow:
        await campaigns.expand(uow, row.id)

    assert await count_sends(database, client, row.id) == 2


async def test_a_cancelled_campaign_is_stopped_for_good_and_still_adds_up(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 3)
    await a_crowd(database, client, 1, says_yes=False)
    row = await a_running(database, client)

    async with begin(database, client.approver.scope) as uow:
        await campaigns.cancel(uow, row.id)
    async with begin(database, client.agency.scope) as uow:
        assert not await campaigns.expand(uow, row.id)
        batch = await uow.session.scalar(select(SendBatchRow).where(SendBatchRow.id == row.id))
    assert batch is not None
    assert batch.state is BatchState.STOPPED
    async with begin_read(database, client.approver.scope) as uow:
        found = await campaigns.results(uow, row.id)
    assert (found.audience, found.queued, found.skipped) == (4, 0, {"NO_CONSENT": 1, "STOPPED": 3})
    for act in (campaigns.resume, campaigns.pause, campaigns.cancel):
        with pytest.raises(WrongState):
            async with begin(database, client.approver.scope) as uow:
                await act(uow, row.id)
    with pytest.raises(WrongState):
        async with begin(database, client.author.scope) as uow:
            await campaigns.edit(uow, row.id, client.draft)


async def test_a_campaign_that_is_cancelled_before_its_start_never_starts(
    database: Database, settings: Settings, worker: Worker
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await an_approved(database, client)
    platform = APlatform()
    async with begin(database, client.approver.scope) as uow:
        await campaigns.cancel(uow, row.id)

    await carry(await worker(platform), client.agency, StartCampaign)

    assert platform.opened == []
    assert await count_sends(database, client, row.id) == 0


async def test_every_person_is_counted_exactly_once_whatever_became_of_their_message(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 2, says_yes=False)
    people = await a_crowd(database, client, 10)
    row = await a_running(database, client)
    async with begin(database, client.agency.scope) as uow:
        await campaigns.expand(uow, row.id)

    ends = [
        (SendState.SENT, Delivery.ACCEPTED, None),
        (SendState.SENT, Delivery.DELIVERED, None),
        (SendState.SENT, Delivery.READ, None),
        (SendState.SENT, Delivery.FAILED, None),
        (SendState.NOT_SENT, Delivery.NONE, "BLOCKED_BY_CONTACT"),
        (SendState.SKIPPED, Delivery.NONE, "NO_CONSENT"),
        (SendState.UNKNOWN, Delivery.NONE, None),
        (SendState.NEEDS_HUMAN, Delivery.NONE, None),
        (SendState.CLAIMED, Delivery.NONE, None),
    ]
    for person, (state, delivery, reason) in zip(people, ends, strict=False):
        await settle_sends(database, client, [person], state, delivery, reason)

    async with begin_read(database, client.agency.scope) as uow:
        found = await campaigns.results(uow, row.id)
        listed = await campaigns.recipients(uow, row.id, PageArguments(), skip_reason="NO_CONSENT")
    assert (found.audience, found.queued, found.sent, found.delivered, found.read, found.unknown) == (12, 2, 3, 2, 1, 2)
    assert found.failed == {"DELIVERY_FAILED": 1, "BLOCKED_BY_CONTACT": 1}
    assert found.skipped == {"NO_CONSENT": 3}
    counted = found.queued + found.sent + sum(found.failed.values()) + sum(found.skipped.values()) + found.unknown
    assert counted == found.audience
    assert found.cost_per_delivered is None
    assert len(listed.items) == 3


async def test_who_may_not_read_costs_gets_none(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await a_running(database, client)
    operator = await a_person(database, settings, client.agency, client.unit_id, Role.OPERATOR)

    async with begin_read(database, operator.scope) as uow:
        found = await campaigns.results(uow, row.id)

    assert found.spend is None
    assert found.cost_per_delivered is None
