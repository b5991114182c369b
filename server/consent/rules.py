"""The gate's decision: may this message go to this person now? Pure; `gate.py` says the same in SQL for the claim.

A test runs both over the same facts; they must agree on every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.consent.models import SuppressionReason
from server.platforms.port import OutgoingKind


class Refusal(StrEnum):
    """The one primary reason why a message may not go, in the order in which they are checked (D-09)."""

    SUPPRESSED = "SUPPRESSED"
    NO_CONSENT = "NO_CONSENT"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    COMMENT_TOO_OLD = "COMMENT_TOO_OLD"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    WINDOW_FULL = "WINDOW_FULL"
    DAILY_CAP = "DAILY_CAP"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate knows of one person at one page. Times are the database's; None means that there is no such row.

    `private_reply_ends_at` is the comment's time and the channel's period for private replies. `sent_in_window` counts the
    page's messages since the person's last one where the channel allows only `window_messages` of them.
    """

    is_marketing: bool
    is_human_agent: bool
    suppression: SuppressionReason | None
    has_consent: bool
    consent_expires_at: datetime | None
    window_closes_at: datetime | None
    human_agent_closes_at: datetime | None
    kind: OutgoingKind = OutgoingKind.MESSAGE
    private_reply_ends_at: datetime | None = None
    window_messages: int | None = None
    sent_in_window: int = 0


_STILL_ANSWERED = frozenset({None, SuppressionReason.ASKED_TO_STOP, SuppressionReason.ERASED_BEFORE})
"""Who asked to stop marketing, or to be erased, and then writes to us is still answered."""


def may_send(facts: Facts, now: datetime) -> Refusal | None:
    """Return why the message may not go, or None. The daily cap is decided by taking its slot, not here."""
    if facts.is_marketing:
        return _may_market(facts, now)
    match facts.kind:
        case OutgoingKind.UTILITY:
            return Refusal.SUPPRESSED if facts.suppression is not None else None
        case OutgoingKind.COMMENT_REPLY:
            return Refusal.SUPPRESSED if facts.suppression is SuppressionReason.MANUAL else None
        case _ if facts.suppression not in _STILL_ANSWERED:
            return Refusal.SUPPRESSED
        case OutgoingKind.PRIVATE_REPLY:
            ends_at = facts.private_reply_ends_at
            return Refusal.COMMENT_TOO_OLD if ends_at is None or ends_at <= now else None
        case _:
            return _may_answer(facts, now)


def _may_answer(facts: Facts, now: datetime) -> Refusal | None:
    closes_at = facts.human_agent_closes_at if facts.is_human_agent else facts.window_closes_at
    if closes_at is None or closes_at <= now:
        return Refusal.WINDOW_CLOSED
    if facts.window_messages is not None and facts.sent_in_window >= facts.window_messages:
        return Refusal.WINDOW_FULL
    return None


def _may_market(facts: Facts, now: datetime) -> Refusal | None:
    if facts.suppression is not None:
        return Refusal.SUPPRESSED
    if not facts.has_consent:
        return Refusal.NO_CONSENT
    if facts.consent_expires_at is not None and facts.consent_expires_at <= now:
        return Refusal.CONSENT_EXPIRED
    return None
