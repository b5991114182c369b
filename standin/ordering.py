"""In which order lists show things that happened within one millisecond."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def newest_first(oldest_added_first: Iterable[T], at_ms: Callable[[T], int]) -> list[T]:
    """By time, the newest first; of one millisecond what was added last comes first."""
    return sorted(reversed(list(oldest_added_first)), key=at_ms, reverse=True)
