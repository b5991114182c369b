"""What the code in an answer means: errors come as HTTP 200 with a code that is not 0 (platforms.md 6.2 and 8).

Decided on the code, never on the text. A code that is not in the table means nothing for sure.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.platforms.port import FailureReason
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import text, whole
from server.platforms.wire.refusals import Refusal, shown

THROTTLED = 40100
SYSTEM_ERROR = 51065


@dataclass(frozen=True, slots=True)
class TikTokError:
    """The envelope of a refused call."""

    code: int
    message: str

    def __str__(self) -> str:
        return f"{self.code} {self.message}".rstrip()


# 51065 ("system error") is missing on purpose: nothing says that a message was not sent then. It ends as `Unknown`.
_BY_CODE: dict[int, Refusal] = {
    40001: Refusal(FailureReason.PERMISSION),
    40002: Refusal(FailureReason.BAD_CONTENT),
    40007: Refusal(FailureReason.BLOCKED_BY_CONTACT),
    # The rules of direct messages: 48 hours, ten messages (platforms.md 9 assumes this code for both).
    40064: Refusal(FailureReason.WINDOW_CLOSED),
    THROTTLED: Refusal(FailureReason.RATE_LIMITED, retryable=True),
    # Only 40105 is documented for messages; its neighbours name further ways in which a token or a code is no good.
    **dict.fromkeys(range(40101, 40111), Refusal(FailureReason.AUTH)),
    40908: Refusal(FailureReason.BAD_CONTENT),
}


def code_of(answer: Answer) -> int | None:
    """Return the code of the envelope; None where there is no envelope."""
    return whole(answer.json().get("code"))


def error_of(answer: Answer) -> TikTokError | None:
    """Return the error that an answer holds; None for a success and for what is no envelope."""
    body = answer.json()
    code = whole(body.get("code"))
    if not code:
        return None
    return TikTokError(code, shown(text(body.get("message")) or ""))


def refusal_of(error: TikTokError) -> Refusal | None:
    """Return what a documented refusal means; None if this error does not prove that nothing happened."""
    return _BY_CODE.get(error.code)


def is_of_the_system(error: TikTokError) -> bool:
    """Say whether the platform, and not the call, is to blame (5xxxx, as 51065)."""
    return 50_000 <= error.code < 60_000
