"""What an error answer of LinkedIn means (platforms.md 5.2, 5.3 and 8).

Its body is flat: message, serviceErrorCode, status, code. Decided on the HTTP status. Only whose allowance is used up, and
for how long, is read from the text of a 429, because nothing else tells it; where the text says nothing the longer wait
is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.platforms.port import FailureReason, PlatformCallFailed, QuotaScope
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import identifier, text
from server.platforms.wire.refusals import shown

_LONGEST_WORD = 39
"""LinkedIn names classes of its own in its messages, which are longer than words."""
_MINUTE_S = 60.0
_LONGEST_S = 86_400.0
_UPGRADE = 426
"""The version in our header is no longer served: our configuration is to be changed, and nothing is wrong with the call."""

_REFUSALS: dict[int, tuple[FailureReason, bool]] = {
    400: (FailureReason.BAD_CONTENT, False),
    401: (FailureReason.AUTH, False),
    403: (FailureReason.PERMISSION, False),
    404: (FailureReason.BAD_CONTENT, False),
    413: (FailureReason.BAD_CONTENT, False),
    422: (FailureReason.BAD_CONTENT, False),
    _UPGRADE: (FailureReason.TRANSIENT, True),
    429: (FailureReason.RATE_LIMITED, True),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a documented refusal means: nothing happened. `wait_s` is how long the platform wants us to wait."""

    reason: FailureReason
    retryable: bool
    detail: str
    wait_s: float | None = None
    scope: QuotaScope = QuotaScope.PAGE


def refusal_of(answer: Answer, now: datetime) -> Refusal | None:
    """Return what an unsuccessful answer proves, or None where it proves nothing (5xx, 3xx, 409, unknown statuses)."""
    known = _REFUSALS.get(answer.status)
    if known is None:
        return None
    reason, retryable = known
    message = text(answer.json().get("message")) or ""
    wait_s, scope = None, QuotaScope.PAGE
    if reason is FailureReason.RATE_LIMITED:
        wait_s, scope = _wait_s(answer, message, now), _scope(message)
    return Refusal(reason, retryable, detail_of(answer), wait_s, scope)


def failure_of(answer: Answer, now: datetime) -> PlatformCallFailed:
    """Say what an unsuccessful answer to a call that is no send means."""
    refusal = refusal_of(answer, now)
    if refusal is not None:
        return PlatformCallFailed(
            refusal.reason, refusal.detail, retryable=refusal.retryable, retry_after_s=refusal.wait_s
        )
    is_temporary = answer.status >= 500 or answer.is_success
    reason = FailureReason.TRANSIENT if is_temporary else FailureReason.AMBIGUOUS
    return PlatformCallFailed(reason, detail_of(answer), retryable=is_temporary)


def detail_of(answer: Answer) -> str:
    """Return status, codes and message of an answer, fit for a log: short, with all that looks secret left out."""
    body = answer.json()
    code = identifier(body.get("serviceErrorCode")) or identifier(body.get("code")) or identifier(body.get("error"))
    message = text(body.get("message")) or text(body.get("error_description")) or ""
    told = shown(message, _LONGEST_WORD)
    named = f"HTTP {answer.status}" + (f" ({code[:60]})" if code else "")
    return f"{named}: {told}" if told else named


def until_midnight_s(now: datetime) -> float:
    """Return the seconds until the daily allowances begin anew, at midnight UTC (platforms.md 5.3)."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1) - now).total_seconds()


def _wait_s(answer: Answer, message: str, now: datetime) -> float:
    asked = answer.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,6}", asked, re.ASCII):
        return min(float(asked), _LONGEST_S)
    if "minute" in message.lower():
        return _MINUTE_S
    return until_midnight_s(now)


def _scope(message: str) -> QuotaScope:
    words = message.upper()
    return QuotaScope.APP if "APPLICATION" in words and "MEMBER" not in words else QuotaScope.PAGE
