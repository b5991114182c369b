"""What an error answer of the Graph API means (platforms.md 1.2, 1.3, 2.3 and 8).

Decided on code and subcode, never on the text. A code that is not in the tables here means nothing for sure.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.platforms.port import FailureReason, QuotaScope
from server.platforms.wire.reading import NotJson, load, mapping, text, whole
from server.platforms.wire.refusals import Refusal, shown


@dataclass(frozen=True, slots=True)
class GraphError:
    """The `error` object of an answer."""

    code: int
    subcode: int | None
    message: str
    is_transient: bool

    def __str__(self) -> str:
        number = f"{self.code}/{self.subcode}" if self.subcode is not None else f"{self.code}"
        return f"{number} {self.message}".rstrip()


_RATE = Refusal(FailureReason.RATE_LIMITED, retryable=True)
_PERMISSION = Refusal(FailureReason.PERMISSION)
_AUTH = Refusal(FailureReason.AUTH)
_CONTENT = Refusal(FailureReason.BAD_CONTENT)
_WINDOW = Refusal(FailureReason.WINDOW_CLOSED)
_UNREACHABLE = Refusal(FailureReason.BLOCKED_BY_CONTACT)
_POLICY = Refusal(FailureReason.POLICY)
_RESTRICTED = Refusal(FailureReason.PAGE_RESTRICTED, retryable=True)

# 1, 2, 99 and 1200 are missing on purpose: they are documented as "unknown" or "temporary", not as a refusal, and Meta
# documents such answers to messages that went out (reliability.md 2.6). They end as `Unknown`.
_BY_CODE: dict[int, Refusal] = {
    3: _PERMISSION,
    10: _PERMISSION,
    100: _CONTENT,
    102: _AUTH,
    190: _AUTH,
    368: _RESTRICTED,
    506: _CONTENT,
    551: _UNREACHABLE,
    2022: Refusal(FailureReason.PAGE_RESTRICTED),
    10900: _POLICY,  # the comment has had its one private reply
    9000001: _CONTENT,
    1609005: _CONTENT,
    **dict.fromkeys((4, 17, 32, 341, 613, *range(80000, 80007), 80008), _RATE),
    **dict.fromkeys(range(200, 300), _PERMISSION),
    230: Refusal(FailureReason.PRIVACY_BLOCKED),  # of a profile: the person never wrote, and a look-up goes on without
}
_BY_SUBCODE: dict[tuple[int, int], Refusal] = {
    (2, 2018344): Refusal(FailureReason.PRIVACY_BLOCKED),
    # Platforms.md 8 lists it under "window or policy": the day's marketing message was used up, waiting minutes is no cure.
    (4, 2018354): Refusal(FailureReason.RATE_LIMITED),
    (9, 2018352): _RATE,
    (10, 2018278): _WINDOW,
    (10, 2018065): _WINDOW,
    (10, 2534022): _WINDOW,
    (10, 2018108): _UNREACHABLE,
    (10, 1893063): _RESTRICTED,
    (10, 1404170): _RESTRICTED,
    (10, 1893015): Refusal(FailureReason.OPTED_OUT),
    (10, 2534077): _AUTH,
    (100, 2018001): _UNREACHABLE,
    (100, 2534014): _UNREACHABLE,
    (100, 2534001): _UNREACHABLE,
    # Fetching failed: once more may help. Only an upload names an address, and its caller decides.
    (100, 2018008): Refusal(FailureReason.BAD_CONTENT, retryable=True),
    (100, 2534025): _POLICY,  # the comment takes no private reply, or no longer
    (100, 2534029): _UNREACHABLE,
    # Another app owns the thread: a fact about one conversation, so not PERMISSION, which concerns the whole page.
    (100, 2534037): _POLICY,
    (100, 2018300): _POLICY,
    (200, 1545041): _UNREACHABLE,
    (200, 2018028): _PERMISSION,
    (613, 1893016): _POLICY,
    (613, 2018338): Refusal(FailureReason.PAGE_RESTRICTED),
}

_OF_THE_APP = frozenset({4, 341})


def read_error(body: bytes) -> GraphError | None:
    """Return the error an answer holds, or None if it is not an error of the Graph API."""
    try:
        error = mapping(mapping(load(body)).get("error"))
    except NotJson:
        return None
    code = whole(error.get("code"))
    if code is None:
        return None
    return GraphError(
        code,
        whole(error.get("error_subcode")),
        shown(text(error.get("message")) or ""),
        error.get("is_transient") is True,
    )


def refusal_of(error: GraphError) -> Refusal | None:
    """Return what a documented refusal means; None if this error does not prove that nothing happened.

    A rate limit is often marked transient; any other error that is marked so proves nothing.
    """
    found = _BY_SUBCODE.get((error.code, error.subcode)) if error.subcode is not None else None
    found = found or _BY_CODE.get(error.code)
    if found is not None and error.is_transient and found.reason is not FailureReason.RATE_LIMITED:
        return None
    return found


def scope_of(error: GraphError) -> QuotaScope:
    """Say whose allowance an error of the kind "too many calls" is about (platforms.md 1.2): our whole app's, or one page's."""
    is_of_app = error.code in _OF_THE_APP and (error.code, error.subcode) not in _BY_SUBCODE
    return QuotaScope.APP if is_of_app else QuotaScope.PAGE
