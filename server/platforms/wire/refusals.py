"""What a refusal means, and how much of a platform's words may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.platforms.port import FailureReason

_SHOWN_CHARACTERS = 200
_WORD = re.compile(r"[A-Za-z0-9_|%.+/=-]+")
_LONGEST_WORD = 23


@dataclass(frozen=True, slots=True)
class Refusal:
    """A documented refusal: the message was certainly not sent. `retryable`: waiting alone can heal it."""

    reason: FailureReason
    retryable: bool = False


def shown(message: str, longest_word: int = _LONGEST_WORD) -> str:
    """Return a message of the platform, fit for a log: short, on one line, with everything that looks secret left out.

    A longer run than a word has is a token or a proof of one; platforms repeat malformed tokens in their messages.
    """

    def _fit(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) <= longest_word else "…"

    return _WORD.sub(_fit, " ".join(message.split()))[:_SHOWN_CHARACTERS]
