"""Signed webhooks through the whole stack, against a bare COPY of the same events in the same run (performance.md 3)."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable, Iterator

import orjson

from bench import data, floors
from bench.harness import APP_SECRET, BenchFailed, Place, Stage, in_turn, load, post, serving
from bench.results import Ratio, Result

ROUNDS = 3
SECONDS = 2.0
SHAPES = ((1, 32), (100, 8))
"""Events per body, connections."""
_PEOPLE = 20_000
_STACK, _FLOOR = "whole stack", "bare COPY"
_AT_MS = 1_793_534_400_000


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when fewer events are stored than were acknowledged."""
    place = stage.database("bench_ingest")
    with place.superuser() as connection:
        data.fill_spine(connection)
        connection.execute("CREATE TABLE bench_event (payload jsonb NOT NULL)")
        connection.execute("GRANT INSERT ON bench_event TO switchboard_app")
    result = Result(
        "ingest: signed webhooks, events stored per second (1 worker)", ("contestant", "events/body", "c", "events/s")
    )
    told = {**place.environment(), "BENCH_DSN": place.app_dsn}
    async with serving("server.app:create_app", told) as api, serving("bench.floors:copy", told) as bare:
        numbers = itertools.count()
        for size, connections in SHAPES:

            async def stored(
                port: int, path: str, table: str, size: int = size, connections: int = connections
            ) -> float:
                make = _maker(path, numbers, size)
                _emptied(place)
                found = await load(port, make, connections, SECONDS)
                events = len(found.latencies_s) * size
                if _count(place, table) < events:
                    raise BenchFailed(f"{events} events were acknowledged, {_count(place, table)} are stored")
                return events / found.seconds

            figures = await in_turn(
                {
                    _STACK: lambda: stored(api.port, "/webhooks/messenger", "platform_event"),
                    _FLOOR: lambda: stored(bare.port, floors.PATH, "bench_event"),
                },
                ROUNDS,
            )
            result.rows += [(name, str(size), str(connections), f"{figure:.0f}") for name, figure in figures.items()]
            result.ratios.append(Ratio(f"ingest.{size}_per_body_vs_copy", figures[_STACK] / figures[_FLOOR], least=0.6))
    return result


def _maker(path: str, numbers: Iterator[int], size: int) -> Callable[[], bytes]:
    def make() -> bytes:
        body = orjson.dumps({"object": "page", "entry": [_entry(next(numbers)) for _ in range(size)]})
        signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return post(path, body, {"x-hub-signature-256": f"sha256={signature}"})

    return make


def _entry(number: int) -> dict[str, object]:
    page = str(1_000_000 + number % data.ORGANIZATIONS * 100 + number // data.ORGANIZATIONS % data.PAGES)
    message = {"mid": f"m_{number}", "text": f"Hello, are you open on Sunday? This is message {number}"}
    item = {
        "sender": {"id": str(9_000_000 + number % _PEOPLE)},
        "recipient": {"id": page},
        "timestamp": _AT_MS + number,
        "message": message,
    }
    return {"id": page, "time": _AT_MS + number, "messaging": [item]}


def _emptied(place: Place) -> None:
    """Begin each turn with empty tables, so that no contestant pays for the growth of the other."""
    with place.superuser() as connection:
        connection.execute("TRUNCATE platform_event, job, bench_event")


def _count(place: Place, table: str) -> int:
    with place.superuser() as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(str(found[0]))
