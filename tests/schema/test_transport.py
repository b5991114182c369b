"""GraphQL over HTTP as a stranger uses it: tokens, forms of requests, limits, and what errors look like."""

from __future__ import annotations

import pytest
from graphql import build_client_schema, get_introspection_query

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import MODERN, Api
from tests.factories.tenants import a_person, an_agency

VIEWER = "{ viewer { name organization { name } reaches { unitId permissions } } }"


@pytest.fixture
async def token(database: Database, settings: Settings) -> str:
    """A token of an owner of a fresh agency."""
    agency = await an_agency(database, name="Acme")
    return (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token


async def test_the_viewer_names_the_person_the_organization_and_the_permissions(api: Api, token: str) -> None:
    answer = await api.ask(VIEWER, token=token)

    assert answer.status == 200
    assert answer.data["viewer"]["organization"] == {"name": "Acme"}
    assert "ORGANIZATION_MANAGE" in answer.data["viewer"]["reaches"][0]["permissions"]


async def test_no_token_and_a_wrong_token_are_refused_in_the_same_words(api: Api, token: str) -> None:
    missing = await api.ask(VIEWER, token=None)
    wrong = await api.ask(VIEWER, token=token[:-4] + "AAAA")

    assert (missing.status, missing.codes) == (401, ["UNAUTHENTICATED"])
    assert (wrong.status, wrong.codes) == (401, ["UNAUTHENTICATED"])
    assert missing.body["errors"][0]["message"] == wrong.body["errors"][0]["message"]


async def test_an_id_that_never_existed_and_a_foreign_one_are_both_null(
    api: Api, token: str, database: Database
) -> None:
    other = await an_agency(database)
    ids = [encode("unit", other.root_id), encode("unit", new_id()), "unit_nonsense", "", "💥"]

    answer = await api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, token=token)

    assert answer.data == {"nodes": [None] * 5}


BODIES = {
    "not json": b"{",
    "not utf-8": b'{"query": "\xff"}',
    "deep": b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nan": b'{"query": "{viewer{name}}", "variables": {"a": NaN}}',
    "a list": b'[{"query": "{viewer{name}}"}]',
    "no query": b"{}",
    "a number as query": b'{"query": 1}',
    "variables as list": b'{"query": "{viewer{name}}", "variables": []}',
    "huge number": b'{"query": "{viewer{name}}", "variables": {"a": ' + b"9" * 100_000 + b"}}",
    "lone surrogate": b'{"query": "\\ud800"}',
}


@pytest.mark.parametrize("_case", BODIES)
async def test_a_body_that_is_no_graphql_request_is_refused_with_a_typed_error(
    api: Api, token: str, _case: str
) -> None:
    response = await api.http.post(
        f"{api.url}/graphql",
        content=BODIES[_case],
        headers={"content-type": "application/json", "accept": MODERN, "authorization": f"Bearer {token}"},
    )

    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["extensions"]["code"] in {"BAD_REQUEST", "VALIDATION_FAILED"}


async def test_an_oversized_body_is_refused_while_it_streams(api: Api, token: str, settings: Settings) -> None:
    async def drip() -> object:
        for _ in range(15):
            yield b" " * (settings.web.max_graphql_bytes // 10)

    response = await api.http.post(
        f"{api.url}/graphql",
        content=drip(),
        headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
    )

    assert response.status_code == 413
    assert "errors" in response.json()


def fan_out(size: int) -> str:
    """A query of fragments that each spread the next one twice: exponential for who walks without memory."""
    parts = [f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(size)]
    return "query { ...f0 } " + " ".join(parts) + f" fragment f{size} on Query {{ viewer {{ name }} }}"


DOCUMENTS = {
    "deep": "{" + "viewer{organization{" * 20 + "name" + "}}" * 20 + "}",
    "aliases": "{" + " ".join(f"a{n}: viewer {{ name }}" for n in range(200)) + "}",
    "directives": "{ viewer " + "@include(if: true) " * 200 + "{ name } }",
    "tokens": "{ viewer { " + "name " * 5000 + "} }",
    "circular": "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "fan out": fan_out(22),
    "wide fan out": fan_out(200),
    "very deep": "{a" * 900 + "}" * 900,
}


@pytest.mark.parametrize("_case", DOCUMENTS)
async def test_a_hostile_document_is_answered_at_once(api: Api, token: str, _case: str) -> None:
    answer = await api.ask(DOCUMENTS[_case], token=token)

    assert answer.status in {200, 400}
    assert set(answer.codes) <= {"QUERY_TOO_COMPLEX", "VALIDATION_FAILED"}
    assert answer.codes or _case == "fan out"


async def test_a_mutation_refusal_is_data_and_names_the_input(api: Api, token: str) -> None:
    mutation = """mutation($input: UnitCreateInput!) { unitCreate(input: $input) {
      unit { id } userErrors { __typename code message path } } }"""

    answer = await api.ask(
        mutation, {"input": {"parentId": "unit_00000000000000000000000000", "kind": "CLIENT", "name": ""}}, token=token
    )

    assert answer.data["unitCreate"]["unit"] is None
    assert answer.data["unitCreate"]["userErrors"][0]["code"] == "NOT_FOUND"


async def test_a_permission_that_is_held_nowhere_is_refused_before_anything_is_read(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    analyst = await a_person(database, settings, agency, agency.root_id, Role.ANALYST)
    mutation = 'mutation { unitCreate(input: {parentId: "x", kind: CLIENT, name: "n"}) { userErrors { code } } }'

    answer = await api.ask(mutation, token=analyst.token)

    assert answer.data["unitCreate"]["userErrors"] == [{"code": "PERMISSION_DENIED"}]


async def test_a_cursor_of_another_list_is_refused(api: Api, token: str) -> None:
    answer = await api.ask('{ units(after: "bm9uc2Vuc2U") { nodes { id } } }', token=token)

    assert answer.codes == ["BAD_REQUEST"]
    assert answer.body["errors"][0]["extensions"]["reason"] == "INVALID_CURSOR"


async def test_pages_follow_each_other_without_gap_or_double(api: Api, database: Database, settings: Settings) -> None:
    agency = await an_agency(database, clients=7)
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    query = (
        "query($after: String) { units(first: 3, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }"
    )

    names, after, more = [], None, True
    while more:
        units = (await api.ask(query, {"after": after}, token=person.token)).data["units"]
        names += [unit["name"] for unit in units["nodes"]]
        after, more = units["pageInfo"]["endCursor"], units["pageInfo"]["hasNextPage"]

    assert names == ["Agency", *(f"client {n}" for n in range(1, 8))]


async def test_the_standard_introspection_query_of_tools_is_answered_in_development(api: Api, token: str) -> None:
    answer = await api.ask(get_introspection_query(), token=token)

    assert build_client_schema(answer.data).query_type is not None
