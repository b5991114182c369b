"""A right that was taken away ends open subscriptions within two seconds, also when nothing else happens there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from switchboard.postgres import SUPERUSER, Server
from tests.api import Api
from tests.factories.inbox import a_conversation, a_page
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change
from tests.schema.live import Socket, a_socket, cursor_of
from tests.schema.test_members import membership_of

BOUND_S = 2.0


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def take(api: Api, database: Database, agency: AnOrganization, owner: APerson, victim: APerson, how: str) -> None:
    """Take a right away, in one of several ways."""
    member = {"memberId": encode("mem", victim.member_id)}
    if how == "deactivated":
        done = await change(api, "memberDeactivate", "member { id }", member, token=owner.token)
    elif how == "role revoked":
        grant = {"membershipId": await membership_of(database, agency, victim)}
        done = await change(api, "membershipRevoke", "member { id }", grant, token=owner.token)
    else:
        mine = (await api.ask("{ viewer { token { id } } }", token=victim.token)).data["viewer"]["token"]["id"]
        done = await change(api, "tokenRevoke", "token { id }", {"tokenId": mine}, token=owner.token)
    assert done["userErrors"] == []


async def subscribed(socket: Socket, api: Api, database: Database, agency: AnOrganization, person: APerson) -> None:
    """Subscribe and hear a first change, so that the subscription is known to be waiting."""
    page = await a_page(database, agency, agency.units["client 1"])
    await socket.subscribe(await cursor_of(api, person.token))
    await a_conversation(database, agency, page)
    await socket.change()


@pytest.mark.parametrize(
    ("how", "code"),
    [("token revoked", "UNAUTHENTICATED"), ("deactivated", "UNAUTHENTICATED"), ("role revoked", "FORBIDDEN")],
)
async def test_a_quiet_subscription_ends_within_two_seconds(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, how: str, code: str
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async with a_socket(api, clerk.token) as socket:
        await subscribed(socket, api, database, agency, clerk)
        await take(api, database, agency, owner, clerk, how)
        started = time.monotonic()
        async with asyncio.timeout(BOUND_S):
            ended = await socket.end()
        took = time.monotonic() - started

    assert ended["code"] == code
    assert took <= BOUND_S


async def test_a_subscription_ends_in_time_also_when_the_hint_is_lost_with_its_connection(
    api: Api,
    database: Database,
    postgres: Server,
    settings: Settings,
    agency: AnOrganization,
    owner: APerson,
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    name = database.app_engine.url.database or ""

    async with a_socket(api, clerk.token) as socket:
        await subscribed(socket, api, database, agency, clerk)
        async with await psycopg.AsyncConnection.connect(postgres.dsn(name, SUPERUSER), autocommit=True) as session:
            await session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'switchboard-live' AND datname = current_database()"
            )
        await take(api, database, agency, owner, clerk, "deactivated")
        async with asyncio.timeout(BOUND_S):
            ended = await socket.end()

    assert ended["code"] == "UNAUTHENTICATED"


async def test_nothing_of_the_unit_is_told_after_the_role_on_it_is_gone_and_the_rest_goes_on(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    first = await membership_of(database, agency, clerk)
    more = {
        "memberId": encode("mem", clerk.member_id),
        "unitId": encode("unit", agency.units["client 2"]),
        "role": "OPERATOR",
    }
    await change(api, "membershipGrant", "membership { id }", more, token=owner.token)
    pages = [await a_page(database, agency, agency.units[name]) for name in ("client 1", "client 2")]

    async with a_socket(api, clerk.token) as socket:
        await subscribed(socket, api, database, agency, clerk)
        await change(api, "membershipRevoke", "member { id }", {"membershipId": first}, token=owner.token)
        lost = [await a_conversation(database, agency, pages[0]) for _ in range(3)]
        kept = await a_conversation(database, agency, pages[1])
        told = await socket.change()
        is_quiet = await socket.is_quiet(0.5)

    assert told["conversation"]["id"] == encode("cnv", kept.id)
    assert told["conversation"]["id"] not in {encode("cnv", one.id) for one in lost}
    assert is_quiet


async def test_a_subscription_to_a_unit_ends_with_the_role_on_it(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    first = await membership_of(database, agency, clerk)
    unit_ids = [encode("unit", agency.units[name]) for name in ("client 1", "client 2")]
    more = {"memberId": encode("mem", clerk.member_id), "unitId": unit_ids[1], "role": "OPERATOR"}
    await change(api, "membershipGrant", "membership { id }", more, token=owner.token)
    page = await a_page(database, agency, agency.units["client 1"])

    async with a_socket(api, clerk.token) as socket:
        await socket.subscribe(await cursor_of(api, clerk.token), unit_ids[0])
        await a_conversation(database, agency, page)
        await socket.change()
        await change(api, "membershipRevoke", "member { id }", {"membershipId": first}, token=owner.token)
        async with asyncio.timeout(BOUND_S):
            ended = await socket.end()

    assert (ended["code"], ended["reason"]) == ("BAD_REQUEST", "NOT_FOUND")


@pytest.mark.parametrize("how", ["archived", "cut"])
async def test_a_role_that_gives_less_ends_what_it_gave(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, how: str
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)
    wanted = {"name": "Reader", "permissions": ["INBOX_READ", "COST_READ"]}
    role = (await change(api, "roleCreate", "role { id }", wanted, token=owner.token))["role"]["id"]
    grant = {
        "memberId": encode("mem", clerk.member_id),
        "unitId": encode("unit", agency.units["client 1"]),
        "customRoleId": role,
    }
    await change(api, "membershipGrant", "membership { id }", grant, token=owner.token)

    async with a_socket(api, clerk.token) as socket:
        await subscribed(socket, api, database, agency, clerk)
        field, less = ("roleArchive", {}) if how == "archived" else ("roleUpdate", {"permissions": ["COST_READ"]})
        done = await change(api, field, "role { id }", {"roleId": role, **less}, token=owner.token)
        async with asyncio.timeout(BOUND_S):
            ended = await socket.end()

    assert (done["userErrors"], ended["code"]) == ([], "FORBIDDEN")


async def test_all_open_subscriptions_end_at_once_and_those_of_others_go_on(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    other = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    ids = [str(number) for number in range(20)]
    ended: dict[str, Any] = {}

    async with a_socket(api, clerk.token) as socket, a_socket(api, other.token) as spared:
        start = await cursor_of(api, clerk.token)
        for id in ids:
            await socket.subscribe(start, id=id)
        await spared.subscribe(start)
        await a_conversation(database, agency, page)
        await spared.change()
        for _ in ids:
            await socket.change()
        await take(api, database, agency, owner, clerk, "deactivated")
        async with asyncio.timeout(BOUND_S):
            while len(ended) < len(ids):
                message = await socket.hear()
                if message["type"] == "next":
                    ended[message["id"]] = message["payload"]["errors"][0]["extensions"]["code"]
        row = await a_conversation(database, agency, page)
        told = await spared.change()

    assert ended == dict.fromkeys(ids, "UNAUTHENTICATED")
    assert told["conversation"]["id"] == encode("cnv", row.id)
