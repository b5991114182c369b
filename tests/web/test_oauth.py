"""Connecting pages through the stand-in's dialogue, and everybody who should not get through."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.errors import ConnectionNotOpen, StateInvalid
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.platforms.port import Channel
from server.platforms.registry import Registry
from server.schema.nodes import Kind
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from server.web.oauth import CONNECTION_PREFIX
from tests.factories.tenants import a_franchise, a_person, an_agency
from tests.web.conftest import Web, error_of
from tests.web.dialogue import (
    RETURN_URL,
    a_platform_person,
    begin_at,
    finished,
    granted,
    landed,
    walk,
)


async def test_a_member_connects_pages_to_units_and_their_webhooks_are_asked_for(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    franchise = await a_franchise(database, locations=2)
    member = await a_person(database, settings, franchise, franchise.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url, pages=2)
    units = [franchise.units["location 1"], franchise.units["location 2"]]

    at = await granted(web, member.scope, franchise.root_id, person)
    async with begin_read(database, member.scope) as uow:
        offered = await channels.found_pages(uow, at.connection_id, at.completion)
    results = await finished(web, member.scope, at, *zip(person.pages, units, strict=True))

    assert [page.external_id for page in offered] == person.pages
    assert at.query["tab"] == "channels"
    assert [(result.error, result.page.unit_id) for result in results] == [(None, unit) for unit in units]
    async with begin_read(database, franchise.scope) as uow:
        credentials = await channels.credentials(uow, results[0].page.id)
    assert credentials.page_token
    assert credentials.account_token
    owed = "job WHERE kind = 'channels.subscribe_page' AND organization_id = :organization"
    assert await web.count(owed, organization=franchise.id) == 2


async def test_neither_tokens_nor_codes_stand_in_the_tables(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    at = await granted(web, member.scope, agency.units["client 1"], person)
    results = await finished(web, member.scope, at, (person.pages[0], agency.units["client 1"]))
    async with begin_read(database, agency.scope) as uow:
        credentials = await channels.credentials(uow, results[0].page.id)

    async with begin_read(database, agency.scope) as uow:
        rows = ""
        for table in ("channel_connection", "connected_account", "page", "audit_event", "job"):
            found = await uow.session.execute(text(f"SELECT string_agg(t::text, ' ') FROM {table} t"))
            rows += found.scalar_one() or ""

    for secret in (credentials.page_token, credentials.account_token, at.completion):
        assert secret not in rows
        assert secret.encode().hex() not in rows


async def test_a_callback_that_is_played_again_is_refused(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    _, url = await begin_at(web, member.scope, agency.units["client 1"])
    callback = await walk(web, url, person.id)
    first = await web.http.get(callback)

    second = await web.http.get(callback)

    assert landed(first).completion
    assert second.status_code == 400
    assert error_of(second)["code"] == "channel.state_invalid"


async def test_of_five_callbacks_at_once_one_gets_through(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    _, url = await begin_at(web, member.scope, agency.units["client 1"])
    callback = await walk(web, url, person.id)

    answers = await asyncio.gather(*(web.http.get(callback) for _ in range(5)))

    good = [answer for answer in answers if answer.status_code == 303]
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400, 400]
    at = landed(good[0])
    assert (await finished(web, member.scope, at, (person.pages[0], agency.units["client 1"])))[0].page is not None


@pytest.mark.parametrize(
    "state", ["", "x", "swc_", "swc_" + "0" * 26 + "_" + "A" * 43, "swc_" + "z" * 26 + "_" + "A" * 43]
)
async def test_a_state_that_nobody_made_is_refused(state: str, web: Web) -> None:
    answer = await web.http.get(f"{web.url}/oauth/messenger/callback", params={"state": state, "code": "c"})

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "channel.state_invalid"


async def test_a_state_does_not_fit_the_wall_of_another_organization(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    stranger = await a_person(database, settings, other, other.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    _, url = await begin_at(web, member.scope, agency.units["client 1"])
    _, foreign_url = await begin_at(web, stranger.scope, other.units["client 1"])
    callback = await walk(web, url, person.id)
    own, foreign = (one.split("state=swc_")[1][:26] for one in (url, foreign_url))

    answer = await web.http.get(callback.replace(own, foreign))

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "channel.state_invalid"


async def test_a_dialogue_that_took_too_long_is_refused(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    row, url = await begin_at(web, member.scope, agency.units["client 1"])
    callback = await walk(web, url, person.id)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE channel_connection SET expires_at = clock_timestamp() WHERE id = :id"), {"id": row.id}
        )

    answer = await web.http.get(callback)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "channel.state_invalid"


async def test_a_person_who_refuses_is_sent_back_with_the_reason(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    row, url = await begin_at(web, member.scope, agency.units["client 1"])

    at = landed(await web.http.get(await walk(web, url, person.id, action="refuse")))

    assert at.query["error"] == "access_denied"
    assert "completion" not in at.query
    assert at.connection_id == row.id
    async with begin(database, member.scope) as uow:
        with pytest.raises(ConnectionNotOpen):
            await channels.found_pages(uow, row.id, "x")


async def test_a_code_that_the_platform_refuses_ends_the_connection(
    web: Web, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    _, url = await begin_at(web, member.scope, agency.units["client 1"])
    state = url.split("state=")[1].split("&")[0]

    answer = await web.http.get(f"{web.url}/oauth/messenger/callback", params={"state": state, "code": "forged"})

    assert landed(answer).query["error"] == "auth"


async def test_without_a_return_address_the_browser_is_shown_the_code(
    web: Web, database: Database, settings: Settings, standin_url: str
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    person = await a_platform_person(web, standin_url)
    row, url = await begin_at(web, member.scope, agency.units["client 1"], return_url=None)

    answer = await web.http.get(await walk(web, url, person.id))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["referrer-policy"] == "no-referrer"
    completion = answer.text.split("<dt>completion</dt><dd><code>")[1].split("<")[0]
    async with begin_read(database, member.scope) as uow:
        assert len(await channels.found_pages(uow, row.id, completion)) == 1


@pytest.mark.parametrize("return_url", ["http://evil.test/", "//evil.test", "https://a@b.test/", "javascript:alert(1)"])
async def test_a_return_address_that_no_browser_should_be_sent_to_is_refused(
    return_url: str, web: Web, database: Database
) -> None:
    agency = await an_agency(database)

    with pytest.raises(InvalidInput):
        await begin_at(web, agency.scope, agency.units["client 1"], return_url)


async def test_a_connection_needs_the_right_to_connect_and_a_unit_in_reach(
    web: Web, database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    operator = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)

    with pytest.raises(PermissionDenied):
        await begin_at(web, operator.scope, agency.units["client 1"], RETURN_URL)
    with pytest.raises(NotFound):
        await begin_at(web, agency.scope, other.units["client 1"], RETURN_URL)


async def test_a_state_is_good_for_the_channel_it_was_made_for_only(
    web: Web, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    member = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    _, url = await begin_at(web, member.scope, agency.units["client 1"])
    state = url.split("state=")[1].split("&")[0]
    registry = Registry({Channel.MESSENGER: web.connector, Channel.INSTAGRAM: web.connector})

    query = {"state": state, "error": "access_denied"}
    with pytest.raises(StateInvalid):
        await channels.complete_callback(database, registry, web.deps.settings, Channel.INSTAGRAM, query)

    result = await channels.complete_callback(database, registry, web.deps.settings, Channel.MESSENGER, query)
    assert result.failure == "access_denied"


def test_the_browser_is_given_the_connections_id_as_the_schema_writes_it() -> None:
    assert Kind.CONNECTION.value == CONNECTION_PREFIX
