"""Calls that are no sends: ask, read the JSON, follow the pages of a list; every failure is a PlatformCallFailed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from server.platforms.linkedin.client import Call, LinkedInClient, query_of
from server.platforms.linkedin.errors import failure_of
from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.wire.calling import reach
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, items, mapping, whole

DEADLINE_S = 20.0
PAGE_SIZE = 100


async def ask(client: LinkedInClient, call: Call) -> Answer:
    """Return a successful answer; raise PlatformCallFailed."""
    answer = await reach(client.call(call, DEADLINE_S))
    if not answer.is_success:
        raise failure_of(answer, datetime.now(UTC))
    return answer


async def read(client: LinkedInClient, call: Call) -> Json:
    """Return the object of a successful answer; raise PlatformCallFailed, also where there is none."""
    answer = await ask(client, call)
    body = answer.json()
    if not body:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer holds no object", retryable=True)
    return body


async def walk(client: LinkedInClient, call: Call, max_pages: int) -> AsyncIterator[list[Json]]:
    """Yield the pages of a list of `elements`; raise PlatformCallFailed, also when it is longer than `max_pages`.

    A list ends where a page holds fewer elements than it may, or where `paging` says that this was all.
    """
    start = 0
    for _ in range(max_pages):
        paged = query_of(start=start, count=PAGE_SIZE)
        body = await read(client, replace(call, query=f"{call.query}&{paged}" if call.query else paged))
        elements = [mapping(one) for one in items(body.get("elements"))]
        yield elements
        start += len(elements)
        if not elements or _is_last(mapping(body.get("paging")), start, len(elements)):
            return
    raise PlatformCallFailed(FailureReason.AMBIGUOUS, f"the list is longer than {max_pages} pages")


def _is_last(paging: Json, reached: int, held: int) -> bool:
    """Say whether a page was the last. Its size may be smaller than we asked for, so the links decide, then the total."""
    links = paging.get("links")
    if isinstance(links, list) and links:
        return not any(mapping(one).get("rel") == "next" for one in links)
    total = whole(paging.get("total"))
    if total is not None and total > 0:
        return reached >= total
    return held < (whole(paging.get("count")) or PAGE_SIZE)
