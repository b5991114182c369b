"""Calls that are no sends: ask, read the JSON; every failure is a PlatformCallFailed."""

from __future__ import annotations

from datetime import UTC, datetime

from server.platforms.port import Act, FailureReason, PlatformCallFailed
from server.platforms.wire import calling
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json
from server.platforms.x.client import XCall, XClient
from server.platforms.x.errors import read_error, refusal_of
from server.platforms.x.limits import wait_s

DEADLINE_S = 20.0


async def ask(client: XClient, call: XCall, act: Act = Act.LIST, deadline_s: float = DEADLINE_S) -> Json:
    """Return the object of a successful answer; raise PlatformCallFailed."""
    answer = await reach(client, call, deadline_s)
    body = answer.json()
    if answer.is_success and body and not ("errors" in body and "data" not in body):
        return body
    raise failure_of(answer, act)


async def reach(client: XClient, call: XCall, deadline_s: float = DEADLINE_S) -> Answer:
    """Return any answer; raise PlatformCallFailed if there is none."""
    return await calling.reach(client.call(call, deadline_s))


def failure_of(answer: Answer, act: Act = Act.LIST) -> PlatformCallFailed:
    """Say what an unsuccessful answer means."""
    error = read_error(answer)
    detail = str(error) if error is not None else f"HTTP {answer.status}"
    wait = wait_s(answer.headers, act, datetime.now(UTC))
    if answer.status >= 500 or answer.is_success:
        return PlatformCallFailed(FailureReason.TRANSIENT, detail, retryable=True, retry_after_s=wait)
    refusal = refusal_of(error) if error is not None else None
    if refusal is not None:
        return PlatformCallFailed(refusal.reason, detail, retryable=refusal.retryable, retry_after_s=wait)
    if answer.status == 429:
        return PlatformCallFailed(FailureReason.RATE_LIMITED, detail, retryable=True, retry_after_s=wait)
    if answer.status == 401:
        return PlatformCallFailed(FailureReason.AUTH, detail)
    return PlatformCallFailed(FailureReason.AMBIGUOUS, detail)
