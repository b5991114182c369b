"""The drain loop of one worker process against the bare HTTP client, on a platform that takes 50 ms (performance.md 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from time import perf_counter
from uuid import UUID

import httpx
from sqlalchemy import select

from bench import data
from bench.harness import (
    HOST,
    BenchFailed,
    Place,
    Stage,
    in_turn,
    key_ring,
    new_port,
    opened,
    read_settings,
    running,
    statements,
)
from bench.results import Ratio, Result
from server.kit.crypto import KeyRing
from server.kit.jobs import JobRow
from server.kit.locks import WorkerLock
from server.platforms import registry
from server.platforms.port import Channel, OutgoingMessage, PageCredentials
from server.sends import service as sends
from server.sends.models import Purpose
from server.tenants.scope import worker_scope
from server.tenants.uow import begin
from workers.actors.sends import ACTORS
from workers.run import Runtime, carry_out, claim

ROUNDS = 3
LATENCY_S = 0.05
PAGES = 5
"""Drained at once, as a worker process does; with the default batch of 40 that is a concurrency of 200."""
SENDS = 1_000
_ORGANIZATION = data.uid(data.ORGANIZATION, 0)
_TOPIC = data.uid(data.OTHER, 0, 1)
_BATCH = data.uid(data.OTHER, 0, 2)
_WORKER, _CLIENT, _POOLED = "worker: gate, claim, call, record", "bare httpx client", "bare httpx, 8 clients"

_QUEUE = f"""
INSERT INTO topic (organization_id, id, unit_id, key, name)
VALUES ('{_ORGANIZATION}', '{_TOPIC}', uid({data.UNIT}, 0), 'offers', 'Offers');
INSERT INTO send_batch (organization_id, id, unit_id, state, approved_digest)
VALUES ('{_ORGANIZATION}', '{_BATCH}', uid({data.UNIT}, 0), 'RUNNING', '\\x64');
INSERT INTO consent (organization_id, page_id, contact_id, topic_id, unit_id, is_opted_in, occurred_at, event_id)
SELECT organization_id, page_id, contact_id, '{_TOPIC}', unit_id, true, now(), contact_id FROM contact_identity;
INSERT INTO messaging_window
  (organization_id, page_id, contact_id, unit_id, last_action_at, closes_at, human_agent_closes_at)
SELECT organization_id, page_id, contact_id, unit_id, now(), now() + interval '1 day', now() + interval '7 days'
FROM contact_identity;
INSERT INTO send_intent (organization_id, id, unit_id, page_id, contact_id, recipient_external_id, batch_id, topic_id,
  purpose, text, content_digest, platform_campaign_id, dedupe_key)
SELECT organization_id, uid({data.MESSAGE}, 0, (row_number() OVER (ORDER BY i.contact_id))::int), unit_id, page_id,
  contact_id, external_id, '{_BATCH}', '{_TOPIC}', 'MARKETING', 'Bread is half price today, ' || external_id, '\\x64',
  'campaign-1', contact_id::text
FROM contact_identity AS i WHERE page_id = ANY(%(pages)s) ORDER BY i.contact_id LIMIT %(sends)s;
"""
_RESET = """
TRUNCATE send_attempt, marketing_use, job, early_receipt, receipt_mark;
UPDATE send_intent SET state = 'QUEUED', reason = NULL, detail = NULL, attempt = 0, claimed_by = NULL, claimed_at = NULL,
  settled_at = NULL, platform_message_id = NULL, platform_at = NULL, delivery = 'NONE', consent_event_id = NULL,
  not_before = now();
VACUUM ANALYZE send_intent;
"""


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when a send is not sent."""
    place = stage.database("bench_sends")
    port = new_port()
    url = f"http://{HOST}:{port}"
    settings = read_settings(place.environment(MESSENGER_GRAPH_URL=url, MESSENGER_DIALOG_URL=url))
    _fill(place, key_ring(settings))
    result = Result(
        f"sends: {SENDS} marketing messages, {LATENCY_S * 1000:.0f} ms platform, {PAGES * settings.sends.batch} at once",
        ("contestant", "sends/s", "SQL statements"),
    )
    async with running("-m", "bench.responder", str(port), str(LATENCY_S), environment={}, port=port):
        lock = WorkerLock(place.server.dsn(place.name, "switchboard_system"))
        await lock.acquire()
        connectors = registry.build(settings)
        counts: list[int] = []
        async with opened(settings) as database:
            runtime = Runtime(database, connectors, settings, lock)
            concurrency = PAGES * settings.sends.batch
            figures = await in_turn(
                {
                    _WORKER: lambda: _drained(runtime, place, counts),
                    _CLIENT: lambda: _bare(url, concurrency, 1),
                    _POOLED: lambda: _bare(url, concurrency, 8),
                },
                ROUNDS,
            )
        await connectors.aclose()
        await lock.release()
    result.rows += [
        (_WORKER, f"{figures[_WORKER]:.0f}", str(counts[-1])),
        (_CLIENT, f"{figures[_CLIENT]:.0f}", ""),
        (_POOLED, f"{figures[_POOLED]:.0f}", ""),
    ]
    result.ratios += [
        Ratio("sends.worker_vs_httpx", figures[_WORKER] / figures[_CLIENT], least=0.5),
        Ratio("sends.worker_vs_8_httpx", figures[_WORKER] / figures[_POOLED]),
        Ratio("sends.statements_per_send", counts[-1] / SENDS),
    ]
    return result


def _page_ids() -> list[UUID]:
    return [data.uid(data.PAGE, 0, number) for number in range(PAGES)]


def _fill(place: Place, keys: KeyRing) -> None:
    with place.superuser() as connection:
        data.fill_spine(connection, 1)
        data.fill_people(connection, SENDS * data.PAGES // PAGES, 1)
        data.seal_tokens(connection, keys)
        for statement in filter(str.strip, _QUEUE.split(";\n")):
            connection.execute(statement.encode(), {"pages": _page_ids(), "sends": SENDS})
        people = connection.execute("SELECT page_id, contact_id FROM consent").fetchall()
        sealed = [
            (keys.seal("token", f"consent.token_sealed:{_ORGANIZATION}:{page}:{contact}:{_TOPIC}"), contact)
            for page, contact in people
        ]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE consent SET token_sealed = %s WHERE contact_id = %s", sealed)
        connection.execute("VACUUM ANALYZE")


async def _drained(runtime: Runtime, place: Place, counts: list[int]) -> float:
    with place.superuser() as connection:
        for statement in filter(str.strip, _RESET.split(";\n")):
            connection.execute(statement.encode())
    async with begin(runtime.database, worker_scope(_ORGANIZATION)) as uow:
        for page_id in _page_ids():
            sends.ring(uow, page_id, Purpose.MARKETING)
    async with begin(runtime.database, worker_scope(_ORGANIZATION)) as uow:
        jobs: Sequence[UUID] = (await uow.session.scalars(select(JobRow.id))).all()
    await _warmed(runtime)
    started = perf_counter()
    with statements() as seen:
        await asyncio.gather(*[_carried(runtime, job_id) for job_id in jobs])
    seconds = perf_counter() - started
    counts.append(len(seen))
    with place.superuser() as connection:
        states = connection.execute("SELECT state, reason, count(*) FROM send_intent GROUP BY 1, 2").fetchall()
    if [(state, count) for state, _, count in states] != [("SENT", SENDS)]:
        raise BenchFailed(f"not all sends were sent: {states}")
    return SENDS / seconds


async def _warmed(runtime: Runtime) -> None:
    """Open the connector's connections, as the bare clients open theirs before their time is taken."""
    connector = runtime.registry.of(Channel.MESSENGER)
    page = PageCredentials(Channel.MESSENGER, "1", "token")
    message = OutgoingMessage("1", "warm up", "bench")
    at_once = PAGES * runtime.settings.sends.batch
    await asyncio.gather(*[connector.send(page, message, 30.0) for _ in range(at_once)])


async def _carried(runtime: Runtime, job_id: UUID) -> None:
    run = await claim(runtime, _ORGANIZATION, job_id)
    if run is None:
        raise BenchFailed("a job could not be claimed")
    await carry_out(run, ACTORS)


async def _bare(url: str, concurrency: int, clients: int) -> float:
    limits = httpx.Limits(max_connections=concurrency // clients, max_keepalive_connections=concurrency // clients)
    pools = [httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) for _ in range(clients)]
    body = {"message_id": "campaign-1", "messenger_delivery_data": {"subscription_token": "token"}}

    async def worker(client: httpx.AsyncClient, left: Iterator[int]) -> None:
        for number in left:
            message = {"text": f"Bread is half price today, {number}"}
            answer = await client.post(f"{url}/v25.0/act_1/messages", json={**body, "message": message})
            answer.raise_for_status()

    async def send(count: int) -> None:
        left = iter(range(count))
        await asyncio.gather(*[worker(pools[number % clients], left) for number in range(concurrency)])

    await send(concurrency)  # opens the connections
    started = perf_counter()
    await send(SENDS)
    seconds = perf_counter() - started
    for client in pools:
        await client.aclose()
    return SENDS / seconds
