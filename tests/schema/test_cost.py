"""The price of a document: declared beside each field, multiplied along nesting, and never below what it really costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLInterfaceType, GraphQLObjectType, is_list_type, is_non_null_type
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from bench.hostile_documents import TYPES
from server.config import Settings
from server.kit.db import Database
from server.schema.cost import Cost, ListSize, cost_of
from server.schema.errors import TooComplex
from server.schema.root import build
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.tenants import a_person, an_agency

SCHEMA = build(introspection=True)


def price(text: str, variables: Mapping[str, Any] | None = None) -> int:
    """Return what the one operation of a document costs."""
    prepared = SCHEMA.documents.read(text)
    return SCHEMA.documents.price(prepared, prepared.chosen(None)).points(variables or {})


def test_every_list_and_every_resolver_declares_what_it_costs() -> None:
    missing = []
    for kind in SCHEMA._schema.type_map.values():
        if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            if not isinstance(declared, StrawberryField):
                continue
            is_list = is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)
            marks = {type(one) for one in declared.directives}
            is_sized_by_parent = name in sized_fields(kind.name)
            resolves = declared.base_resolver is not None or bool(declared.extensions)
            if (is_list and ListSize not in marks and not is_sized_by_parent) or (
                resolves and not marks & {Cost, ListSize} and not is_sized_by_parent
            ):
                missing.append(f"{kind.name}.{name}")

    assert missing == []


def sized_fields(shown: str) -> frozenset[str]:
    """Return the fields of a type whose length every field that shows the type declares."""
    found = [
        cost_of(field).sized
        for kind in SCHEMA._schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for field in kind.fields.values()
        if str(field.type).strip("!") == shown
    ]
    return frozenset.intersection(*found) if found else frozenset()


@pytest.mark.parametrize(
    ("_case", "cheap", "dear", "times"),
    [
        ("page sizes", "{units(first: 1){nodes{id}}}", "{units(first: 100){nodes{id}}}", 3),
        ("page sizes along nesting", "{conversations(first: 10){nodes{messages(first: 10){nodes{id}}}}}",
         "{conversations(first: 100){nodes{messages(first: 100){nodes{id}}}}}", 50),
        ("the default page", "{units(first: 1){nodes{id}}}", "{units{nodes{id}}}", 1.3),
        ("nodes and edges, both", "{units(first: 100){nodes{id}}}", "{units(first: 100){nodes{id} edges{node{id}}}}", 2),
        ("aliases", "{a: units{nodes{id}}}", "{a: units{nodes{id}} b: units{nodes{id}}}", 1.7),
        ("fragments where they are spread", "{a: units{nodes{id}}}",
         "{a: units{nodes{...F}} b: units{nodes{...F}}} fragment F on Unit{id name kind}", 1.7),
        ("ids of nodes", '{nodes(ids: ["a"]){id}}', '{nodes(ids: ["a", "b", "c", "d"]){... on Unit{id name kind}}}', 1.01),
    ],
)  # fmt: skip
def test_what_grows_the_answer_grows_the_price(_case: str, cheap: str, dear: str, times: float) -> None:
    assert price(dear) >= times * price(cheap)


def test_a_page_size_in_a_variable_counts_as_what_is_sent_or_as_its_default() -> None:
    by_variable = "query A($n: Int = 50){units(first: $n){nodes{id name}}}"

    assert price(by_variable, {"n": 7}) == price("{units(first: 7){nodes{id name}}}")
    assert price(by_variable) == price("{units(first: 50){nodes{id name}}}")
    assert price(by_variable, {"n": "x"}) == price("{units{nodes{id name}}}")


def test_repeated_response_names_are_counted_each() -> None:
    assert price("{viewer{name name name}}") == price("{viewer{name}}") + 2


def test_the_length_of_an_inputs_list_multiplies_what_is_shown_of_each() -> None:
    text = """mutation A($input: ChannelConnectFinishInput!)
      {channelConnectFinish(input: $input){results{externalId page{id name}}}}"""

    few, many = (price(text, {"input": {"pages": [{}] * count}}) for count in (1, 100))

    assert many > few + 300


@pytest.mark.parametrize(
    ("_case", "text"),
    [
        ("pairs", "{viewer{" + "name " * 120 + "}}"),
        (
            "pairs on other types",
            "{...{" + " ".join(f"...on {one}{{viewer{{{'y{z} ' * 10}}}}}" for one in TYPES[:40]) + "}}",
        ),
        ("depth", "{units{nodes{" + "parent{" * 14 + "id" + "}" * 14 + "}}}"),
        ("aliases", "{" + " ".join(f"a{n}: viewer{{name}}" for n in range(31)) + "}"),
        ("root fields", "{" + "viewer{name} " * 21 + "}"),
        ("root fields inside", "{...{" + " ".join(f"a{n}: viewer{{name}}" for n in range(21)) + "}}"),
        ("directives", "{viewer{name" + " @skip(if: false)" * 51 + "}}"),
        ("operations", " ".join(f"query Q{n}{{viewer{{name}}}}" for n in range(21))),
    ],
)
def test_what_passes_a_limit_is_refused_before_it_is_validated(_case: str, text: str) -> None:
    prepared = SCHEMA.documents.read(text)
    with pytest.raises(TooComplex) as refused:
        SCHEMA.documents.price(prepared, prepared.document_operations[0])

    assert "limit" in str(refused.value)


def test_the_price_of_a_list_reckons_with_as_many_items_as_it_is_said_to_have() -> None:
    too_small = []
    for kind in SCHEMA._schema.type_map.values():
        for name, one in getattr(kind, "fields", {}).items():
            said = re.search(r"(?:at most|first) (\d{1,3})\b", one.description or "")
            if isinstance(one, GraphQLField) and said and (size := cost_of(one).size) and size < int(said[1]) <= 100:
                too_small.append(f"{kind.name}.{name}: {size} of {said[1]}")

    assert too_small == []


@pytest.fixture
async def token(database: Database, settings: Settings) -> str:
    agency = await an_agency(database)
    return (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token


async def test_an_answer_says_what_it_cost_and_what_is_left(api: Api, token: str) -> None:
    answer = await api.ask("{units(first: 10){nodes{id name}}}", token=token)

    cost = answer.cost
    assert cost is not None
    assert 0 < cost["actualQueryCost"] < cost["requestedQueryCost"]
    assert cost["throttleStatus"].keys() == {"maximumAvailable", "currentlyAvailable", "restoreRate"}


async def test_a_dry_run_tells_the_price_of_all_and_runs_nothing_else(api: Api, token: str) -> None:
    body = "rateLimit(dryRun: $dry){cost limit remaining restoreRate resetAt} conversations(first: 100){nodes{id}}"
    text = f"query A($dry: Boolean){{{body}}}"

    dry = await api.ask(text, {"dry": True}, token=token)
    wet = await api.ask(text, {"dry": False}, token=token)

    assert dry.data.keys() == {"rateLimit"}
    assert wet.data.keys() == {"rateLimit", "conversations"}
    assert dry.data["rateLimit"]["cost"] == wet.data["rateLimit"]["cost"] > 100
    assert dry.data["rateLimit"]["remaining"] <= dry.data["rateLimit"]["limit"]


@pytest.mark.parametrize(
    "text",
    [
        "query{...F} fragment F on Query{rateLimit(dryRun:true){cost} conversations{nodes{id}}}",
        "{...{rateLimit(dryRun:true){cost}} conversations{nodes{id}}}",
        "query($dry: Boolean = true){rateLimit(dryRun:$dry){cost} conversations{nodes{id}}}",
    ],
)
async def test_a_dry_run_is_one_wherever_it_is_asked_for(api: Api, token: str, text: str) -> None:
    assert (await api.ask(text, token=token)).data.keys() == {"rateLimit"}


async def test_a_price_that_nobody_may_ask_for_at_once_is_refused_and_costs_nothing(api: Api, token: str) -> None:
    dear = "{conversations(first: 100){nodes{messages(first: 100){nodes{id text author{name}}}}}}"

    refused = await api.ask(dear, token=token)

    assert (refused.status, refused.codes) == (400, ["QUERY_TOO_COMPLEX"])
    assert "limits.json" in refused.body["errors"][0]["message"]
