"""The inbox page of 50 through the whole stack, against floor A and against graphql-core alone (performance.md 1)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import orjson

from bench import data, floors
from bench.harness import (
    ROOT,
    BenchFailed,
    Load,
    Place,
    Served,
    Stage,
    ask,
    in_turn,
    load,
    opened,
    post,
    read_settings,
    serving,
    serving_ours,
    statements,
)
from bench.results import Ratio, Result
from server.app import create_app
from server.auth import service as auth
from server.config import Settings
from server.documents.rules import digest_of, document_id
from server.tenants.scope import worker_scope
from server.tenants.uow import begin

CONVERSATIONS = 1_000
"""Per organization: 20 organizations make 20,000 conversations and 100,000 messages."""
ROUNDS = 4
SECONDS = 1.3
CONNECTIONS = (1, 16)
_CONTRACT = ROOT / "frontend-contract"
_DOCUMENT = _CONTRACT / "operations" / "inbox.graphql"
_STACK, _FLOOR, _CORE = "whole stack", "floor A", "graphql-core alone"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Where to ask for the page, and how."""

    server: Served
    request: bytes

    def ask(self) -> bytes:
        """Return the request."""
        return self.request


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when the contestants answer differently or the number of statements grows."""
    place = stage.database("bench_inbox")
    with place.superuser() as connection:
        data.fill_spine(connection)
        data.fill_people(connection, CONVERSATIONS)
        data.fill_inbox(connection, CONVERSATIONS)
        connection.execute("VACUUM ANALYZE")
    environment = place.environment()
    settings = read_settings(environment)
    token = await _token(settings)
    counted = await _statements(settings, token)
    async with AsyncExitStack() as stack:
        contestants = await _contestants(stack, stage, place, environment, token)
        result = await _measured(contestants)
    for sight, (few, many) in counted.items():
        result.rows.append((f"SQL statements for 5 and for 50 rows, {sight}", str(few), str(many), "", "", ""))
        result.ratios.append(Ratio(f"inbox.statements_50_rows_vs_5_{sight.replace(' ', '_')}", many / few, most=1))
    if any(few != many for few, many in counted.values()):
        result.show()
        raise BenchFailed(f"the number of statements grows with the rows: {counted}")
    return result


async def _token(settings: Settings) -> str:
    organization = data.uid(data.ORGANIZATION, 0)
    async with opened(settings) as database, begin(database, worker_scope(organization)) as uow:
        member = data.uid(data.MEMBER, 0, 1)
        _, token = await auth.issue_personal_token(uow, settings.security, member_id=member, name="bench")
    return token


def _body(first: int) -> bytes:
    text = _DOCUMENT.read_text()
    trusted = orjson.loads((_CONTRACT / "persisted-documents.json").read_bytes())
    by_id = document_id(digest_of(text))
    named = {"documentId": by_id} if by_id in trusted else {"query": text}
    return orjson.dumps({**named, "variables": {"first": first}})


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}


async def _statements(settings: Settings, token: str) -> dict[str, tuple[int, int]]:
    """Count what the process executes for 5 and for 50 rows, authentication included.

    The owner reads by a right from above, so the first sight of a conversation within the hour also writes the trail:
    it is counted apart from reading what was traced already, which is what the rounds below measure.
    """
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as http,
    ):
        page = partial(_count, http, token)
        await page(1)  # opens connections
        first_sight = await page(5), await page(50)
        again = await page(5), await page(50)
    return {"first sight": first_sight, "again": again}


async def _count(http: httpx.AsyncClient, token: str, first: int) -> int:
    headers = {**_headers(token), "content-type": "application/json"}
    with statements() as seen:
        answer = await http.post("/graphql", content=_body(first), headers=headers)
    if answer.status_code != 200 or len(answer.json()["data"]["conversations"]["nodes"]) != first:
        raise BenchFailed(f"the page of {first} is not what was asked for: {answer.text[:300]}")
    return len(seen)


async def _contestants(
    stack: AsyncExitStack, stage: Stage, place: Place, environment: Mapping[str, str], token: str
) -> dict[str, Contestant]:
    api = await stack.enter_async_context(serving_ours(environment))
    request = post("/graphql", _body(50), _headers(token))
    answer = await ask(api.port, request)
    answered = stage.home / "inbox.json"
    answered.write_bytes(answer)
    told = {
        **environment,
        "BENCH_DSN": place.app_dsn,
        "BENCH_ORGANIZATION": str(data.uid(data.ORGANIZATION, 0)),
        "BENCH_SDL": str(_CONTRACT / "schema.graphql"),
        "BENCH_DOCUMENT": str(_DOCUMENT),
        "BENCH_ANSWER": str(answered),
    }
    plain = post(floors.PATH, _body(50), {})
    contestants = {_STACK: Contestant(api, request)}
    for name, target in ((_FLOOR, "bench.floors:floor_a"), (_CORE, "bench.floors:graphql_core")):
        served = await stack.enter_async_context(serving(target, told))
        contestants[name] = Contestant(served, plain)
        if _shown(await ask(served.port, plain)) != _shown(answer):
            raise BenchFailed(f"{name} does not answer what the whole stack answers")
    return contestants


def _shown(answer: bytes) -> list[Any]:
    nodes: list[Any] = orjson.loads(answer)["data"]["conversations"]["nodes"]
    for node in nodes:
        # PostgreSQL's and Python's way to write one moment need not be the same text.
        node.pop("lastMessageAt")
        node["lastMessage"].pop("occurredAt")
    return nodes


async def _measured(contestants: Mapping[str, Contestant]) -> Result:
    loads: dict[tuple[str, int], list[Load]] = {}
    cpu_ms: dict[str, list[float]] = {}

    async def one(name: str, connections: int) -> float:
        contestant = contestants[name]
        before_s = contestant.server.cpu_s()
        found = await load(contestant.server.port, contestant.ask, connections, SECONDS)
        loads.setdefault((name, connections), []).append(found)
        used_ms = (contestant.server.cpu_s() - before_s) * 1000
        cpu_ms.setdefault(name, []).append(used_ms / len(found.latencies_s))
        return found.per_s

    for contestant in contestants.values():
        await load(contestant.server.port, contestant.ask, CONNECTIONS[-1], 0.5)
    per_s = {
        connections: await in_turn({name: partial(one, name, connections) for name in contestants}, ROUNDS)
        for connections in CONNECTIONS
    }
    p50 = {key: statistics.median(found.p50_ms for found in seen) for key, seen in loads.items()}
    return _result(per_s, p50, {name: statistics.median(seen) for name, seen in cpu_ms.items()})


def _result(
    per_s: Mapping[int, Mapping[str, float]], p50: Mapping[tuple[str, int], float], cpu_ms: Mapping[str, float]
) -> Result:
    result = Result(
        "inbox: page of 50 with contact, page, assignee, labels, last message (1 worker)",
        ("contestant", "req/s c=1", "p50 ms c=1", "req/s c=16", "p50 ms c=16", "app CPU ms"),
    )
    for name in per_s[1]:
        speeds = (f"{per_s[1][name]:.0f}", f"{p50[name, 1]:.1f}", f"{per_s[16][name]:.0f}", f"{p50[name, 16]:.1f}")
        result.rows.append((name, *speeds, f"{cpu_ms[name]:.1f}"))
    result.ratios += [
        Ratio("inbox.p50_c1_vs_floor_a", p50[_STACK, 1] / p50[_FLOOR, 1], most=1.3),
        # 1.2 times Mercurius and 2.5 times PostGraphile, in floor A's terms: 1.2 * 967 / 1250 by the table of section 1.
        Ratio("inbox.per_s_c16_vs_floor_a", per_s[16][_STACK] / per_s[16][_FLOOR], least=0.93),
        Ratio("inbox.per_s_c1_vs_graphql_core", per_s[1][_STACK] / per_s[1][_CORE], least=0.8),
        Ratio("inbox.per_s_c16_vs_graphql_core", per_s[16][_STACK] / per_s[16][_CORE], least=0.8),
    ]
    if min(cpu_ms.values()) > 0:
        result.ratios.append(Ratio("inbox.app_cpu_vs_graphql_core", cpu_ms[_STACK] / cpu_ms[_CORE]))
    return result
