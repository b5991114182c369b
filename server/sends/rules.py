"""Pure decisions about sends: what an outcome means, what a reference is, and what the platform's list proves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from server.platforms.port import FailureReason, ListedMessage, NotSent, Outcome, Sent, Unknown
from server.sends.models import Delivery, SendState

MAX_ATTEMPTS = 6
ABSENT_CHECKS = 2
"""How often an unknown must be missing from the platform's own list before it is sent again (ADR 0007)."""
CLOCK_SKEW = timedelta(seconds=5)
_REFERENCE = re.compile(r"^sb1:([0-9a-f]{32}):(\d{1,4})$")


class BatchRefusal(StrEnum):
    """Why a batch forbids a send: it was stopped, or the content is not what was approved (D-07)."""

    STOPPED = "STOPPED"
    APPROVAL_STALE = "APPROVAL_STALE"


@dataclass(frozen=True, slots=True)
class NotCalled:
    """The worker gave the claim back before it called the platform: certainly nothing left."""

    retry_in: timedelta = timedelta()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MediaForgotten:
    """The platform refused a message whose media it had been given earlier: they are uploaded anew, once."""

    detail: str


WAITS_FOR_QUOTA = "WAITS_FOR_QUOTA"
Ending = Outcome | NotCalled | MediaForgotten
"""How one try ended."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a send: its next state, and when it is tried again if it is queued."""

    state: SendState
    reason: str | None = None
    detail: str = ""
    platform_message_id: str | None = None
    retry_in: timedelta | None = None


_KEEPS_QUEUE = frozenset({FailureReason.AUTH, FailureReason.PERMISSION, FailureReason.PAGE_RESTRICTED})
_MAX_RETRY = timedelta(hours=1)


def judge(outcome: Ending, attempt: int) -> Verdict:
    """Decide what an outcome means for the send. Only what certainly did not leave is ever queued again."""
    match outcome:
        case Sent(platform_message_id=mid):
            return Verdict(SendState.SENT, platform_message_id=mid)
        case Unknown(detail=detail):
            return Verdict(SendState.UNKNOWN, "NO_ANSWER", detail)
        case NotCalled(retry_in=retry_in, reason=reason):
            return Verdict(SendState.QUEUED, reason, retry_in=retry_in)
        case MediaForgotten(detail=detail):
            return Verdict(SendState.QUEUED, FailureReason.BAD_CONTENT.value, detail, retry_in=timedelta())
        case NotSent():
            return _judge_refusal(outcome, attempt)
        case _:
            assert_never(outcome)


def _judge_refusal(outcome: NotSent, attempt: int) -> Verdict:
    if outcome.reason in _KEEPS_QUEUE:
        # The page is marked unhealthy and its queue waits; the gate lets nothing out until it is reconnected.
        return Verdict(SendState.QUEUED, outcome.reason.value, outcome.detail, retry_in=timedelta(seconds=30))
    if not outcome.retryable or attempt >= MAX_ATTEMPTS:
        return Verdict(SendState.NOT_SENT, outcome.reason.value, outcome.detail)
    wished = timedelta(seconds=outcome.retry_after_s or 0)
    backoff = timedelta(seconds=2) * 2 ** max(0, attempt - 1)
    return Verdict(
        SendState.QUEUED, outcome.reason.value, outcome.detail, retry_in=min(max(wished, backoff), _MAX_RETRY)
    )


def reference(send_id: UUID, attempt: int) -> str:
    """Write our mark for one try: the platform returns it in its echo (46 to 49 ASCII characters)."""
    return f"sb1:{send_id.hex}:{attempt}"


def read_reference(text: str | None) -> tuple[UUID, int] | None:
    """Read a mark back; None for anything that is not ours."""
    match = _REFERENCE.match(text or "")
    return (UUID(match[1]), int(match[2])) if match else None


_RANK = {Delivery.NONE: 0, Delivery.ACCEPTED: 1, Delivery.FAILED: 2, Delivery.DELIVERED: 3, Delivery.READ: 4}


def further(one: Delivery, other: Delivery) -> Delivery:
    """Return the one that says more; deliveries only move forward, whatever the order of receipts."""
    return max(one, other, key=_RANK.__getitem__)


@dataclass(frozen=True, slots=True)
class UnknownSend:
    """A send whose outcome nobody knows."""

    id: UUID
    recipient_external_id: str
    text: str
    claimed_at: datetime
    is_plain: bool = True
    """Whether the list would show it with these very words. Templates, buttons, media and comments it shows otherwise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the platform's list says of one unknown: found (with `message`), absent, or ambiguous.

    `is_proof` says whether being absent proves anything.
    """

    message: ListedMessage | None = None
    is_ambiguous: bool = False
    is_proof: bool = True


def normalise(text: str | None) -> str:
    """Return the text as it is compared: NFC, white space folded. Platforms trim and fold on their side."""
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def match_unknowns(
    unknowns: Sequence[UnknownSend],
    listed: Iterable[ListedMessage],
    attributed: frozenset[str],
    *,
    is_complete: bool = True,
) -> Mapping[UUID, Finding]:
    """Look for each unknown among the page's listed messages that belong to no other send.

    What is missing from a list that is not complete, or that would not show it in these words, proves nothing. Without
    words there is nothing to recognise a message by, so one that looks like it is for a person.

    A match has the same recipient and text and is not older than the claim. Several unknowns with one recipient and text
    are told apart only when each of them, or none of them, is found; everything else is ambiguous and for a person.
    """
    groups: dict[tuple[str, str], list[UnknownSend]] = {}
    for one in sorted(unknowns, key=lambda unknown: unknown.claimed_at):
        groups.setdefault((one.recipient_external_id, normalise(one.text)), []).append(one)
    candidates: dict[tuple[str, str], list[ListedMessage]] = {key: [] for key in groups}
    # Platforms list the newest first and some tell whole seconds: sorting alone would leave those of one second turned round.
    for message in sorted(reversed(tuple(listed)), key=lambda candidate: candidate.created_at):
        key = (message.to_external_id, normalise(message.text))
        group = groups.get(key)
        is_young = group is not None and message.created_at >= group[0].claimed_at - CLOCK_SKEW
        if is_young and message.platform_message_id not in attributed:
            candidates[key].append(message)
    findings: dict[UUID, Finding] = {}
    for key, group in groups.items():
        found = candidates[key]
        for position, one in enumerate(group):
            if len(found) == len(group) and key[1]:
                findings[one.id] = Finding(found[position])
            else:
                findings[one.id] = Finding(is_ambiguous=bool(found), is_proof=is_complete and one.is_plain)
    return findings
