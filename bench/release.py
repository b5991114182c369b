"""A template released to 10,000 locations, against one INSERT … SELECT of as many placements (performance.md 5)."""

from __future__ import annotations

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
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.scope import worker_scope
from server.tenants.uow import begin
from workers.actors.templates import ACTORS
from workers.run import Runtime, carry_out, claim

ROUNDS = 3
LOCATIONS = 10_000
READS = 100
_SCOPE = worker_scope(data.uid(data.ORGANIZATION, 0))
_ROOT = data.uid(data.UNIT, 0)
_RELEASE, _ONE = "release and its jobs", "one INSERT … SELECT"

_PLACE_ALL = text("""
INSERT INTO template_placement (organization_id, unit_id, template_id, release_id, version_id)
SELECT r.organization_id, c.descendant_id, r.template_id, r.id, r.version_id
FROM template_release r
JOIN unit_closure c ON c.organization_id = r.organization_id AND c.ancestor_id = r.unit_id
JOIN unit u ON u.organization_id = c.organization_id AND u.id = c.descendant_id AND u.kind = 'LOCATION'
WHERE r.organization_id = :organization AND r.id = :release
""")
_PLAIN = text("SELECT * FROM template_version WHERE organization_id = :organization AND id = :version")


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when a location is left out."""
    place = stage.database("bench_release")
    with place.superuser() as connection:
        data.fill_spine(connection, 1)
        # Clients without locations are targets of a release too; here only locations count.
        connection.execute("UPDATE unit SET archived_at = now() WHERE kind = 'CLIENT'")
        data.fill_locations(connection, LOCATIONS)
        connection.execute("VACUUM ANALYZE")
    settings = read_settings(place.environment())
    lock = WorkerLock(place.server.dsn(place.name, "switchboard_system"))
    await lock.acquire()
    connectors = registry.build(settings)
    counts: list[tuple[int, int]] = []
    async with opened(settings) as database:
        runtime = Runtime(database, connectors, settings, lock)
        template_id = await _template(database)
        figures = await in_turn(
            {
                _RELEASE: lambda: _released(runtime, place, template_id, counts),
                _ONE: lambda: _at_once(database, place, template_id),
            },
            ROUNDS,
        )
        await _released(runtime, place, template_id, counts)
        version_id = await _version(database, template_id)
        reads = await in_turn(
            {
                "effective": lambda: _effective(database, template_id),
                "plain": lambda: _plain(database, version_id),
            },
            ROUNDS,
        )
        rollback = await _rollback(database, template_id)
    await connectors.aclose()
    await lock.release()
    return _shown(figures, reads, counts[0], rollback)


def _shown(figures: dict[str, float], reads: dict[str, float], counts: tuple[int, int], rollback: int) -> Result:
    every, placing = counts
    result = Result(
        f"release: one template to {LOCATIONS:,} locations", ("contestant", "ms", "statements", "of them placing")
    )
    result.rows += [
        (_RELEASE, f"{figures[_RELEASE] * 1000:.0f}", str(every), str(placing)),
        (_ONE, f"{figures[_ONE] * 1000:.0f}", "1", "1"),
        ("effective template of one location", f"{reads['effective'] * 1000:.2f}", "1", ""),
        ("plain row", f"{reads['plain'] * 1000:.2f}", "1", ""),
        ("rollback", "", str(rollback), "1 of templates"),
    ]
    result.ratios += [
        Ratio("release.time_vs_one_insert", figures[_RELEASE] / figures[_ONE], most=2),
        Ratio("release.placing_statements", placing, most=12),
        Ratio("release.all_statements", every),
        Ratio("release.effective_vs_plain_row", reads["effective"] / reads["plain"], most=1.2),
    ]
    return result


async def _template(database: Database) -> UUID:
    async with begin(database, _SCOPE) as uow:
        row = await templates.create_template(
            uow, unit_id=_ROOT, name="Hours", purpose=TemplatePurpose.REPLY, body="We are open from 9 to 5."
        )
    return row.id


async def _version(database: Database, template_id: UUID) -> UUID:
    async with begin(database, _SCOPE) as uow:
        return (await templates.effective(uow, data.uid(data.UNIT, 0, 1001), template_id)).version_id


async def _released(runtime: Runtime, place: Place, template_id: UUID, counts: list[tuple[int, int]]) -> float:
    _emptied(place)
    started = perf_counter()
    with statements() as seen:
        async with begin(runtime.database, _SCOPE) as uow:
            await templates.release(uow, template_id, None, _ROOT)
        while await _one_job(runtime):
            pass
    seconds = perf_counter() - started
    counts.append((len(seen), sum(" template_release" in one and _writes(one) for one in seen)))
    if _placed(place) != LOCATIONS:
        raise BenchFailed(f"{_placed(place)} of {LOCATIONS} locations were placed")
    return seconds


def _writes(statement: str) -> bool:
    return any(word in statement for word in ("INSERT INTO template_", "UPDATE template_"))


async def _one_job(runtime: Runtime) -> bool:
    """Carry out the job that is owed, if there is one. Finding it is the bell's work, so it is not a cost of the release."""
    async with begin(runtime.database, _SCOPE) as uow:
        job_id = (await uow.session.scalars(select(JobRow.id).limit(1))).one_or_none()
    if job_id is None:
        return False
    run = await claim(runtime, _SCOPE.organization_id, job_id)
    if run is None:
        raise BenchFailed("a job could not be claimed")
    await carry_out(run, ACTORS)
    return True


async def _at_once(database: Database, place: Place, template_id: UUID) -> float:
    _emptied(place)
    async with begin(database, _SCOPE) as uow:
        release = await templates.release(uow, template_id, None, _ROOT)
    with place.superuser() as connection:
        connection.execute("TRUNCATE job")
    started = perf_counter()
    async with begin(database, _SCOPE) as uow:
        await uow.session.execute(_PLACE_ALL, {"organization": _SCOPE.organization_id, "release": release.id})
    seconds = perf_counter() - started
    if _placed(place) != LOCATIONS:
        raise BenchFailed("the bare statement places other units")
    return seconds


async def _effective(database: Database, template_id: UUID) -> float:
    async with begin(database, _SCOPE) as uow:
        await templates.effective(uow, data.uid(data.UNIT, 0, 1001), template_id)
        started = perf_counter()
        for number in range(READS):
            await templates.effective(uow, data.uid(data.UNIT, 0, 1001 + number), template_id)
        return (perf_counter() - started) / READS


async def _plain(database: Database, version_id: UUID) -> float:
    async with begin(database, _SCOPE) as uow:
        wanted = {"organization": _SCOPE.organization_id, "version": version_id}
        await uow.session.execute(_PLAIN, wanted)
        started = perf_counter()
        for _ in range(READS):
            (await uow.session.execute(_PLAIN, wanted)).one()
        return (perf_counter() - started) / READS


async def _rollback(database: Database, template_id: UUID) -> int:
    async with begin(database, _SCOPE) as uow:
        newest = await uow.session.execute(text("SELECT id FROM template_release ORDER BY id DESC LIMIT 1"))
        release_id = newest.scalar_one()
    with statements() as seen:
        async with begin(database, _SCOPE) as uow:
            await templates.roll_back(uow, release_id)
    return len(seen)


def _emptied(place: Place) -> None:
    with place.superuser() as connection:
        connection.execute("TRUNCATE template_placement, template_release, template_override, job CASCADE")


def _placed(place: Place) -> int:
    with place.superuser() as connection:
        found = connection.execute("SELECT count(*) FROM template_placement").fetchone()
    assert found is not None
    return int(str(found[0]))
