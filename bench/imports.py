"""A file of 10,000 locations imported by its job, against one INSERT … SELECT of the same units with their closure."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from datetime import timedelta
from time import perf_counter
from uuid import UUID

from sqlalchemy import select, text

from bench import data
from bench.harness import BenchFailed, Place, Stage, in_turn, opened, read_settings, statements
from bench.results import Ratio, Result
from server.kit.db import Database
from server.kit.jobs import JobRow
from server.kit.locks import WorkerLock
from server.platforms import registry
from server.tenants import service as tenants
from server.tenants.models import OperationRow
from server.tenants.scope import worker_scope
from server.tenants.service import NewFile
from server.tenants.sheets import SheetFormat
from server.tenants.uow import begin, begin_read
from workers.actors.units import ACTORS
from workers.run import Runtime, carry_out, claim

ROUNDS = 3
LOCATIONS = 10_000
REGIONS = 100
_SCOPE = worker_scope(data.uid(data.ORGANIZATION, 0))
_ROOT = data.uid(data.UNIT, 0)
_IMPORT, _AGAIN, _ONE = "import and its job", "the same file again", "one INSERT … SELECT"
_AIM_S = 20

_AT_ONCE = text("""
WITH made AS (
  INSERT INTO unit (organization_id, id, parent_id, kind, name, external_code, attributes)
  SELECT :organization, gen_random_uuid(), :root, 'LOCATION', 'bulk ' || n, 'bulk-' || n,
    jsonb_build_object('city', 'Linz', 'phone', '+43732' || n + 1000000)
  FROM generate_series(1, :count) AS n RETURNING id
)
INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
SELECT :organization, id, id, 0 FROM made UNION ALL SELECT :organization, :root, id, 1 FROM made
""")


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when a unit is missing, doubled, or changed by the same file."""
    place = stage.database("bench_import")
    with place.superuser() as connection:
        data.fill_spine(connection, 1)
    settings = read_settings(place.environment())
    lock = WorkerLock(place.server.dsn(place.name, "switchboard_system"))
    await lock.acquire()
    connectors = registry.build(settings)
    counts: list[int] = []
    async with opened(settings) as database:
        runtime = Runtime(database, connectors, settings, lock)
        file_id = await _stored(database)
        before = _peak()
        figures = await in_turn(
            {_IMPORT: lambda: _imported(runtime, place, file_id, counts), _ONE: lambda: _at_once(database, place)},
            ROUNDS,
        )
        grown = _peak() - before
        await _imported(runtime, place, file_id, counts)
        again = await _repeated(runtime, file_id)
    await connectors.aclose()
    await lock.release()
    return _shown(figures, again, counts[0], grown)


def _peak() -> float:
    """Return the most memory that this process, which is the worker here, has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _shown(figures: dict[str, float], again: float, count: int, grown: float) -> Result:
    result = Result(
        f"import: one file of {LOCATIONS:,} locations", ("contestant", "ms", "statements", "MB more at peak")
    )
    result.rows += [
        (_IMPORT, f"{figures[_IMPORT] * 1000:.0f}", str(count), f"{grown:.0f}"),
        (_AGAIN, f"{again * 1000:.0f}", "", ""),
        (_ONE, f"{figures[_ONE] * 1000:.0f}", "1", ""),
    ]
    result.ratios += [
        Ratio("import.seconds_of_20", figures[_IMPORT] / _AIM_S, most=1),
        Ratio("import.time_vs_one_insert", figures[_IMPORT] / figures[_ONE]),
        Ratio("import.statements_per_1000_lines", count / (LOCATIONS / 1_000)),
    ]
    return result


async def _stored(database: Database) -> UUID:
    async def lines() -> AsyncIterator[bytes]:
        yield b"external_code,name,kind,parent_code,city,postal_code,phone,opening_hours,attr.manager\n"
        for number in range(LOCATIONS - REGIONS):
            yield (
                f"loc-{number},Shop {number},LOCATION,reg-{number % REGIONS},Linz,4020,+43732{1_000_000 + number},"
                f'"Mon-Fri 09:00-12:00,13:00-18:00; Sat 10:00-14:00; Sun closed",Person {number}\n'
            ).encode()
        for number in range(REGIONS):
            yield f"reg-{number},Region {number},REGION,,,,,,\n".encode()

    async with begin(database, _SCOPE) as uow:
        new = NewFile(_ROOT, "shops.csv", "text/csv", timedelta(days=1))
        return (await tenants.store_file(uow, new, lines())).id


async def _imported(runtime: Runtime, place: Place, file_id: UUID, counts: list[int]) -> float:
    _emptied(place)
    before = _units(place)
    started = perf_counter()
    with statements() as seen:
        result = await _carried_out(runtime, file_id)
    seconds = perf_counter() - started
    counts.append(len(seen))
    if result != {"created": LOCATIONS, "updated": 0, "unchanged": 0} or _units(place) - before != LOCATIONS:
        raise BenchFailed(f"the import came to {result} and {_units(place) - before} units")
    return seconds


async def _repeated(runtime: Runtime, file_id: UUID) -> float:
    started = perf_counter()
    result = await _carried_out(runtime, file_id)
    if result != {"created": 0, "updated": 0, "unchanged": LOCATIONS}:
        raise BenchFailed(f"the same file came to {result}")
    return perf_counter() - started


async def _carried_out(runtime: Runtime, file_id: UUID) -> dict[str, object]:
    async with begin(runtime.database, _SCOPE) as uow:
        asked = await tenants.start_import(uow, file_id, SheetFormat.CSV, _ROOT, is_dry_run=False)
    async with begin_read(runtime.database, _SCOPE) as uow:
        job_id = (await uow.session.scalars(select(JobRow.id).where(JobRow.dedupe_key == str(asked.id)))).one()
    run = await claim(runtime, _SCOPE.organization_id, job_id)
    if run is None:
        raise BenchFailed("the job could not be claimed")
    await carry_out(run, ACTORS)
    async with begin_read(runtime.database, _SCOPE) as uow:
        row = (await uow.session.scalars(select(OperationRow).where(OperationRow.id == asked.id))).one()
    return dict(row.result)


async def _at_once(database: Database, place: Place) -> float:
    _emptied(place)
    before = _units(place)
    async with begin(database, _SCOPE) as uow:
        # The same help that the import gives itself; without it the checks of the foreign keys decide, and not the insert.
        await uow.session.execute(text("SET LOCAL enable_seqscan = off"))
        await uow.session.execute(text("DISCARD PLANS"))
        values = {"organization": _SCOPE.organization_id, "root": _ROOT, "count": LOCATIONS}
        started = perf_counter()
        await uow.session.execute(_AT_ONCE, values)
    seconds = perf_counter() - started
    if _units(place) - before != LOCATIONS:
        raise BenchFailed("the bare statement makes other units")
    return seconds


def _emptied(place: Place) -> None:
    """Take away what the last round made."""
    with place.superuser() as connection:
        connection.execute("DELETE FROM unit_closure USING unit WHERE unit.id = descendant_id AND external_code ~ '-'")
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM unit WHERE external_code ~ '-'")
        connection.execute("VACUUM unit, unit_closure, unit_import_row")


def _units(place: Place) -> int:
    with place.superuser() as connection:
        found = connection.execute("SELECT count(*) FROM unit").fetchone()
    assert found is not None
    return int(str(found[0]))
