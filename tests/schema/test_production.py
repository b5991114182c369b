"""What production does not show: the schema, GraphiQL, or anything to somebody without a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy

import httpx
import pytest

from server.app import create_app
from server.config import DocumentMode, Environment, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.tenants import a_person, an_agency


@pytest.fixture
async def production(settings: Settings) -> AsyncIterator[Api]:
    """The API as production configures it."""
    configured = copy(settings)
    configured.web = settings.web.model_copy(
        update={"environment": Environment.PRODUCTION, "documents": DocumentMode.OPEN}
    )
    async with serving(create_app(configured)) as url, httpx.AsyncClient(timeout=30) as http:
        yield Api(url, http)


async def test_introspection_is_refused_and_the_rest_works(
    production: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    token = (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token

    shape = await production.ask("{ __schema { types { name } } }", token=token)
    typo = await production.ask("{ viewr { name } }", token=token)
    viewer = await production.ask("{ viewer { name __typename } }", token=token)

    assert (shape.status, set(shape.codes)) == (400, {"VALIDATION_FAILED"})
    assert "Did you mean" not in typo.body["errors"][0]["message"]
    assert viewer.data["viewer"] == {"name": "Ada", "__typename": "Viewer"}


async def test_there_is_no_graphiql_and_nothing_without_a_token(production: Api) -> None:
    page = await production.http.get(f"{production.url}/graphql", headers={"accept": "text/html"})
    nobody = await production.ask("{ __typename }", token=None)

    assert page.status_code == 405
    assert (nobody.status, nobody.codes) == (401, ["UNAUTHENTICATED"])


SIGN_IN = 'sessionCreate(input: {email: "nobody@example.test", password: "x"}) { token userErrors { code } }'


async def test_somebody_without_a_token_may_sign_in_and_ask_for_a_link(production: Api) -> None:
    refused = await production.ask(f"mutation {{ {SIGN_IN} }}", token=None)
    in_a_fragment = await production.ask(
        f"mutation {{ ...F }} fragment F on Mutation {{ ... on Mutation {{ {SIGN_IN} }} }}", token=None
    )

    assert refused.data["sessionCreate"] == {"token": None, "userErrors": [{"code": "SIGN_IN_REFUSED"}]}
    assert in_a_fragment.data == refused.data


@pytest.mark.parametrize(
    "document",
    [
        "{ viewer { name } }",
        "{ __schema { types { name } } }",
        '{ __type(name: "Unit") { name } }',
        f"mutation {{ {SIGN_IN} __typename }}",
        f"mutation {{ {SIGN_IN} sessionEnd(input: {{}}) {{ endedCount }} }}",
        f'mutation {{ {SIGN_IN} ...F }} fragment F on Mutation {{ tokenRevoke(input: {{tokenId: "x"}}) {{ token {{ id }} }} }}',
        f"mutation A {{ {SIGN_IN} }} query B {{ viewer {{ name }} }}",
        "mutation { sessionCreate: sessionEnd(input: {}) { endedCount } }",
        "mutation { ...F } fragment F on Mutation { ...F }",
        "mutation {",
        "{" * 500,
        "#" * 20_000,
    ],
)
async def test_nothing_else_is_asked_without_a_token(production: Api, document: str) -> None:
    answer = await production.ask(document, token=None)

    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    assert "data" not in answer.body


async def test_a_wrong_token_is_refused_also_for_what_needs_none(production: Api) -> None:
    answer = await production.ask(f"mutation {{ {SIGN_IN} }}", token="swb_pat_wrong")

    assert answer.codes == ["UNAUTHENTICATED"]
