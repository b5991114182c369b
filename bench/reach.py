"""The inbox page of 50 for people of one franchise who reach one location, many, or all of them (performance.md 2)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import orjson

from bench import data, franchise
from bench.harness import (
    ROOT,
    BenchFailed,
    Place,
    Served,
    Stage,
    ask,
    in_turn,
    load,
    opened,
    post,
    read_settings,
    serving_ours,
)
from bench.results import Ratio, Result
from server.auth import service as auth
from server.config import Settings
from server.documents.rules import digest_of, document_id
from server.tenants.scope import worker_scope
from server.tenants.uow import begin

ROUNDS = 5
SECONDS = 0.8
PAGE = 50
GRANTS = 300
_ORGANIZATION = data.uid(data.ORGANIZATION, 0)
_CONTRACT = ROOT / "frontend-contract"
_LOCATION, _REGION, _ROOT = "one location", "region of 200 locations", "HQ of 10,000 locations"
_SPREAD, _QUIET = "300 single grants, spread", "300 single grants, the quietest"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks, and what a right answer shows."""

    request: bytes
    newest: Sequence[str]


def people() -> Mapping[str, Sequence[UUID]]:
    """Return the units that each contestant is granted."""
    last = franchise.LOCATIONS - 1
    return {
        _LOCATION: [franchise.location_of_rank(30)],
        _REGION: [franchise.region(7)],
        _ROOT: [franchise.root()],
        _SPREAD: [franchise.location_of_rank(n * last // GRANTS) for n in range(GRANTS)],
        _QUIET: [franchise.location_of_rank(last - n) for n in range(GRANTS)],
    }


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when a page is not the newest 50 of what the person reaches."""
    place = stage.database("bench_reach")
    with place.superuser() as connection:
        franchise.fill(connection)
        connection.execute("VACUUM ANALYZE")
    environment = place.environment()
    contestants = await _people(place, read_settings(environment))
    async with serving_ours(environment) as api:
        for name, person in contestants.items():
            shown = orjson.loads(await ask(api.port, person.request))["data"]["conversations"]["nodes"]
            if [node["lastMessage"]["text"] for node in shown] != person.newest:
                raise BenchFailed(f"{name} is not shown the newest {PAGE} conversations of its units")
        return await _measured(api, contestants)


async def _people(place: Place, settings: Settings) -> Mapping[str, Person]:
    found = {}
    async with opened(settings) as database:
        for number, (name, units) in enumerate(people().items()):
            with place.superuser() as connection:
                member_id = franchise.grant(connection, number, units)
                newest = franchise.newest(connection, units, PAGE)
            async with begin(database, worker_scope(_ORGANIZATION)) as uow:
                _, token = await auth.issue_personal_token(uow, settings.security, member_id=member_id, name="bench")
            found[name] = Person(_request(token), newest)
    with place.superuser() as connection:
        connection.execute("VACUUM ANALYZE membership, access_token")
    return found


def _request(token: str) -> bytes:
    text = (_CONTRACT / "operations" / "inbox.graphql").read_text()
    by_id = document_id(digest_of(text))
    trusted = orjson.loads((_CONTRACT / "persisted-documents.json").read_bytes())
    named = {"documentId": by_id} if by_id in trusted else {"query": text}
    headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
    return post("/graphql", orjson.dumps({**named, "variables": {"first": PAGE}}), headers)


async def _measured(api: Served, contestants: Mapping[str, Person]) -> Result:
    seen: dict[str, list[float]] = {name: [] for name in contestants}
    cpu_ms: dict[str, list[float]] = {name: [] for name in contestants}

    async def one(name: str) -> float:
        before_s = api.cpu_s()
        found = await load(api.port, lambda: contestants[name].request, 1, SECONDS)
        cpu_ms[name].append((api.cpu_s() - before_s) * 1000 / len(found.latencies_s))
        seen[name].extend(found.latencies_s)
        return found.p50_ms

    for name in contestants:
        await load(api.port, lambda name=name: contestants[name].request, 1, 0.3)  # type: ignore[misc]
    p50 = await in_turn({name: partial(one, name) for name in contestants}, ROUNDS)
    result = Result(
        f"reach: inbox page of {PAGE}, {franchise.CONVERSATIONS:,} conversations of {franchise.LOCATIONS:,} locations",
        ("contestant", "p50 ms c=1", "p95 ms c=1", "app CPU ms"),
    )
    for name, figure in p50.items():
        p95 = statistics.quantiles(seen[name], n=20)[-1] * 1000
        result.rows.append((name, f"{figure:.1f}", f"{p95:.1f}", f"{statistics.median(cpu_ms[name]):.1f}"))
    fastest = min(p50.values())
    result.ratios += [
        Ratio("reach.p50_slowest_vs_fastest", max(p50.values()) / fastest, most=2),
        Ratio("reach.p50_region_vs_location", p50[_REGION] / p50[_LOCATION]),
        Ratio("reach.p50_hq_vs_location", p50[_ROOT] / p50[_LOCATION]),
        Ratio("reach.p50_300_grants_vs_location", p50[_SPREAD] / p50[_LOCATION]),
        Ratio("reach.p50_300_quiet_grants_vs_location", p50[_QUIET] / p50[_LOCATION]),
    ]
    return result
