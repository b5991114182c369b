"""What the platform says about our allowances: Retry-After and the usage headers (platforms.md 1.3)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from server.platforms.port import Act, QuotaScope, Usage
from server.platforms.wire.reading import NotJson, items, load, mapping

MAX_RETRY_AFTER_S = 3_600.0
MAX_REGAIN_S = 86_400.0
_SLOW_PERCENT, _STOP_PERCENT = 75.0, 95.0
_FULL_WAIT_S = 60.0
_SLOWEST_S = 2.0
_SENDS = (Act.SEND, Act.COMMENT_REPLY)
_SHARES = ("call_count", "total_cputime", "total_time")
_MAX_HEADER = 65_536
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)


def wait_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the longest wait the headers of a refusal ask for, in seconds; None if they ask for none.

    Retry-After counts for at most one hour, the usage header for at most one day.
    """
    wishes = (_retry_after_s(headers, now), regain_s(headers), _full_s(headers))
    return max((wish for wish in wishes if wish is not None), default=None)


def regain_s(headers: Mapping[str, str]) -> float | None:
    """Return `estimated_time_to_regain_access` (minutes on the wire) in seconds; None if access is not lost."""
    waits = [
        _number(mapping(use).get("estimated_time_to_regain_access")) * 60.0
        for uses in _header(headers, "x-business-use-case-usage").values()
        for use in items(uses)
    ]
    longest = max(waits, default=0.0)
    return min(longest, MAX_REGAIN_S) if longest > 0 else None


def app_percent(headers: Mapping[str, str]) -> float:
    """Return the largest share of the app's hourly allowance that is used, in percent."""
    return _largest(_header(headers, "x-app-usage"))


def page_percent(headers: Mapping[str, str]) -> float:
    """Return the largest share of an allowance of the page or of its business that is used, in percent."""
    of_business = _header(headers, "x-business-use-case-usage").values()
    shares = [_largest(mapping(use)) for uses in of_business for use in items(uses)]
    return max(*shares, _largest(_header(headers, "x-page-usage")), 0.0)


def usage_of(headers: Mapping[str, str], act: Act) -> tuple[Usage, ...]:
    """Return how long calls of the page and of the whole app should rest: slower from 75 %, not at all from 95 %.

    A page that lost its access rests as a whole, also when a success says so.
    """
    lost_s = regain_s(headers) or 0.0
    page_s = max(_rest_s(page_percent(headers)), lost_s)
    waits = [(QuotaScope.PAGE, act, page_s), (QuotaScope.APP, act, _rest_s(app_percent(headers)))]
    waits += [(QuotaScope.PAGE, other, lost_s) for other in _SENDS if other is not act]
    return tuple(Usage(scope, one, wait_s=wait) for scope, one, wait in waits if wait > 0)


def _rest_s(percent: float) -> float:
    """Return the pause after a call: none below 75 %, growing to two seconds at 95 %, and a minute from there."""
    if percent >= _STOP_PERCENT:
        return _FULL_WAIT_S
    return max(0.0, (percent - _SLOW_PERCENT) / (_STOP_PERCENT - _SLOW_PERCENT) * _SLOWEST_S)


def _largest(usage: Mapping[str, object]) -> float:
    return max(_number(usage.get(name)) for name in _SHARES)


def _full_s(headers: Mapping[str, str]) -> float | None:
    return _FULL_WAIT_S if app_percent(headers) >= _STOP_PERCENT else None


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    given = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(given):
        return min(float(given), MAX_RETRY_AFTER_S)
    until = _date(given)
    if until is None:
        return None
    since = _date(headers.get("date", "")) or now  # both by the platform's clock where it tells it
    return min(max((until - since).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _date(value: str) -> datetime | None:
    if not 0 < len(value) <= 60:
        return None
    try:
        read = parsedate_to_datetime(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _header(headers: Mapping[str, str], name: str) -> dict[str, object]:
    given = headers.get(name, "")
    if not given or len(given) > _MAX_HEADER:
        return {}
    try:
        return mapping(load(given.encode("utf-8", "replace")))
    except NotJson:
        return {}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if math.isfinite(value) and value > 0 else 0.0
