"""Why a message did not go (product.md S4-15): for each reason whether it is tried again, and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from server.platforms.port import FailureReason


class RetryRule(StrEnum):
    """What becomes of a message that certainly did not leave."""

    NEVER = "NEVER"
    """It fails; sent unchanged it would be refused again."""
    LATER = "LATER"
    """It waits as long as the platform asks for, or ever longer, and is tried a few times."""
    AFTER_REPAIR = "AFTER_REPAIR"
    """It stays in the queue; the page sends again when somebody repaired the connection."""
    BY_HAND = "BY_HAND"
    """Nobody knows whether it left: the platform's list or a person decides."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One reason."""

    retry: RetryRule
    text: str


_NEVER, _LATER, _REPAIR, _HAND = RetryRule.NEVER, RetryRule.LATER, RetryRule.AFTER_REPAIR, RetryRule.BY_HAND

MEANINGS: Mapping[str, Meaning] = {
    FailureReason.NOT_CONNECTED: Meaning(_NEVER, "The person cannot be reached there: they never wrote, or are gone."),
    FailureReason.PRIVACY_BLOCKED: Meaning(
        _NEVER, "The person's privacy settings do not allow messages from this page. They have to write first."
    ),
    FailureReason.RATE_LIMITED: Meaning(_LATER, "The platform asked us to wait. The message goes out later by itself."),
    FailureReason.RATE_LIMITED_NEW_CONVERSATIONS: Meaning(
        _LATER, "The platform limits how many conversations may begin in a time. It is tried again later."
    ),
    FailureReason.WINDOW_CLOSED: Meaning(
        _NEVER, "The time in which the page may answer is over. It opens when the person writes again."
    ),
    FailureReason.BLOCKED_BY_CONTACT: Meaning(_NEVER, "The person blocked this page. Nothing more is sent to them."),
    FailureReason.BAD_CONTENT: Meaning(_NEVER, "The platform refused the content. Change it and send it again."),
    FailureReason.POLICY: Meaning(
        _NEVER, "The platform's rules forbid this message. Read the details before the next one."
    ),
    FailureReason.AUTH: Meaning(_REPAIR, "The page has to be connected again. The message waits until then."),
    FailureReason.PERMISSION: Meaning(
        _REPAIR, "A permission of the page is missing. The message waits until it is given again."
    ),
    FailureReason.PAGE_RESTRICTED: Meaning(
        _REPAIR, "The platform restricted the page. The message waits until the restriction ends."
    ),
    FailureReason.OPTED_OUT: Meaning(_NEVER, "The person stopped messages of this kind."),
    FailureReason.TRANSIENT: Meaning(_LATER, "The platform had a problem. It is tried again a few times."),
    FailureReason.AMBIGUOUS: Meaning(
        _HAND, "It is not certain whether the message arrived. Look at the conversation there."
    ),
    "NO_ANSWER": Meaning(_HAND, "The platform did not answer. We are finding out whether the message arrived."),
    "WORKER_GONE": Meaning(_HAND, "The sending was interrupted. We are finding out whether the message arrived."),
    "NOT_PROVEN": Meaning(
        _HAND, "The platform's list does not tell whether the message arrived. Look there, then say so here."
    ),
    "ABSENT_FROM_LIST": Meaning(_LATER, "The message certainly did not arrive. It is sent again by itself."),
    "WAITS_FOR_QUOTA": Meaning(
        _LATER, "The platform allows only so many messages in a time. It goes out as soon as it may."
    ),
    "SUPPRESSED": Meaning(_NEVER, "Nothing may be sent to this person. Lift the suppression first, if they agree."),
    "NO_CONSENT": Meaning(_NEVER, "The person did not agree to messages about this topic."),
    "CONSENT_EXPIRED": Meaning(_NEVER, "The person's agreement has run out. Ask them again."),
    "DAILY_CAP": Meaning(_NEVER, "The person already got a marketing message in this time."),
    "WINDOW_FULL": Meaning(
        _NEVER, "The page has sent as many messages as it may before the person writes again. Wait for them."
    ),
    "COMMENT_TOO_OLD": Meaning(_NEVER, "The comment is too old for a private answer. Answer in public."),
    "STOPPED": Meaning(_NEVER, "The campaign was stopped."),
    "APPROVAL_STALE": Meaning(_NEVER, "The content is not what was approved."),
    "UNIT_ARCHIVED": Meaning(_NEVER, "The unit is archived."),
    "UNIT_MOVED": Meaning(_NEVER, "The page no longer belongs to the unit that ordered the message."),
    "LEAVING": Meaning(_NEVER, "The unit or the person is leaving; what was queued is not sent."),
    "DELIVERY_FAILED": Meaning(_NEVER, "The platform took the message and could not deliver it."),
}


def text_of(reason: str | None) -> str | None:
    """Return the sentence for a reason; None for one that has none, or for no reason."""
    meaning = MEANINGS.get(reason or "")
    return None if meaning is None else meaning.text
