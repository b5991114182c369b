"""What hangs on the objects of a list is read for all of them at once, and so are objects that are named by their ids."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from server.app import create_app
from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.kit.pagination import PageArguments
from server.platforms.port import MessageReceived
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Answer, Api, serving
from tests.factories.inbox import a_conversation, a_page, at
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import kinds, statements
from tests.schema.hanging import OUT_OF_LISTS, Hanging, hanging, schema, ways
from tests.schema.places import Busy
from tests.tenancy.shapes import Shapes

FEW = (2, 3, 5)
MANY = 100
CLIENTS = 8
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
ALONE = "Organization"
"""The token names it; its id is no node."""
KINDS = sorted(one.name for one in Shapes(schema()).node_types() if one.name != ALONE)
INBOX = """query($first: Int!) { conversations(first: $first) {
  nodes { id messages(last: 5) { nodes { text } } notes(last: 5) { nodes { text } } } } }"""
"""Case 21 of the users' cases."""


@pytest.fixture(scope="module")
async def generous(settings: Settings) -> AsyncIterator[Api]:
    """The API where an operation may cost anything: a hundred objects with all that hangs on them would be refused."""
    made = copy.copy(settings)
    made.operations = settings.operations.model_copy(update={"max_price": 10**9})
    async with serving(create_app(made)) as url, httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Api(url, http)


@pytest.mark.parametrize("one", hanging(), ids=str)
async def test_what_hangs_on_objects_costs_no_more_statements_for_many_objects_than_for_few(
    generous: Api, busy: Busy, one: Hanging
) -> None:
    with statements() as once:
        many = await busy.ask(generous, one, MANY)
    with statements() as again:
        await busy.ask(generous, one, MANY)
    of_many = kinds(once) & kinds(again)  # what the process does for itself now and then is not counted

    for size in FEW:
        with statements() as of_few:
            few = await busy.ask(generous, one, size)
        if of_many.keys() <= kinds(of_few).keys():
            break  # smaller pages happened to hold nothing of a kind that a loader is asked for

    assert many.count("here") > few.count("here") > 0, "the agency has too few of these to say anything"
    assert of_many - kinds(of_few) == Counter(), "these are asked more often for more objects"


# --------------------------------------------------------------------------- case 21


async def _an_inbox(database: Database, agency: AnOrganization, clerk: APerson, rows: int) -> None:
    page = await a_page(database, agency, agency.units["client 1"])
    async with begin(database, agency.scope) as uow:
        for number in range(rows):
            person = await contacts.identify(uow, page, f"{number}-{new_id().hex}")
            for place in range(number % 8 + 1):
                said = MessageReceived("person", f"m_{new_id().hex}", f"{number} {place}", (), at(number + place / 60))
                await inbox.receive_message(uow, page, person, said)
    async with begin(database, clerk.scope) as uow:
        for talk in (await inbox.list_conversations(uow, PageArguments(first=rows))).items:
            await inbox.add_note(uow, talk.id, f"note of {talk.last_message_at}")


def _shown(answer: Answer) -> list[tuple[list[str], list[str]]]:
    return [
        ([one["text"] for one in node["messages"]["nodes"]], [one["text"] for one in node["notes"]["nodes"]])
        for node in answer.data["conversations"]["nodes"]
    ]


async def test_messages_and_notes_of_a_hundred_conversations_take_the_statements_of_two_for_eight_clients_at_once(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database, clients=1)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    await _an_inbox(database, agency, clerk, 100)

    with statements() as of_two:
        two = await api.ask(INBOX, {"first": 2}, token=clerk.token)
    with statements() as of_hundred:
        hundred = await api.ask(INBOX, {"first": 100}, token=clerk.token)
    answers = await asyncio.gather(*(api.ask(INBOX, {"first": 100}, token=clerk.token) for _ in range(CLIENTS)))

    newest_first = [
        ([f"{number} {place}" for place in range(number % 8 + 1)][-5:], [f"note of {at(number + number % 8 / 60)}"])
        for number in reversed(range(100))
    ]
    assert _shown(hundred) == newest_first
    assert _shown(two) == newest_first[:2]
    assert kinds(of_hundred) == kinds(of_two)
    assert [_shown(one) for one in answers] == [newest_first] * CLIENTS


async def test_a_wrong_page_of_one_conversation_fails_this_field_and_no_other(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database, clients=1)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    one, two = [await a_conversation(database, agency, page, "Hello", start=at(number)) for number in (1, 2)]
    ids = {"one": encode("cnv", one.id), "two": encode("cnv", two.id)}
    first = await api.ask(
        "query($one: ID!) { conversation(id: $one) { messages { pageInfo { endCursor } } } }", ids, token=clerk.token
    )
    cursor = first.data["conversation"]["messages"]["pageInfo"]["endCursor"]

    answer = await api.ask(
        """query($one: ID!, $two: ID!, $cursor: String) {
          fits: conversation(id: $one) { messages(last: 5, before: $cursor) { nodes { text } } }
          fitsNot: conversation(id: $two) { messages(last: 5, before: $cursor) { nodes { text } } }
          tooMany: conversation(id: $two) { messages(last: 500) { nodes { text } } }
          fine: conversation(id: $two) { messages(last: 5) { nodes { text } } } }""",
        {**ids, "cursor": cursor},
        token=clerk.token,
    )

    data = answer.body["data"]
    assert data["fits"] == {"messages": {"nodes": []}}
    assert data["fine"] == {"messages": {"nodes": [{"text": "Hello"}]}}
    assert (data["fitsNot"], data["tooMany"]) == (None, None)
    assert sorted(error["path"] for error in answer.body["errors"]) == [
        ["fitsNot", "messages"],
        ["tooMany", "messages"],
    ]


# --------------------------------------------------------------------------- what has no list of its own


def test_every_kind_of_object_is_reached_by_the_walk_or_said_to_be_out_of_lists() -> None:
    reached = ways().keys()

    assert {one.name for one in Shapes(schema()).node_types()} - reached == OUT_OF_LISTS.keys()


# --------------------------------------------------------------------------- many ids at once


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hundred_ids_of_a_kind_cost_as_many_statements_as_two(api: Api, busy: Busy, kind: str) -> None:
    known = (await busy.ids_of(api, kind))[:50]
    prefix = known[0].partition("_")[0]
    strangers = [encode(prefix, new_id()) for _ in range(100 - len(known))]

    with statements() as of_two:
        two = await api.ask(NODES, {"ids": known[:2]}, token=busy.owner.token)
    with statements() as of_hundred:
        hundred = await api.ask(NODES, {"ids": known + strangers}, token=busy.owner.token)

    assert [one["id"] for one in two.data["nodes"]] == known[:2]
    assert len(known) > 1
    assert [one and one["id"] for one in hundred.data["nodes"]] == known + [None] * len(strangers)
    assert kinds(of_hundred) == kinds(of_two)


async def test_ids_of_all_kinds_together_cost_the_same_for_one_of_each_as_for_two(api: Api, busy: Busy) -> None:
    pairs = [(await busy.ids_of(api, kind))[:2] for kind in KINDS]

    with statements() as of_one:
        one = await api.ask(NODES, {"ids": [first for first, _ in pairs]}, token=busy.owner.token)
    with statements() as of_two:
        two = await api.ask(NODES, {"ids": [each for pair in pairs for each in pair]}, token=busy.owner.token)

    assert sorted(each["__typename"] for each in one.data["nodes"]) == KINDS
    assert sorted(each["__typename"] for each in two.data["nodes"]) == sorted(KINDS * 2)
    # Messages and notes leave their traces when their rows are there: together or one after the other, as it happens.
    of_one, of_two = [[text for text in some if "read_trace" not in text] for some in (of_one, of_two)]
    assert kinds(of_two) == kinds(of_one)
