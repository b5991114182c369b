"""From a bearer token to a scope, for a person with 300 grants on locations and for one with a single grant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import perf_counter

from bench import data, franchise
from bench.harness import BenchFailed, Place, Stage, in_turn, opened, read_settings, statements
from bench.results import Ratio, Result
from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.tenants.scope import worker_scope
from server.tenants.uow import begin

ROUNDS = 7
TIMES = 40
MANY = 300
_ORGANIZATION = data.uid(data.ORGANIZATION, 0)
_GRANTS: Mapping[str, int] = {"1 grant": 1, f"{MANY} grants": MANY}


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when a scope is not what was granted."""
    place = stage.database("bench_grants")
    with place.superuser() as connection:
        franchise.fill_tree(connection)
    settings = read_settings(place.environment())
    async with opened(settings) as database:
        tokens = {name: await _token(place, database, settings, count) for name, count in _GRANTS.items()}
        with place.superuser() as connection:
            connection.execute("VACUUM ANALYZE")
        counts = {name: await _statements(database, settings, tokens[name], count) for name, count in _GRANTS.items()}
        contestants = {name: partial(_resolved, database, settings, token) for name, token in tokens.items()}
        for resolve in contestants.values():
            await resolve()
        seconds = await in_turn(contestants, ROUNDS)
    result = Result(
        f"grants: the scope of a person among {franchise.LOCATIONS:,} locations",
        ("contestant", "ms", "statements besides the context"),
    )
    for name in _GRANTS:
        result.rows.append((name, f"{seconds[name] * 1000:.2f}", str(counts[name])))
    one, many = _GRANTS
    result.ratios += [
        Ratio("grants.statements_of_300", counts[many], most=1),
        Ratio("grants.time_300_vs_1", seconds[many] / seconds[one]),
    ]
    return result


async def _token(place: Place, database: Database, settings: Settings, count: int) -> str:
    units = [franchise.location_of_rank(n * franchise.LOCATIONS // count) for n in range(count)]
    with place.superuser() as connection:
        member_id = franchise.grant(connection, count, units)
    async with begin(database, worker_scope(_ORGANIZATION)) as uow:
        _, token = await auth.issue_personal_token(uow, settings.security, member_id=member_id, name="bench")
    return token


async def _statements(database: Database, settings: Settings, token: str, count: int) -> int:
    await auth.authenticate(database, settings.security, token)  # the first use of a while is noted in a statement more
    with statements() as seen:
        scope = await auth.authenticate(database, settings.security, token)
    if scope is None or scope.all_units or len(scope.unit_ids) != count:
        raise BenchFailed(f"the scope of {count} grants is not what was granted")
    return sum("set_config" not in one for one in seen)


async def _resolved(database: Database, settings: Settings, token: str) -> float:
    started = perf_counter()
    for _ in range(TIMES):
        await auth.authenticate(database, settings.security, token)
    return (perf_counter() - started) / TIMES
