"""The work that a fresh connection owes the platform, done by its actor against the stand-in."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from server.channels.models import Health
from server.channels.service import pages_by_id
from server.config import Settings
from server.kit import jobs
from server.kit.db import Database
from server.kit.locks import WorkerLock
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.web.conftest import Web
from tests.web.dialogue import a_platform_person, finished, granted
from workers.actors.channels_connect import ACTORS
from workers.run import Runtime, carry_out, claim


@pytest.fixture
def runtime(web: Web, database: Database, settings: Settings) -> Runtime:
    return Runtime(database, web.deps.registry, settings, WorkerLock(database.system_dsn))


async def owed(database: Database, organization: AnOrganization) -> list:
    """The jobs of an organization that subscribe pages."""
    async with begin_read(database, organization.scope) as uow:
        found = await uow.session.scalars(
            text("SELECT id FROM job WHERE organization_id = :id AND kind = 'channels.subscribe_page'"),
            {"id": organization.id},
        )
        return list(found)


@pytest.mark.parametrize("is_revoked", [False, True])
async def test_a_connected_page_is_subscribed_or_shown_as_unhealthy(
    is_revoked: bool, runtime: Runtime, web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    unit = agency.units["client 1"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    at = await granted(web, member.scope, unit, person)
    page = (await finished(web, member.scope, at, (person.pages[0], unit)))[0].page
    if is_revoked:
        await web.http.post(f"{standin_url}/control/pages/{person.pages[0]}/revoke", json={})

    for job_id in await owed(database, agency):
        run = await claim(runtime, agency.id, job_id)
        assert run is not None
        await carry_out(run, ACTORS)

    async with begin_read(database, agency.scope) as uow:
        row = (await pages_by_id(uow, [page.id]))[0]
    shown = (await web.http.get(f"{standin_url}/control/pages/{person.pages[0]}")).json()
    assert await owed(database, agency) == []
    assert (row.subscribed_at is None) is is_revoked
    assert row.health is (Health.RECONNECT_NEEDED if is_revoked else Health.HEALTHY)
    assert ("messages" in shown["subscribed_fields"]) is not is_revoked
    assert jobs.kind_named("channels.subscribe_page").queue is jobs.Queue.HOUSEKEEPING
