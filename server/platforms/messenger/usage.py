"""How long the platform asks us to wait: Retry-After and the usage headers (platforms.md 1.3)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from server.platforms.messenger.reading import NotJson, items, load, mapping

MAX_RETRY_AFTER_S = 3_600.0
MAX_REGAIN_S = 86_400.0
_STOP_PERCENT = 95.0
_FULL_WAIT_S = 60.0
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
    usage = _header(headers, "x-app-usage")
    return max(_number(usage.get(name)) for name in ("call_count", "total_cputime", "total_time"))


class Pauses:
    """Pages for which the platform told us to be quiet, on this process's monotonic clock.

    The header that says so may come with an answer that was a success, so the refusals alone do not tell.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, page: str, headers: Mapping[str, str]) -> None:
        """Remember what an answer said about a page."""
        wait = regain_s(headers)
        if wait is not None:
            self._until[page] = time.monotonic() + wait

    def left_s(self, page: str) -> float | None:
        """Return how long the page still has to wait; None if it need not."""
        until = self._until.get(page)
        if until is None:
            return None
        left = until - time.monotonic()
        if left <= 0:
            del self._until[page]
            return None
        return left


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
