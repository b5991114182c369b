"""Calls that are no sends: ask, and read the `data` of the envelope; every failure is a PlatformCallFailed."""

from __future__ import annotations

from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.tiktok.client import Call, TikTokClient
from server.platforms.tiktok.errors import THROTTLED, code_of, error_of, is_of_the_system, refusal_of
from server.platforms.wire.calling import reach
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, mapping

DEADLINE_S = 20.0
# No header tells how long to wait; about ten requests a second are allowed (platforms.md 6.2).
THROTTLE_WAIT_S = 1.0


async def ask(client: TikTokClient, call: Call, deadline_s: float = DEADLINE_S) -> Json:
    """Return the `data` of a successful answer; raise PlatformCallFailed."""
    answer = await reach(client.call(call, deadline_s))
    if answer.is_success and code_of(answer) == 0:
        return mapping(answer.json().get("data"))
    raise failure_of(answer)


def failure_of(answer: Answer) -> PlatformCallFailed:
    """Say what an unsuccessful answer means. 40100, 5xxxx, HTTP 5xx and an answer that says nothing may be repeated."""
    error = error_of(answer)
    if error is None:
        detail = f"HTTP {answer.status}"
        if answer.status == 429:
            return PlatformCallFailed(FailureReason.RATE_LIMITED, detail, retryable=True, retry_after_s=THROTTLE_WAIT_S)
        if answer.status >= 500 or answer.is_success:
            return PlatformCallFailed(FailureReason.TRANSIENT, detail, retryable=True)
        return PlatformCallFailed(FailureReason.AMBIGUOUS, detail)
    refusal = refusal_of(error)
    if refusal is not None:
        wait = THROTTLE_WAIT_S if error.code == THROTTLED else None
        return PlatformCallFailed(refusal.reason, str(error), retryable=refusal.retryable, retry_after_s=wait)
    if is_of_the_system(error) or answer.status >= 500:
        return PlatformCallFailed(FailureReason.TRANSIENT, str(error), retryable=True)
    return PlatformCallFailed(FailureReason.AMBIGUOUS, str(error))
