"""Documents of people who want an API to work for nothing: each is answered, priced or refused, and none is our failure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy

import httpx
import pytest

from bench.hostile_documents import Hostile, every
from server.app import create_app
from server.config import DocumentMode, Environment, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Answer, Api, answer_of, serving
from tests.factories.tenants import a_person, an_agency

EXPECTED = {
    "BAD_REQUEST",
    "VALIDATION_FAILED",
    "QUERY_TOO_COMPLEX",
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "RATE_LIMITED",
    "DOCUMENT_NOT_ALLOWED",
}


@pytest.fixture(params=list(DocumentMode))
async def production(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Api]:
    """The API as production configures it: open to documents of any text, and again for known ones only."""
    configured = copy(settings)
    mode = {"environment": Environment.PRODUCTION, "documents": request.param}
    configured.web = settings.web.model_copy(update=mode)
    async with serving(create_app(configured)) as url, httpx.AsyncClient(timeout=60) as http:
        yield Api(url, http)


@pytest.fixture
async def token(database: Database, settings: Settings) -> str:
    """The token of somebody who may do everything."""
    agency = await an_agency(database)
    return (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token


async def faults(api: Api, token: str | None) -> list[str]:
    """Send all of them and return those that were not answered as promised."""
    found = []
    headers = {"accept": "application/graphql-response+json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    for one in every():
        heard = await api.http.post(f"{api.url}/graphql", json=one.body, headers=headers)
        answer = answer_of(heard)
        if heard.status_code >= 500 or set(answer.codes) - EXPECTED or ("data" not in answer.body and not answer.codes):
            found.append(f"{one.name}: {heard.status_code} {heard.text[:200]}")
    return found


async def test_every_hostile_document_of_somebody_is_answered_or_refused(production: Api, token: str) -> None:
    assert await faults(production, token) == []


async def test_every_hostile_document_of_nobody_is_answered_or_refused(production: Api) -> None:
    assert await faults(production, None) == []


only_open = pytest.mark.parametrize("production", [DocumentMode.OPEN], indirect=True)


@only_open
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("S1: versions of templates, 2 levels", "QUERY_TOO_COMPLEX"),
        ("S1: versions of templates, 4 levels", "QUERY_TOO_COMPLEX"),
        ("S2: an object 480 times", "QUERY_TOO_COMPLEX"),
        ("S2: 60 fragments of one shape", "QUERY_TOO_COMPLEX"),
        ("S9: an integer of 5,000 digits", "BAD_REQUEST"),
        ("S9: an operation that is not there", "BAD_REQUEST"),
        ("S9: an operation without a name's length", "BAD_REQUEST"),
        ("S9: two operations, none named", "BAD_REQUEST"),
        ("S9: a subscription by POST", "BAD_REQUEST"),
        ("only a fragment", "BAD_REQUEST"),
    ],
)
async def test_what_broke_the_api_once_is_refused_with_a_reason(
    production: Api, token: str, name: str, code: str
) -> None:
    wanted = next(one for one in every() if one.name == name)

    answer = await sent(production, wanted, token)

    assert (answer.status, answer.codes) == (400, [code])
    assert answer.body["errors"][0]["message"]


@only_open
async def test_nobody_makes_the_api_compare_fields_without_signing_in(production: Api) -> None:
    wanted = next(one for one in every() if one.name == "S2: a payload's list 440 times")

    answer = await sent(production, wanted, None)

    assert (answer.status, answer.codes) == (400, ["QUERY_TOO_COMPLEX"])


async def sent(api: Api, wanted: Hostile, token: str | None) -> Answer:
    """Send one of them."""
    headers = {"accept": "application/graphql-response+json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return answer_of(await api.http.post(f"{api.url}/graphql", json=wanted.body, headers=headers))
