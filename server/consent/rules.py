"""The gate's decision: may this message go to this person now? Pure; `gate.py` says the same in SQL for the claim.

A test runs both over the same facts; they must agree on every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.consent.models import SuppressionReason


class Refusal(StrEnum):
    """The one primary reason why a message may not go, in the order in which they are checked (D-09)."""

    SUPPRESSED = "SUPPRESSED"
    NO_CONSENT = "NO_CONSENT"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    DAILY_CAP = "DAILY_CAP"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate knows of one person at one page. Times are the database's; None means that there is no such row."""

    is_marketing: bool
    is_human_agent: bool
    suppression: SuppressionReason | None
    has_consent: bool
    consent_expires_at: datetime | None
    window_closes_at: datetime | None
    human_agent_closes_at: datetime | None


def may_send(facts: Facts, now: datetime) -> Refusal | None:
    """Return why the message may not go, or None. The daily cap is decided by taking its slot, not here."""
    if facts.is_marketing:
        return _may_market(facts, now)
    # Who asked to stop marketing, or to be erased, and then writes to us is still answered.
    if facts.suppression not in {None, SuppressionReason.ASKED_TO_STOP, SuppressionReason.ERASED_BEFORE}:
        return Refusal.SUPPRESSED
    closes_at = facts.human_agent_closes_at if facts.is_human_agent else facts.window_closes_at
    if closes_at is None or closes_at <= now:
        return Refusal.WINDOW_CLOSED
    return None


def _may_market(facts: Facts, now: datetime) -> Refusal | None:
    if facts.suppression is not None:
        return Refusal.SUPPRESSED
    if not facts.has_consent:
        return Refusal.NO_CONSENT
    if facts.consent_expires_at is not None and facts.consent_expires_at <= now:
        return Refusal.CONSENT_EXPIRED
    return None
