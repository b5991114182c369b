"""A neighbour that keeps 150 requests open: what somebody of another organization feels who asks once a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from statistics import median, quantiles
from time import perf_counter

import httpx

from bench import data
from bench.harness import BenchFailed, Served, Stage, opened, read_settings, serving_ours
from bench.results import Ratio, Result
from server.auth import service as auth
from server.config import Settings
from server.tenants.scope import worker_scope
from server.tenants.uow import begin

OPEN = 150
ASKED = 30
CONVERSATIONS = 1_000
COSTLY = "{conversations(first: 100){nodes{id contact{id name} labels{id name} messages(last: 5){nodes{id text}}}}}"
SMALL = "{conversations(first: 5){nodes{id status}}}"


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when the neighbour is refused or answered with an error."""
    place = stage.database("bench_neighbours")
    with place.superuser() as connection:
        data.fill_spine(connection, 2)
        data.fill_people(connection, CONVERSATIONS, 2)
        data.fill_inbox(connection, CONVERSATIONS, 2)
        connection.execute("VACUUM ANALYZE")
    environment = place.environment(BUDGET_ORGANIZATION="1e9", BUDGET_TOKEN="1e9")
    settings = read_settings(environment)
    crowd, one = [await _token(settings, organization) for organization in (0, 1)]
    limits = httpx.Limits(max_connections=None)
    async with (
        serving_ours(environment) as api,
        httpx.AsyncClient(timeout=120, limits=limits) as http,
    ):
        alone = await _asked(http, api, one)
        said: Counter[int] = Counter()
        pressing = [asyncio.create_task(_press(http, api, crowd, said)) for _ in range(OPEN)]
        await asyncio.sleep(2)
        began = api.cpu_s()
        beside = await _asked(http, api, one)
        spent, answered = api.cpu_s() - began, sum(said.values())
        for task in pressing:
            task.cancel()
        await asyncio.gather(*pressing, return_exceptions=True)
    result = Result("A neighbour with 150 open requests", ("asked once a second", "p50 ms", "p95 ms", "errors"))
    for name, times in (("alone", alone), ("beside the neighbour", beside)):
        result.rows.append((name, f"{median(times):.1f}", f"{_p95(times):.1f}", "0"))
    result.rows.append(
        (f"the neighbour: {dict(said)}", "", "", f"{spent * 1000 / max(answered, 1):.1f} ms of CPU each")
    )
    result.ratios.append(Ratio("neighbours.p95_beside_vs_alone", _p95(beside) / _p95(alone)))
    return result


async def _token(settings: Settings, organization: int) -> str:
    owner = data.uid(data.ORGANIZATION, organization)
    async with opened(settings) as database, begin(database, worker_scope(owner)) as uow:
        member = data.uid(data.MEMBER, organization, 1)
        _, token = await auth.issue_personal_token(uow, settings.security, member_id=member, name="bench")
    return token


async def _asked(http: httpx.AsyncClient, api: Served, token: str) -> list[float]:
    """Ask the small question once a second; return the milliseconds of each answer."""
    times = []
    for _ in range(ASKED):
        began = perf_counter()
        answer = await _ask(http, api, token, SMALL)
        times.append((perf_counter() - began) * 1000)
        if answer.status_code != 200 or "errors" in answer.json():
            raise BenchFailed(f"the neighbour's trouble reached others: {answer.status_code} {answer.text[:300]}")
        await asyncio.sleep(max(0.0, 1 - times[-1] / 1000))
    return times


async def _press(http: httpx.AsyncClient, api: Served, token: str, said: Counter[int]) -> None:
    while True:
        answer = await _ask(http, api, token, COSTLY)
        said[answer.status_code] += 1
        if answer.status_code == 429:
            await asyncio.sleep(0.5)


async def _ask(http: httpx.AsyncClient, api: Served, token: str, document: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return await http.post(f"http://127.0.0.1:{api.port}/graphql", json={"query": document}, headers=headers)


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]
