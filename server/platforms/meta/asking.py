"""Calls that are no sends: ask, read the JSON, follow cursors; every failure is a PlatformCallFailed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.meta.errors import read_error, refusal_of
from server.platforms.meta.usage import wait_s
from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.wire.calling import reach
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, identifier, items, mapping

DEADLINE_S = 20.0
PAGE_SIZE = 100
_TEMPORARY = frozenset({1, 2, 99, 1200})


class TooLong(PlatformCallFailed):
    """The list goes on beyond the pages that we are willing to ask for."""

    def __init__(self, pages: int) -> None:
        super().__init__(FailureReason.AMBIGUOUS, f"the list is longer than {pages} pages")


async def ask(client: GraphClient, call: GraphCall, deadline_s: float = DEADLINE_S) -> Json:
    """Return the object of a successful answer; raise PlatformCallFailed."""
    answer = await reach(client.call(call, deadline_s))
    body = answer.json()
    if answer.is_success and body and "error" not in body:
        return body
    raise failure_of(answer)


def failure_of(answer: Answer) -> PlatformCallFailed:
    """Say what an unsuccessful answer means."""
    error = read_error(answer.body)
    refusal = refusal_of(error) if error is not None else None
    wait = wait_s(answer.headers, datetime.now(UTC))
    if error is not None and refusal is not None:
        return PlatformCallFailed(refusal.reason, str(error), retryable=refusal.retryable, retry_after_s=wait)
    detail = f"HTTP {answer.status}: {error}" if error is not None else f"HTTP {answer.status}"
    if answer.status == 429:
        return PlatformCallFailed(FailureReason.RATE_LIMITED, detail, retryable=True, retry_after_s=wait)
    is_temporary = error is not None and (error.is_transient or error.code in _TEMPORARY)
    if is_temporary or answer.status >= 500 or answer.is_success:
        return PlatformCallFailed(FailureReason.TRANSIENT, detail, retryable=True, retry_after_s=wait)
    return PlatformCallFailed(FailureReason.AMBIGUOUS, detail)


async def walk(
    client: GraphClient, path: str, token: str, params: Mapping[str, str], max_pages: int
) -> AsyncIterator[list[Json]]:
    """Yield the pages of a list; raise PlatformCallFailed, TooLong when the list is longer than `max_pages`.

    Only the cursor is taken from the answer, never its `next` address, which could lead anywhere and holds the token.
    """
    after: str | None = None
    for _ in range(max_pages):
        cursor = {} if after is None else {"after": after}
        body = await ask(client, GraphCall("GET", path, token, {"limit": str(PAGE_SIZE), **params, **cursor}))
        yield [mapping(one) for one in items(body.get("data"))]
        following = next_cursor(body)
        if following is None or following == after:
            return
        after = following
    raise TooLong(max_pages)


def next_cursor(body: Json) -> str | None:
    """Return the cursor of the next page; the last page has cursors too, but no `next`."""
    paging = mapping(body.get("paging"))
    return identifier(mapping(paging.get("cursors")).get("after")) if paging.get("next") else None
