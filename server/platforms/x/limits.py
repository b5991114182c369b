"""What the headers of an answer say about allowances (platforms.md 4.3), and how long a refused call has to wait.

`x-rate-limit-*` stands on every answer and describes the window of the endpoint for this user. X also sends the two daily
allowances, as x-user-limit-24hour-* and x-app-limit-24hour-*, with answers of endpoints that have them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from server.platforms.port import Act, QuotaScope, Usage

MAX_WAIT_S = 86_400.0
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_SERIES = (
    ("x-rate-limit", QuotaScope.PAGE),
    ("x-user-limit-24hour", QuotaScope.PAGE),
    ("x-app-limit-24hour", QuotaScope.APP),
)


def usage_of(headers: Mapping[str, str], act: Act) -> tuple[Usage, ...]:
    """Return what the answer said, at most one `Usage` for each scope: the one with the fewest calls left."""
    tightest: dict[QuotaScope, Usage] = {}
    for name, scope in _SERIES:
        told = _read(headers, name, scope, act)
        known = tightest.get(scope)
        if told is not None and (known is None or _order(told) < _order(known)):
            tightest[scope] = told
    return tuple(tightest.values())


def used_up(headers: Mapping[str, str], act: Act) -> Usage | None:
    """Return the allowance that is used up; the app's before the page's, as it stops everybody. None if none is."""
    empty = [usage for usage in usage_of(headers, act) if usage.remaining == 0]
    return next((usage for usage in empty if usage.scope is QuotaScope.APP), empty[0] if empty else None)


def wait_s(headers: Mapping[str, str], act: Act, now: datetime) -> float | None:
    """Return how many seconds a refused call has to wait, at most a day; None if the headers do not say."""
    empty = used_up(headers, act)
    if empty is None or empty.resets_at is None:
        return None
    return min(max((empty.resets_at - now).total_seconds(), 0.0), MAX_WAIT_S)


def _order(usage: Usage) -> tuple[int, float]:
    """Fewest left first; of two that are empty the one that lasts longer."""
    until = usage.resets_at.timestamp() if usage.resets_at is not None else 0.0
    return (usage.remaining if usage.remaining is not None else 1_000_000_000, -until)


def _read(headers: Mapping[str, str], name: str, scope: QuotaScope, act: Act) -> Usage | None:
    remaining = _number(headers.get(f"{name}-remaining"))
    if remaining is None:
        return None
    reset = _number(headers.get(f"{name}-reset"))
    resets_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(reset, 4_102_444_800)) if reset else None
    return Usage(scope, act, remaining, resets_at)


def _number(given: str | None) -> int | None:
    value = (given or "").strip()
    return int(value) if _NUMBER.fullmatch(value) else None
