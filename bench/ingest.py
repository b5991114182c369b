"""Signed webhooks through the whole stack, against a bare COPY of the same events in the same run (performance.md 3)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import statistics
from collections.abc import Callable, Iterator
from time import perf_counter

import orjson

from bench import data, floors
from bench.harness import APP_SECRET, HOST, BenchFailed, Place, Stage, in_turn, load, post, serving, serving_ours
from bench.results import Ratio, Result

ROUNDS = 3
SECONDS = 2.0
SHAPES = ((1, 64), (100, 8))
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
    async with serving_ours(told) as api, serving("bench.floors:copy", told) as bare:
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
        result.ratios.append(Ratio("ingest.forged_p50_ms", await _refused_ms(api.port), most=5))
    return result


async def _refused_ms(port: int) -> float:
    """Return the median time of refusing a forged body of 100 events on one connection, in milliseconds."""
    body = orjson.dumps({"object": "page", "entry": [entry(number) for number in range(100)]})
    request = post("/webhooks/messenger", body, {"x-hub-signature-256": f"sha256={'0' * 64}"})
    reader, writer = await asyncio.open_connection(HOST, port)
    times_ms = []
    for _ in range(200):
        began = perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        times_ms.append((perf_counter() - began) * 1000)
        if b" 401 " not in head:
            raise BenchFailed("a forged body was not refused")
        await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
    writer.close()
    return statistics.median(times_ms)


def _maker(path: str, numbers: Iterator[int], size: int) -> Callable[[], bytes]:
    def make() -> bytes:
        body = orjson.dumps({"object": "page", "entry": [entry(next(numbers)) for _ in range(size)]})
        signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return post(path, body, {"x-hub-signature-256": f"sha256={signature}"})

    return make


def entry(number: int, people: int = _PEOPLE) -> dict[str, object]:
    """Return the entry of a message to some page from one of so many people, unlike that of any other number."""
    page = str(1_000_000 + number % data.ORGANIZATIONS * 100 + number // data.ORGANIZATIONS % data.PAGES)
    message = {"mid": f"m_{number}", "text": f"Hello, are you open on Sunday? This is message {number}"}
    item = {
        "sender": {"id": str(9_000_000 + number % people)},
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
