"""What graphql-cop (by dolevf) looks for, check by check as it asks, and it finds nothing in production.

Its list: field suggestions, introspection, IDE detection, GET queries, alias overloading, array batching, field duplication,
trace mode, directive overloading, circular introspection, GET mutations, POST without JSON, unhandled errors, and the circular
fragments that lie beside them. Each is asked as somebody without a token, as graphql-cop is by default, and with a token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from server.app import create_app
from server.config import DocumentMode, Environment, Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import serving
from tests.factories.tenants import a_person, an_agency

IDE_PATHS = ("/graphiql", "/playground", "/console", "/graphql")
IDE_WORDS = ("graphiql.min.css", "GraphQL Playground", "GraphiQL", "graphql-playground")
SHAPE = "query { __schema { types { name fields { name } } } }"
TYPO = "query { __schema { directive } }"


@dataclass(frozen=True, slots=True)
class Cop:
    """Somebody who asks one server as graphql-cop does: JSON over POST unless a check says otherwise, any media type welcome."""

    url: str
    http: httpx.AsyncClient
    headers: dict[str, str]

    @property
    def endpoint(self) -> str:
        """Return where GraphQL is asked."""
        return f"{self.url}/graphql"

    async def post(self, body: object) -> Any:
        """Send JSON and return the answer's."""
        return (await self.http.post(self.endpoint, json=body, headers=self.headers)).json()

    async def ask(self, query: str) -> dict[str, Any]:
        """Ask a document; also a refusal must be an object that says why."""
        answer = await self.post({"query": query})
        assert isinstance(answer, dict)
        return answer

    async def get(self, path: str, **params: str) -> httpx.Response:
        """Ask by GET."""
        return await self.http.get(f"{self.url}{path}", params=params, headers=self.headers)


@asynccontextmanager
async def profile(settings: Settings, environment: Environment, headers: dict[str, str]) -> AsyncIterator[Cop]:
    """A server of this profile, and somebody who asks it."""
    configured = copy(settings)
    configured.web = settings.web.model_copy(update={"environment": environment, "documents": DocumentMode.OPEN})
    async with (
        serving(create_app(configured)) as url,
        httpx.AsyncClient(timeout=30, follow_redirects=True) as http,
    ):
        yield Cop(url, http, headers)


@pytest.fixture
async def bearer(database: Database, settings: Settings) -> dict[str, str]:
    """The header of an owner."""
    agency = await an_agency(database)
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    return {"authorization": f"Bearer {person.token}"}


@pytest.fixture(params=["anonymous", "with_token"])
async def cop(request: pytest.FixtureRequest, settings: Settings, bearer: dict[str, str]) -> AsyncIterator[Cop]:
    """Somebody who asks production, once without a token and once with one."""
    async with profile(settings, Environment.PRODUCTION, bearer if request.param == "with_token" else {}) as found:
        answer = await found.ask("query { __typename }")
        assert ("data" in answer) is (request.param == "with_token"), answer
        yield found


def has_typename(answer: object) -> bool:
    """Say whether an answer is one to `__typename`, which is how graphql-cop knows that a document was run."""
    data = answer.get("data") if isinstance(answer, dict) else None
    return isinstance(data, dict) and bool(data.get("__typename"))


def json_of(answer: httpx.Response) -> object:
    """Return the answer's JSON; None for one that is none."""
    return answer.json() if "json" in answer.headers.get("content-type", "") else None


async def suggests(cop: Cop) -> bool:
    """Say whether a misspelt field is answered with its right name."""
    return any("Did you mean" in error["message"] for error in (await cop.ask(TYPO)).get("errors", []))


async def introspects(cop: Cop) -> bool:
    """Say whether the schema is told."""
    return bool(((await cop.ask(SHAPE)).get("data") or {}).get("__schema"))


async def shows_an_ide(cop: Cop) -> bool:
    """Say whether one of the usual paths shows an IDE, to a program or to a browser."""
    answers = [await cop.get(path) for path in IDE_PATHS]
    browser = Cop(cop.url, cop.http, {**cop.headers, "accept": "text/html"})
    answers += [await browser.get(path) for path in IDE_PATHS]
    return any(word in answer.text for answer in answers for word in IDE_WORDS)


async def test_field_suggestions(cop: Cop) -> None:
    assert not await suggests(cop)


async def test_introspection(cop: Cop) -> None:
    assert not await introspects(cop)


async def test_ide_detection(cop: Cop) -> None:
    assert not await shows_an_ide(cop)


async def test_get_based_queries(cop: Cop) -> None:
    assert not has_typename(json_of(await cop.get("/graphql", query="{__typename}")))


async def test_get_based_mutations(cop: Cop) -> None:
    assert not has_typename(json_of(await cop.get("/graphql", query="mutation {__typename}")))


async def test_post_based_queries_that_are_not_json(cop: Cop) -> None:
    query = {"query": "query {__typename}"}
    in_the_address = await cop.http.post(cop.endpoint, params=query, headers=cop.headers)
    as_a_form = await cop.http.post(cop.endpoint, data=query, headers=cop.headers)

    assert not has_typename(json_of(in_the_address))
    assert not has_typename(json_of(as_a_form))
    assert {in_the_address.status_code, as_a_form.status_code} <= {400, 401, 415}


async def test_alias_overloading(cop: Cop) -> None:
    aliases = " ".join(f"alias{number}: __typename" for number in range(101))

    answer = await cop.ask(f"query {{ {aliases} }}")

    assert "alias100" not in (answer.get("data") or {})
    assert answer["errors"]


async def test_array_batching(cop: Cop) -> None:
    answer = await cop.post([{"query": "query { __typename }"}] * 11)

    assert not (isinstance(answer, list) and len(answer) >= 10)
    assert answer["errors"]


async def test_field_duplication(cop: Cop) -> None:
    answer = await cop.ask("query { " + "__typename \n" * 500 + "}")

    assert not has_typename(answer)
    assert answer["errors"]


async def test_trace_mode(cop: Cop) -> None:
    for answer in (await cop.ask("query { __typename }"), await cop.ask("query { nothing")):
        parts = [answer, *answer.get("errors", [])]
        assert not any({"tracing", "exception"} & (part.get("extensions") or {}).keys() for part in parts)
        assert "stacktrace" not in str(answer).lower()


async def test_directive_overloading(cop: Cop) -> None:
    answer = await cop.ask("query { __typename " + "@aa" * 10 + " }")

    # graphql-cop counts one error for each directive as proof that all of them were looked at.
    assert 0 < len(answer["errors"]) < 10


async def test_circular_introspection(cop: Cop) -> None:
    nested = "fields { type { " * 4 + "name" + " } }" * 4

    answer = await cop.ask(f"query {{ __schema {{ types {{ {nested} }} }} }}")

    assert not (answer.get("data") or {}).get("__schema")
    assert answer["errors"]


async def test_circular_fragments(cop: Cop) -> None:
    answer = await cop.ask(
        "query { __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }"
    )

    assert answer["errors"]


async def test_unhandled_errors(cop: Cop) -> None:
    answer = await cop.ask("qwerty cop { abc }")

    assert answer["errors"]
    assert all("exception" not in (error.get("extensions") or {}) for error in answer["errors"])
    assert "INTERNAL" not in str(answer)


async def test_the_same_questions_do_find_what_development_shows(settings: Settings, bearer: dict[str, str]) -> None:
    async with profile(settings, Environment.DEVELOPMENT, bearer) as cop:
        found = [await suggests(cop), await introspects(cop), await shows_an_ide(cop)]

    assert found == [True, True, True]
