"""Pure decisions about public comments: how news of one change it, whatever the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from server.comments.models import Visibility
from server.platforms.capabilities.capability import Capability


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a public text. `told_at` is the time of its newest wording; None as long as there is none.

    `shown_at` is when it was last hidden or shown again; None as long as nothing was told about that.
    """

    text: str | None
    visibility: Visibility
    told_at: datetime | None
    is_edited: bool = False
    rating: int | None = None
    recommendation: str | None = None
    shown_at: datetime | None = None

    @property
    def is_worded(self) -> bool:
        """Say whether it says anything."""
        return self.text is not None or self.rating is not None or self.recommendation is not None


_SHOWN = {"hide": Visibility.HIDDEN, "unhide": Visibility.VISIBLE}
_NEVER = float("-inf")
_MARGIN = timedelta(hours=1)
End = TypeVar("End", datetime, timedelta)
_NOTHING = Standing(None, Visibility.VISIBLE, None)


def first(verb: str, news: Standing) -> Standing:
    """Return what the first news of a text says."""
    return changed(_NOTHING, verb, news)


def changed(before: Standing, verb: str, news: Standing) -> Standing:
    """Return what a text is after some news: the same for every order in which the news come.

    What was removed has no words for us and does not come back. Of two words about its visibility, and of two wordings, the
    later one stands; of the same moment the hidden one, and the wording that sorts later.
    """
    is_edited = before.is_edited or verb == "edited"
    if Visibility.REMOVED is before.visibility or verb == "remove":
        return Standing(None, Visibility.REMOVED, None, is_edited)
    visibility, shown_at = _shown(before, verb, news.told_at)
    words = news if news.is_worded and _order(news) > _order(before) else before
    return replace(words, visibility=visibility, shown_at=shown_at, is_edited=is_edited)


def _shown(before: Standing, verb: str, at: datetime | None) -> tuple[Visibility, datetime | None]:
    told = _SHOWN.get(verb)
    if told is None or _moment(at) < _moment(before.shown_at):
        return before.visibility, before.shown_at
    if at == before.shown_at and before.visibility is Visibility.HIDDEN:
        return before.visibility, at
    return told, at


def _order(standing: Standing) -> tuple[float, str, int, str]:
    at = _moment(standing.told_at) if standing.is_worded else _NEVER
    return (at, standing.text or "", standing.rating or 0, standing.recommendation or "")


def _moment(at: datetime | None) -> float:
    return _NEVER if at is None else at.timestamp()


def private_reply_until(capability: Capability, occurred_at: datetime) -> datetime | None:
    """Return until when one private reply to a comment is possible; None where the channel has none."""
    window = capability.private_reply_window
    return None if window is None else occurred_at + window


@dataclass(frozen=True, slots=True)
class Kept:
    """Until when a stranger's words and name may stand in our tables; None where the platform's terms set no end."""

    text: datetime | None
    name: datetime | None

    @property
    def first(self) -> datetime | None:
        """Return when something must be forgotten."""
        return sooner(self.text, self.name)


FOREVER = Kept(None, None)


def kept_until(capability: Capability, received_at: datetime) -> Kept:
    """Return until when what was received then may be kept.

    An hour is left for the work itself, so that the platform's limit holds also when the clock of the job runs late.
    """
    text, name = (
        None if kept is None else received_at + kept - _MARGIN
        for kept in (capability.public_text_kept, capability.public_names_kept)
    )
    return Kept(text, name)


def forgotten_before(capability: Capability, now: datetime) -> datetime | None:
    """Return when a raw event, which holds words and names, must have come in to be forgotten by now; None for never."""
    kept = sooner(capability.public_text_kept, capability.public_names_kept)
    return None if kept is None else now - kept + _MARGIN


def sooner(one: End | None, other: End | None) -> End | None:
    """Return the earlier of two ends, of which None is none."""
    return min((end for end in (one, other) if end is not None), default=None)
