"""What one operation and one caller may take: seconds, bytes, points and turns, each refused with a reason and an end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from typing import Any

import httpx
import pytest

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.tenants import APerson, a_person, an_agency
from tests.locks import locked
from tests.schema.test_inbox import a_full_inbox

Start = Callable[..., AbstractAsyncContextManager[Api]]
VIEWER = "{viewer{name}}"
INBOX = "{conversations(first: 50){nodes{id messages(last: 5){nodes{id text}}}}}"


@pytest.fixture
def start(settings: Settings) -> Start:
    """Serve with some settings changed: start(operations={...}, budgets={...}, admission={...})."""

    @asynccontextmanager
    async def begin(**changes: dict[str, Any]) -> AsyncIterator[Api]:
        configured = copy(settings)
        for concern, values in changes.items():
            setattr(configured, concern, getattr(settings, concern).model_copy(update=values))
        # From an address of its own: what one test spends of a network's budget must not be missing in another.
        address = ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with (
            serving(create_app(configured)) as url,
            httpx.AsyncClient(timeout=60, transport=transport) as http,
        ):
            yield Api(url, http)

    return begin


@pytest.fixture
async def clerk(database: Database, settings: Settings) -> APerson:
    """Somebody of an agency."""
    agency = await an_agency(database)
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def test_an_operation_that_passes_its_deadline_ends_as_a_whole_and_in_the_database(
    start: Start, clerk: APerson, settings: Settings
) -> None:
    async with start(operations={"deadline_s": 0.5}) as api, locked(settings, "topic") as topics:
        answer = await api.ask("{topics{nodes{id}} viewer{name}}", token=clerk.token)
        left = await topics.waiting()

    assert (answer.status, answer.codes) == (504, ["TIMEOUT"])
    assert "data" not in answer.body
    assert left == 0


async def test_a_deadline_that_passes_while_a_loader_reads_is_told_as_one(
    start: Start,
    database: Database,
    settings: Settings,
) -> None:
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    await a_full_inbox(database, agency, person, 3)

    async with start(operations={"deadline_s": 0.5}) as api, locked(settings, "label") as labels:
        answer = await api.ask(
            "{conversations(first: 9){nodes{id labels{name} notes(last: 2){nodes{id}}}}}", token=person.token
        )
        left = await labels.waiting()

    assert (answer.status, answer.codes) == (504, ["TIMEOUT"])
    assert left == 0


async def test_an_answer_that_grows_too_large_ends_the_operation(
    start: Start, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    await a_full_inbox(database, agency, clerk, 12)
    text = "{conversations(first: 50){nodes{" + " ".join(f"a{n}: id" for n in range(29)) + "}}}"

    async with start(operations={"max_bytes": 10_000}) as api:
        answer = await api.ask(text, token=clerk.token)
        small = await api.ask(VIEWER, token=clerk.token)

    assert (answer.status, answer.codes) == (400, ["QUERY_TOO_COMPLEX"])
    assert "10000 bytes" in answer.body["errors"][0]["message"]
    assert small.data["viewer"]


async def test_a_budget_that_is_used_up_is_429_with_the_time_to_wait_and_others_go_on(
    start: Start, clerk: APerson, database: Database, settings: Settings
) -> None:
    other = await a_person(database, settings, another := await an_agency(database), another.root_id, Role.OWNER)
    async with start(budgets={"token": 300.0, "token_per_s": 0.001}) as api:
        answers = [await api.ask(VIEWER, token=clerk.token) for _ in range(30)]
        neighbour = await api.ask(VIEWER, token=other.token)
        raw = await api.http.post(
            f"{api.url}/graphql", json={"query": VIEWER}, headers={"authorization": f"Bearer {clerk.token}"}
        )

    refused = [one for one in answers if one.status == 429]
    assert 0 < len(refused) < 30
    assert answers[0].data["viewer"]
    assert refused[0].codes == ["RATE_LIMITED"]
    assert "token" in refused[0].body["errors"][0]["message"]
    assert int(raw.headers["retry-after"]) == raw.json()["errors"][0]["extensions"]["retryAfterSeconds"] > 0
    assert neighbour.data["viewer"]


async def test_people_without_a_token_are_counted_by_network(start: Start) -> None:
    ask = 'mutation{passwordResetRequest(input: {email: "nobody@example.test"}){isAccepted}}'
    async with start(budgets={"network": 400.0, "network_per_s": 0.001}) as api:
        answers = [await api.ask(ask, token=None) for _ in range(10)]

    assert answers[0].status == 200
    assert answers[-1].codes == ["RATE_LIMITED"]


async def test_a_document_that_is_refused_has_been_read_and_is_paid_for(start: Start, clerk: APerson) -> None:
    long = "{viewer{" + "nobody " * 100 + "}}"
    async with start(budgets={"network": 300, "network_per_s": 0.01, "token": 300, "token_per_s": 0.01}) as api:
        of_nobody = [(await api.ask(long, token=None)).codes for _ in range(12)]
        of_somebody = [(await api.ask(long, token=clerk.token)).codes for _ in range(12)]

    for codes in (of_nobody, of_somebody):
        assert codes[0] != ["RATE_LIMITED"]
        assert codes[-1] == ["RATE_LIMITED"]


async def test_a_tenant_with_150_open_requests_leaves_others_their_turn(
    start: Start, clerk: APerson, database: Database, settings: Settings
) -> None:
    other = await a_person(database, settings, another := await an_agency(database), another.root_id, Role.OWNER)
    async with start() as api, locked(settings, "topic") as topics:
        await api.ask(VIEWER, token=clerk.token)
        await api.ask(VIEWER, token=other.token)
        crowd = [asyncio.create_task(api.ask("{topics{nodes{id}}}", token=clerk.token)) for _ in range(150)]
        while await topics.waiting() == 0 or sum(one.done() for one in crowd) < 50:
            await asyncio.sleep(0.02)
        beside = [await api.ask(VIEWER, token=other.token) for _ in range(5)]
        ready = await api.http.get(f"{api.url}/health/ready")
        await topics.release()
        answers = await asyncio.gather(*crowd)

    assert [one.status for one in beside] == [200] * 5
    assert ready.status_code == 200
    refused = [one for one in answers if one.status != 200]
    # Whoever finds the line full is told so at once; whoever waits in it too long, that the service is busy.
    told = {(one.status, *one.codes) for one in refused}
    assert (429, "RATE_LIMITED") in told
    assert told <= {(429, "RATE_LIMITED"), (503, "UNAVAILABLE")}
    assert all("cannot be reached" not in one.body["errors"][0]["message"] for one in refused)
    assert len(answers) - len(refused) >= 1


async def test_one_operation_holds_one_connection_however_many_lists_it_asks_for(
    start: Start, clerk: APerson, settings: Settings
) -> None:
    many = "{" + " ".join(f"a{n}: topics(first: 100){{nodes{{id}}}}" for n in range(20)) + "}"
    async with start() as api, locked(settings, "topic") as topics:
        asking = asyncio.create_task(api.ask(many, token=clerk.token))
        while await topics.waiting() == 0:
            await asyncio.sleep(0.02)
        held = await topics.waiting()
        await topics.release()
        answer = await asking

    assert held == 1
    assert len(answer.data) == 20


async def test_repetitions_of_a_key_that_wait_hold_neither_turn_nor_connection(
    start: Start, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    create = 'mutation{topicCreate(input: {key: "offers", name: "Offers", unitId: "%s"}){topic{id} userErrors{code}}}'
    text = create % encode("unit", agency.root_id)
    async with start(admission={"tenant_share": 0.3}) as api, locked(settings, "topic") as topics:
        asked = [asyncio.create_task(api.ask(text, token=clerk.token, key="one")) for _ in range(20)]
        while await topics.waiting() == 0:
            assert not all(one.done() for one in asked), await asked[0]
            await asyncio.sleep(0.02)
        beside = await asyncio.wait_for(api.ask(VIEWER, token=clerk.token), 30)
        held = await topics.waiting()
        await topics.release()
        answers = await asyncio.gather(*asked)

    assert beside.data["viewer"]
    assert held == 1
    assert {str(one.body) for one in answers if one.status == 200} == {str(answers[0].body)}
