"""What the schema and the callers say of documents: validity and price as of now, and who uses which."""

from __future__ import annotations

import asyncio

import pytest
from graphql import build_schema
from sqlalchemy import text

from server.config import Settings
from server.documents.counting import UseCounter
from server.documents.rules import ClientBuild, digest_of
from server.kit.db import Database
from server.schema.documents.reading import Readings
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.documents import WEB_1, a_text, registered, the_id_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency

USES = (
    "query($filter: DocumentUseFilter) { documentUses(filter: $filter) { documentId operationName app version uses } }"
)


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def admin(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Who may manage the documents of the agency."""
    return await a_person(database, settings, agency, agency.root_id, Role.ADMIN)


async def test_uses_are_shown_by_document_and_for_all(
    api: Api, database: Database, agency: AnOrganization, admin: APerson
) -> None:
    ours, shipped = a_text("Ours"), "query Shipped { viewer { name } }"
    await registered(database, agency.scope, WEB_1, [ours])
    counter = UseCounter(database)
    for build, one, times in (
        (WEB_1, ours, 2),
        (ClientBuild("phone", "7"), ours, 3),
        (ClientBuild("", ""), shipped, 1),
    ):
        for _ in range(times):
            counter.note(agency.id, digest_of(one), one.split()[1], build)
    await counter.flush()

    listed = (await api.ask("{ documents { nodes { uses { app version uses } } } }", token=admin.token)).data
    every = (await api.ask(USES, token=admin.token)).data["documentUses"]
    cut = [
        [one["app"] for one in (await api.ask(USES, {"filter": wanted}, token=admin.token)).data["documentUses"]]
        for wanted in ({"app": "phone"}, {"documentId": the_id_of(shipped)}, {"version": "1.0.0", "days": 1})
    ]
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE document_use SET day = day - 40"))
    later = (await api.ask(USES, token=admin.token)).data["documentUses"]

    assert listed["documents"]["nodes"] == [
        {
            "uses": [
                {"app": "phone", "version": "7", "uses": "3"},
                {"app": "web", "version": "1.0.0", "uses": "2"},
            ]
        }
    ]
    assert [(one["operationName"], one["app"], one["uses"]) for one in every] == [
        ("Ours", "phone", "3"),
        ("Ours", "web", "2"),
        ("Shipped", "", "1"),
    ]
    assert cut == [["phone"], [""], ["web"]]
    assert later == []


@pytest.mark.parametrize(
    "wanted", [{"documentId": "Ours"}, {"days": 0}, {"days": 91}, {"days": -(2**31)}, {"days": 2**31 - 1}]
)
async def test_uses_that_cannot_be_asked_for_are_refused_with_a_reason(
    api: Api, admin: APerson, wanted: dict[str, object]
) -> None:
    answer = await api.ask(USES, {"filter": wanted}, token=admin.token)

    assert answer.codes == ["BAD_REQUEST"]
    assert answer.body["errors"][0]["extensions"]["reason"] == "INVALID_INPUT"


async def test_who_registered_a_document_is_shown(api: Api, database: Database, admin: APerson) -> None:
    await registered(database, admin.scope, WEB_1, [a_text("A")])

    shown = await api.ask("{ documents { nodes { registeredBy { name } } } }", token=admin.token)

    assert shown.data["documents"]["nodes"] == [{"registeredBy": {"name": "Ada"}}]


async def test_a_browser_may_say_which_client_it_is(api: Api) -> None:
    asking = {
        "origin": "https://front.example.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-client-name,x-client-version",
    }

    answer = await api.http.options(f"{api.url}/graphql", headers=asking)

    assert {"x-client-name", "x-client-version"} <= {
        one.strip().lower() for one in answer.headers["access-control-allow-headers"].split(",")
    }


async def test_a_document_has_the_price_of_the_schema_that_reads_it_and_a_dear_one_is_not_valid() -> None:
    small, large = build_schema("type Query { a: Int b: Int }"), build_schema("type Query { a: Int }")

    cheap = await Readings(small, max_price=11).read("query A { a }")
    dear = await Readings(small, max_price=11).read("query B { a b }")
    elsewhere = await Readings(large, max_price=100).read("query C { b }")

    assert (cheap.price, cheap.problems) == (11, ())
    assert (dear.price, dear.problems) == (None, ("The operation would cost 12 points; the limit is 11.",))
    assert (elsewhere.price, elsewhere.is_valid) == (None, False)


async def test_reading_many_documents_lets_others_have_their_turn() -> None:
    readings, turns = Readings(build_schema("type Query { a: Int }"), max_price=100), 0

    async def watch() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for number in range(50):
        await readings.read(f"query Q{number} {{ a }}")
    watching.cancel()

    assert turns >= 50
