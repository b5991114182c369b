"""What becomes of a call that got no answer: of a send an outcome, of any other call a PlatformCallFailed."""

from __future__ import annotations

from collections.abc import Awaitable

from server.platforms.port import FailureReason, NotSent, PlatformCallFailed, Unknown
from server.platforms.wire.http import Answer, BadToken, Lost, NeverLeft


async def reach(call: Awaitable[Answer]) -> Answer:
    """Return any answer; raise PlatformCallFailed if there is none."""
    try:
        return await call
    except BadToken as problem:
        raise PlatformCallFailed(FailureReason.AUTH, str(problem)) from None
    except (NeverLeft, Lost) as problem:
        raise PlatformCallFailed(FailureReason.TRANSIENT, str(problem), retryable=True) from None


async def attempt(call: Awaitable[Answer]) -> Answer | NotSent | Unknown:
    """Return the answer to a send, or what is known without one: only a call that never left was certainly not sent."""
    try:
        return await call
    except BadToken as problem:
        return NotSent(FailureReason.AUTH, False, str(problem))
    except NeverLeft as problem:
        return NotSent(FailureReason.TRANSIENT, True, str(problem))
    except Lost as problem:
        return Unknown(str(problem))
