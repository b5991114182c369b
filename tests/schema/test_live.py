"""Live changes of the inbox over a real socket: nothing is lost, nothing is told to whom it does not concern."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.auth.models import AccessTokenRow
from server.auth.service import revoke_token
from server.config import Settings
from server.inbox import service as inbox
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.models import MembershipRow
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.inbox import a_conversation, a_page
from tests.factories.tenants import APerson, a_person, an_agency
from tests.schema.live import CHANGES, PROTOCOL, a_socket, cursor_of


async def token_id(database: Database, person: APerson) -> UUID:
    """Find the token that the person was given."""
    async with begin_read(database, person.scope) as uow:
        statement = select(AccessTokenRow.id).where(
            AccessTokenRow.organization_id == person.scope.organization_id, AccessTokenRow.member_id == person.member_id
        )
        return (await uow.session.scalars(statement)).one()


async def test_a_message_is_told_with_the_conversation_as_it_is_then(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"], "Bakery")

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        row = await a_conversation(database, agency, page, "Hello", "Anybody there?")
        change = await socket.change()

    assert change["conversation"] == {
        "id": encode("cnv", row.id),
        "unreadCount": 2,
        "status": "OPEN",
        "assignee": None,
        "page": {"name": "Bakery", "health": "HEALTHY"},
        "contact": {"name": "Grace Hopper"},
        "labels": [],
        "lastMessage": {"text": "Anybody there?", "seq": 2},
    }


async def test_what_changed_while_the_client_was_away_is_told_once_after_the_cursor(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        first = await a_conversation(database, agency, page, "before")
        cursor = (await socket.change())["cursor"]

    missed = [await a_conversation(database, agency, page, f"missed {number}") for number in range(3)]

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(cursor)
        told = [await socket.change() for _ in missed]
        is_quiet = await socket.is_quiet(0.5)
    assert [one["conversation"]["id"] for one in told] == [encode("cnv", row.id) for row in missed]
    assert encode("cnv", first.id) not in {one["conversation"]["id"] for one in told}
    assert is_quiet


async def test_a_cursor_of_another_organization_ends_the_subscription_with_its_reason(
    api: Api, database: Database, settings: Settings
) -> None:
    ours, theirs = await an_agency(database), await an_agency(database)
    person = await a_person(database, settings, ours, ours.root_id, Role.OPERATOR)
    other = await a_person(database, settings, theirs, theirs.root_id, Role.OPERATOR)

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, other.token))
        told = await socket.end()

    assert (told["code"], told["reason"], told["path"]) == ("BAD_REQUEST", "INVALID_CURSOR", ["after"])


async def test_each_cursor_of_a_replay_goes_on_right_behind_its_own_change(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    start = await cursor_of(api, person.token)
    rows = [await a_conversation(database, agency, page, f"number {number}") for number in range(3)]

    seen, cursor = [], start
    for _ in rows:
        async with a_socket(api, person.token) as socket:
            await socket.subscribe(cursor)
            change = await socket.change()
        seen.append(change["conversation"]["id"])
        cursor = change["cursor"]

    assert seen == [encode("cnv", row.id) for row in rows]


async def test_a_commit_behind_an_older_open_transaction_is_told_late_but_not_lost(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        async with begin(database, agency.scope) as older:
            await older.session.execute(text("SELECT pg_current_xact_id()"))
            row = await a_conversation(database, agency, page)
            is_held_back = await socket.is_quiet(0.5)
        change = await socket.change()

    assert is_held_back
    assert change["conversation"]["id"] == encode("cnv", row.id)


async def test_nobody_hears_of_another_organization_or_of_a_unit_out_of_reach(
    api: Api, database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    pages = {name: await a_page(database, agency, agency.units[name]) for name in ("client 1", "client 2")}
    foreign = await a_page(database, other, other.units["client 1"])

    async with a_socket(api, clerk.token) as socket:
        await socket.subscribe(await cursor_of(api, clerk.token))
        await a_conversation(database, other, foreign)
        await a_conversation(database, agency, pages["client 2"])
        own = await a_conversation(database, agency, pages["client 1"])
        change = await socket.change()
        is_quiet = await socket.is_quiet(0.5)

    assert change["conversation"]["id"] == encode("cnv", own.id)
    assert is_quiet


async def test_a_subscription_to_one_unit_leaves_the_others_out(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    pages = {name: await a_page(database, agency, agency.units[name]) for name in ("client 1", "client 2")}

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token), encode("unit", agency.units["client 2"]))
        await a_conversation(database, agency, pages["client 1"])
        wanted = await a_conversation(database, agency, pages["client 2"])
        change = await socket.change()

    assert change["conversation"]["id"] == encode("cnv", wanted.id)


async def test_a_revoked_token_ends_the_subscription_before_the_next_change_is_told(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        await a_conversation(database, agency, page, "seen")
        await socket.change()
        async with begin(database, agency.scope) as uow:
            await revoke_token(uow, await token_id(database, person))
        await a_conversation(database, agency, page, "not seen")
        extensions = await socket.end()

    assert extensions["code"] == "UNAUTHENTICATED"


async def test_a_role_that_is_taken_away_ends_the_subscription(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(
                delete(MembershipRow).where(
                    MembershipRow.organization_id == agency.id, MembershipRow.member_id == person.member_id
                )
            )
        await a_conversation(database, agency, page)
        extensions = await socket.end()

    assert extensions["code"] == "FORBIDDEN"


async def test_who_may_not_read_the_inbox_may_not_listen_to_it(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    approver = await a_person(database, settings, agency, agency.root_id, Role.APPROVER)

    async with a_socket(api, approver.token) as socket:
        await socket.subscribe(None)
        extensions = await socket.end()

    assert extensions["code"] == "FORBIDDEN"


@pytest.mark.parametrize("_case", ["nonsense", "bm9uc2Vuc2U", "", "💥"])
async def test_a_cursor_that_was_never_given_is_refused(
    api: Api, database: Database, settings: Settings, _case: str
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(_case)
        extensions = await socket.end()

    assert (extensions["code"], extensions["reason"]) == ("BAD_REQUEST", "INVALID_CURSOR")


async def test_a_foreign_unit_and_a_random_one_are_refused_alike(
    api: Api, database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)

    ends = []
    async with a_socket(api, person.token) as socket:
        for unit_id in (encode("unit", other.root_id), encode("unit", new_id()), "unit_nonsense"):
            await socket.subscribe(None, unit_id)
            ends.append(await socket.end())

    assert all(end.pop("requestId").startswith("req_") for end in ends)
    assert ends == [{"code": "BAD_REQUEST", "reason": "NOT_FOUND", "path": ["unitId"]}] * 3


async def test_a_socket_without_a_valid_token_is_closed(api: Api) -> None:
    url = f"{api.url.replace('http', 'ws', 1)}/graphql"

    async with connect(url, subprotocols=[PROTOCOL], proxy=None) as connection:
        await connection.send('{"type": "connection_init"}')
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await connection.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_busy_inbox_is_told_completely(api: Api, database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    rows = [await a_conversation(database, agency, page) for _ in range(6)]

    async def work_on(conversation_id: UUID) -> None:
        for number in range(5):
            async with begin(database, person.scope) as uow:
                await inbox.add_note(uow, conversation_id, f"note {number}")

    async with a_socket(api, person.token) as socket:
        await socket.subscribe(await cursor_of(api, person.token))
        await asyncio.gather(*(work_on(row.id) for row in rows))
        last = await a_conversation(database, agency, page, "the last one")
        told = {(await socket.change())["conversation"]["id"]}
        while encode("cnv", last.id) not in told:
            told.add((await socket.change())["conversation"]["id"])

    assert told == {encode("cnv", row.id) for row in (*rows, last)}


@pytest.mark.parametrize("text", ["subscription{", "subscription{" + "inboxChanges{cursor} " * 200 + "}", "{a} {b}"])
async def test_a_subscription_that_is_refused_is_told_why(
    api: Api, database: Database, settings: Settings, text: str
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)

    async with a_socket(api, person.token) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": {"query": text}})
        heard = await socket.hear()

    assert heard["type"] == "error", heard
    assert heard["payload"][0]["extensions"]["code"] in {"VALIDATION_FAILED", "QUERY_TOO_COMPLEX", "BAD_REQUEST"}


@pytest.mark.parametrize(
    "payload",
    [
        {"query": 3},
        {"query": ""},
        {"query": CHANGES, "operationName": 3},
        {"query": CHANGES, "operationName": "x"},
        {"query": CHANGES, "variables": [1]},
        {"query": CHANGES, "variables": "x"},
    ],
)
async def test_a_subscription_of_a_wrong_form_is_told_what_is_wrong(
    api: Api, database: Database, settings: Settings, payload: dict[str, object]
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)

    async with a_socket(api, person.token) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": payload})
        heard = await socket.hear()

    assert heard["type"] == "error", heard
    assert heard["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        "[]",
        "1",
        '{"id": "1", "type": "subscribe", "payload": null}',
        '{"payload": []}',
        '{"type": "complete", "id": []}',
        '{"type": "subscribe", "id": "' + "x" * 200 + '", "payload": {"query": "{viewer{name}}"}}',
        '{"type": "' + "x" * 200 + '"}',
        '{"type": null}',
    ],
)
async def test_what_is_no_message_closes_the_socket_and_says_so(api: Api, text: str) -> None:
    url = f"{api.url.replace('http', 'ws', 1)}/graphql"

    async with connect(url, subprotocols=[PROTOCOL], proxy=None) as connection:
        await connection.send(text)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
