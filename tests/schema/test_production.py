"""What production does not show: the schema, GraphiQL, or anything to somebody without a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy

import httpx
import pytest

from server.app import create_app
from server.config import Environment, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.tenants import a_person, an_agency


@pytest.fixture
async def production(settings: Settings) -> AsyncIterator[Api]:
    """The API as production configures it."""
    configured = copy(settings)
    configured.web = settings.web.model_copy(update={"environment": Environment.PRODUCTION})
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
