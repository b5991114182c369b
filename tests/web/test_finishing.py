"""Choosing pages at the end of a dialogue: who may, which pages, and the way out again."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.channels import service as channels
from server.channels.errors import CompletionInvalid, ConnectionNotOpen, PageDisconnected
from server.channels.models import Health
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import a_franchise, a_person, an_agency
from tests.web.conftest import Web
from tests.web.dialogue import (
    a_platform_person,
    begin_at,
    finished,
    granted,
)


async def test_only_the_actor_who_began_may_finish_and_only_with_the_browsers_code(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    colleague = await a_person(database, settings, agency, agency.root_id, Role.OWNER, name="Bob")
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    person = await a_platform_person(web, standin_url)
    at = await granted(web, member.scope, agency.units["client 1"], person)
    choice = (person.pages[0], agency.units["client 1"])

    for scope in (colleague.scope, stranger.scope):
        with pytest.raises(NotFound):
            await finished(web, scope, at, choice)
    for forged in ("", "x" * 43, at.completion[:-1], "é" * 43, "x" * 10_000):
        async with begin(database, member.scope) as uow:
            with pytest.raises(CompletionInvalid):
                await channels.finish_connection(uow, at.connection_id, forged, [choice])
    assert (await finished(web, member.scope, at, choice))[0].page is not None
    with pytest.raises(ConnectionNotOpen):
        await finished(web, member.scope, at, choice)


async def test_a_page_of_another_organization_is_refused_without_naming_it(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency, other = await an_agency(database), await an_agency(database, name="Rival")
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    rival = await a_person(database, settings, other, other.root_id, Role.ADMIN, name="Rita")
    person = await a_platform_person(web, standin_url, pages=2)
    theirs = await granted(web, rival.scope, other.units["client 1"], person)
    await finished(web, rival.scope, theirs, (person.pages[0], other.units["client 1"]))
    at = await granted(web, member.scope, agency.units["client 1"], person)
    unit = agency.units["client 1"]

    taken, free = await finished(web, member.scope, at, (person.pages[0], unit), (person.pages[1], unit))

    assert taken.error is not None
    assert taken.error.code == "channel.page_taken"
    told = f"{taken.error.message} {taken.error.data}"
    assert not any(word in told for word in ("Rival", "Rita", str(other.id), other.units["client 1"].hex))
    assert free.page is not None
    async with begin(database, other.scope) as uow:
        owned = await channels.list_pages(uow, PageArguments())
        await channels.disconnect_page(uow, owned.items[0].id)
    again = await granted(web, member.scope, unit, person)
    assert (await finished(web, member.scope, again, (person.pages[0], unit)))[0].page is not None


async def test_choices_that_cannot_be_carried_out_are_told_one_by_one(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    franchise, other = await a_franchise(database), await an_agency(database)
    one, two = franchise.units["location 1"], franchise.units["location 2"]
    member = await a_person(database, settings, franchise, one, Role.MANAGER)
    headquarters = await a_person(database, settings, franchise, franchise.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url, pages=3)
    before = await granted(web, headquarters.scope, two, person)
    await finished(web, headquarters.scope, before, (person.pages[0], two))
    at = await granted(web, member.scope, one, person)

    results = await finished(
        web,
        member.scope,
        at,
        (person.pages[0], one),
        (person.pages[1], two),
        (person.pages[2], one),
        (person.pages[2], one),
        ("4711", one),
        (person.pages[1], other.units["client 1"]),
    )

    codes = [result.error.code if result.error else None for result in results]
    offered = "channel.page_not_offered"
    assert codes == ["channel.page_taken", "not_found", None, offered, offered, offered]


async def test_a_page_that_is_connected_again_gets_its_new_token_and_its_health_back(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    unit, elsewhere = agency.units["client 1"], agency.units["client 2"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    at = await granted(web, member.scope, unit, person)
    first = (await finished(web, member.scope, at, (person.pages[0], unit)))[0].page
    async with begin(database, agency.scope) as uow:
        old = await channels.credentials(uow, first.id)
        await channels.mark_unhealthy(uow, first.id, Health.RECONNECT_NEEDED, "the token is dead")

    again = await granted(web, member.scope, unit, person)
    refused = (await finished(web, member.scope, again, (person.pages[0], elsewhere)))[0]
    second = (await finished(web, member.scope, again, (person.pages[0], unit)))[0].page

    assert refused.error.code == "channel.page_in_other_unit"
    assert (second.id, second.health, second.health_reason) == (first.id, Health.HEALTHY, None)
    async with begin_read(database, agency.scope) as uow:
        new = await channels.credentials(uow, first.id)
        account = await uow.session.execute(
            text("SELECT health, count(*) OVER () FROM connected_account WHERE id = :id"), {"id": second.account_id}
        )
    assert new.account_token != old.account_token
    assert account.one() == ("HEALTHY", 1)


async def test_a_disconnected_page_keeps_its_history_and_loses_its_token_and_route(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    unit = agency.units["client 1"]
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    analyst = await a_person(database, settings, agency, agency.root_id, Role.ANALYST, name="Ann")
    person = await a_platform_person(web, standin_url)
    at = await granted(web, member.scope, unit, person)
    page = (await finished(web, member.scope, at, (person.pages[0], unit)))[0].page
    async with begin(database, analyst.scope) as uow:
        with pytest.raises(PermissionDenied):
            await channels.disconnect_page(uow, page.id)

    for _ in range(2):
        async with begin(database, member.scope) as uow:
            await channels.disconnect_page(uow, page.id)

    async with begin_read(database, agency.scope) as uow:
        assert (await channels.page_ref(uow, page.id)).external_id == person.pages[0]
        with pytest.raises(PageDisconnected):
            await channels.credentials(uow, page.id)
    assert await web.count("page_route WHERE external_id = :id", id=person.pages[0]) == 0


async def test_whoever_lost_the_right_meanwhile_or_waited_too_long_cannot_finish(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    unit = agency.units["client 1"]
    person = await a_platform_person(web, standin_url)
    demoted = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    slow = await a_person(database, settings, agency, agency.root_id, Role.ADMIN, name="Sloth")
    lost, late = [await granted(web, one.scope, unit, person) for one in (demoted, slow)]
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE membership SET role = 'ANALYST' WHERE member_id = :id"), {"id": demoted.member_id}
        )
        await uow.session.execute(
            text("UPDATE channel_connection SET expires_at = clock_timestamp() WHERE id = :id"),
            {"id": late.connection_id},
        )
    now = await auth.authenticate(database, settings.security, demoted.token)

    with pytest.raises(PermissionDenied):
        await finished(web, now, lost, (person.pages[0], unit))
    with pytest.raises(ConnectionNotOpen):
        await finished(web, slow.scope, late, (person.pages[0], unit))
    await begin_at(web, slow.scope, unit)
    async with begin_read(database, agency.scope) as uow:
        kept = await uow.session.execute(
            text("SELECT found_sealed IS NULL FROM channel_connection WHERE id = :id"), {"id": late.connection_id}
        )
        assert kept.scalar_one(), "the tokens of a connection that nobody finished are dropped"
