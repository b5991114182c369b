"""CPU of each hostile document (reliability.md G31), in production settings with documents open: signed in, and as nobody.

The application runs in this process, so its processor time is read exactly. Each document is sent twice and the dearer time
counts; a document that is kept would be cheaper the second time. The database holds what such a tenant would prepare: a
template of 30 versions, and a thousand conversations.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from uuid import uuid4

import httpx

from bench import data
from bench.harness import BenchFailed, Place, Stage, opened, read_settings
from bench.hostile_documents import Hostile, every
from bench.results import Ratio, Result
from server.app import create_app
from server.auth import service as auth
from server.config import Settings
from server.tenants.scope import worker_scope
from server.tenants.uow import begin

MOST_MS = 100.0
CONVERSATIONS = 1_000
_TIMES = 2


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed for an answer that is our failure."""
    place = stage.database("bench_hostile")
    with place.superuser() as connection:
        data.fill_spine(connection, 1)
        data.fill_people(connection, CONVERSATIONS, 1)
        data.fill_inbox(connection, CONVERSATIONS, 1)
    settings = read_settings(_environment(place))
    token = await _token(settings)
    result = Result("Hostile documents", ("document", "characters", "signed in: ms, answer", "nobody: ms, answer"))
    dearest = 0.0
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        gc.collect()
        gc.freeze()  # as the server does after its start
        await _measure(http, Hostile("warm", "{viewer{name}}"), {"authorization": f"Bearer {token}"})
        for one in every():
            known, said = await _measure(http, one, {"authorization": f"Bearer {token}"})
            nobody, refused = await _measure(http, one, {})
            dearest = max(dearest, known, nobody)
            result.rows.append((one.name, str(len(one.text)), f"{known:.1f} {said}", f"{nobody:.1f} {refused}"))
    result.ratios.append(Ratio("hostile.dearest_ms_of_cpu", dearest, most=MOST_MS))
    return result


def _environment(place: Place) -> dict[str, str]:
    unlimited = dict.fromkeys(("BUDGET_ORGANIZATION", "BUDGET_TOKEN", "BUDGET_NETWORK"), "1e9")
    return place.environment(**unlimited)


async def _token(settings: Settings) -> str:
    organization = data.uid(data.ORGANIZATION, 0)
    async with opened(settings) as database, begin(database, worker_scope(organization)) as uow:
        member = data.uid(data.MEMBER, 0, 1)
        _, token = await auth.issue_personal_token(uow, settings.security, member_id=member, name=str(uuid4()))
    return token


async def _measure(http: httpx.AsyncClient, one: Hostile, headers: Mapping[str, str]) -> tuple[float, str]:
    """Return the milliseconds of processor time, and the code of the answer."""
    spent, said = 0.0, ""
    for _ in range(_TIMES):
        request = http.build_request(
            "POST", "/graphql", json=one.body, headers={**headers, "accept": "application/graphql-response+json"}
        )
        began = time.process_time()
        answer = await http.send(request)
        spent = max(spent, time.process_time() - began)
        if answer.status_code >= 500:
            raise BenchFailed(f"{one.name}: {answer.status_code} {answer.text[:300]}")
        errors = answer.json().get("errors", [])
        said = errors[0]["extensions"]["code"] if errors else "data"
    return spent * 1000, said
