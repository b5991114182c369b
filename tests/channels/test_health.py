"""How well grants and pages are, said in time, with the reason and whom to ask; and well again when they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.jobs import KeepGrant
from server.channels.models import Health, PageRow
from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.channels import a_page, an_external_id
from tests.factories.connecting import Stage, a_person_with, connected
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import statements
from tests.standin_server import Platform
from tests.workshop import Workshop

PAGES = """{ pages { nodes { name health healthReason healthSince nextStep missingPermissions connectedBy { name }
  completeUntil gapsFilled completenessNote } } }"""


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


@pytest.fixture
async def short_lives(platform: Platform) -> AsyncIterator[None]:
    """Logins at the platform that end in three days."""
    before = await platform.control("app", method="GET")
    await platform.control("app", {"long_token_s": 3 * 86_400})
    yield
    await platform.control("app", {"long_token_s": before["long_token_s"]})


async def a_connection(stage: Stage) -> tuple[AnOrganization, APerson, str, list[PageRow]]:
    """Two pages of one person, connected."""
    agency = await an_agency(stage.database)
    unit_id = agency.units["client 1"]
    member = await a_person(stage.database, stage.settings, agency, unit_id, Role.ADMIN)
    pages = [an_external_id(), an_external_id()]
    person = await a_person_with(stage.platform, pages)
    results = await connected(stage, member.scope, unit_id, person, pages)
    rows = [one.page for one in results if one.page is not None]
    assert len(rows) == 2
    return agency, member, person, rows


async def checked(stage: Stage, workshop: Workshop, agency: AnOrganization) -> None:
    """Ask the platform how well the grants are, now."""
    async with begin(stage.database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE connected_account SET checked_at = NULL"))
        for (account_id,) in (await uow.session.execute(text("SELECT id FROM connected_account"))).all():
            uow.defer(KeepGrant(account_id), key=str(account_id))
    await workshop.settle(agency.id)


async def healths(stage: Stage, agency: AnOrganization) -> list[tuple[str, str | None]]:
    """Health and reason of the grant, then of the pages."""
    async with begin_read(stage.database, agency.scope) as uow:
        rows = await uow.session.execute(
            text(
                "SELECT health, health_reason FROM connected_account"
                " UNION ALL (SELECT health, health_reason FROM page ORDER BY external_id)"
            )
        )
        return [tuple(row) for row in rows]


async def account_token(stage: Stage, agency: AnOrganization, page_id: UUID) -> str:
    """The grant's token."""
    async with begin_read(stage.database, agency.scope) as uow:
        token = (await channels.credentials(uow, page_id)).account_token
    assert token is not None
    return token


async def test_a_login_that_ends_within_a_week_and_cannot_be_renewed_is_said_in_time(
    stage: Stage, workshop: Workshop, short_lives: None
) -> None:
    agency, _, _, _ = await a_connection(stage)

    await checked(stage, workshop, agency)

    told = await healths(stage, agency)
    assert [health for health, _ in told] == [Health.EXPIRING] * 3
    assert told[0][1] is not None
    assert told[0][1].startswith("The login ends at ")


async def test_a_permission_that_the_person_took_back_is_named_on_every_page_of_the_grant(
    stage: Stage, workshop: Workshop
) -> None:
    agency, member, person, rows = await a_connection(stage)
    token = await account_token(stage, agency, rows[0].id)
    answer = await stage.platform.http.delete(
        f"{stage.platform.url}/v25.0/{person}/permissions/pages_messaging", headers={"authorization": f"Bearer {token}"}
    )
    assert answer.is_success, answer.text

    await checked(stage, workshop, agency)
    ill = await healths(stage, agency)
    shown = (await stage.api.ask(PAGES, token=member.token)).data["pages"]["nodes"][0]
    await connected(stage, member.scope, agency.units["client 1"], person, [row.external_id for row in rows])

    assert ill == [(Health.MISSING_PERMISSION, "The login lacks: pages_messaging.")] * 3
    assert shown["health"] == "MISSING_PERMISSION"
    assert shown["connectedBy"] == {"name": "Ada"}
    assert "leave every permission" in shown["nextStep"]
    assert shown["healthSince"]
    assert (shown["gapsFilled"], shown["completeUntil"]) == (0, None)
    assert await healths(stage, agency) == [(Health.HEALTHY, None)] * 3


async def test_one_page_whose_own_token_is_refused_does_not_keep_its_sibling_from_sending(
    stage: Stage, workshop: Workshop
) -> None:
    agency, _, _, rows = await a_connection(stage)
    ill, well = rows
    async with begin(stage.database, agency.scope) as uow:
        await channels.note_refused_token(uow, ill.id, "190/460 password changed", await uow.now())
    marked = await healths(stage, agency)

    await workshop.settle(agency.id)

    async with begin_read(stage.database, agency.scope) as uow:
        after = {
            row.id: (row.health, row.is_ill_by_grant) for row in await channels.pages_by_id(uow, [ill.id, well.id])
        }
        acts = (
            (
                await uow.session.execute(
                    text("SELECT action FROM audit_event WHERE action LIKE 'channel:account:%' ORDER BY seq")
                )
            )
            .scalars()
            .all()
        )
    assert [health for health, _ in marked] == [Health.RECONNECT_NEEDED] * 3
    assert after == {ill.id: (Health.RECONNECT_NEEDED, False), well.id: (Health.HEALTHY, False)}
    assert acts == ["channel:account:unhealthy", "channel:account:healthy"]


async def test_a_person_who_took_everything_back_ails_the_grant_and_all_of_its_pages(
    stage: Stage, workshop: Workshop
) -> None:
    agency, _, person, rows = await a_connection(stage)
    token = await account_token(stage, agency, rows[0].id)
    await stage.platform.http.delete(
        f"{stage.platform.url}/v25.0/{person}/permissions", headers={"authorization": f"Bearer {token}"}
    )

    await checked(stage, workshop, agency)

    assert [health for health, _ in await healths(stage, agency)] == [Health.RECONNECT_NEEDED] * 3
    async with begin_read(stage.database, agency.scope) as uow:
        kept = await uow.session.execute(text("SELECT count(*) FROM job WHERE kind = 'channels.keep_grant'"))
        assert kept.scalar_one() == 0


async def test_a_refusal_of_a_token_that_was_replaced_since_means_nothing(stage: Stage) -> None:
    agency, member, person, rows = await a_connection(stage)
    async with begin_read(stage.database, agency.scope) as uow:
        claimed_at = await uow.now()
    await connected(stage, member.scope, agency.units["client 1"], person, [row.external_id for row in rows])

    async with begin(stage.database, agency.scope) as uow:
        await channels.note_refused_token(uow, rows[0].id, "190/460", claimed_at)

    assert await healths(stage, agency) == [(Health.HEALTHY, None)] * 3


async def test_housekeeping_owes_the_care_that_nobody_is_asked_for(database: Database) -> None:
    agency = await an_agency(database)
    watched = await a_page(database, agency, agency.units["client 1"])
    gone = await a_page(database, agency, agency.units["client 2"])
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE page SET subscribed_at = clock_timestamp()"))
        await uow.session.execute(
            text("UPDATE page SET disconnected_at = clock_timestamp() WHERE id = :id"), {"id": gone.id}
        )

    for state in ("DEAD", "QUEUED"):
        async with begin(database, agency.scope) as uow:
            await channels.tend(uow)
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(text("UPDATE job SET state = :state, generation = 0"), {"state": state})
    async with begin(database, agency.scope) as uow:
        await channels.tend(uow)

    async with begin_read(database, agency.scope) as uow:
        jobs = await uow.session.execute(text("SELECT kind, payload, state, generation FROM job ORDER BY kind"))
        told = [tuple(row) for row in jobs]
        asked = (await uow.session.execute(text("SELECT count(*) FROM page WHERE connected_by IS NULL"))).scalar_one()
        account = (
            await uow.session.execute(text("SELECT account_id FROM page WHERE id = :id"), {"id": watched.id})
        ).scalar_one()
    assert told == [
        ("channels.keep_grant", {"account_id": str(account)}, "QUEUED", 0),
        ("channels.sync_page", {"page_id": str(watched.id)}, "QUEUED", 0),
    ]
    assert asked == 0


async def test_a_list_of_pages_costs_as_many_statements_for_two_as_for_twelve(
    api: Api, database: Database, settings: Settings
) -> None:
    costs = []
    for count in (2, 12):
        agency = await an_agency(database)
        member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
        for number in range(count):
            await a_page(database, agency, agency.units["client 1"], name=f"Page {number:02}")
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(text("UPDATE page SET connected_by = :id"), {"id": member.scope.actor.id})
        with statements() as seen:
            answer = await api.ask(PAGES, token=member.token)
        assert len(answer.data["pages"]["nodes"]) == count
        costs.append(len(seen))

    assert costs[0] == costs[1]
