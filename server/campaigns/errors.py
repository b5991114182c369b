"""What can be refused about campaigns. Submit tells all of its problems at once."""

from __future__ import annotations

from server.kit.errors import DomainError


class WrongState(DomainError):
    """The campaign is not in a state in which this can be done; `data.state` says where it stands."""

    code = "campaign.wrong_state"

    def __init__(self, what: str, state: str) -> None:
        super().__init__(f"A campaign that is {state} cannot be {what}.", data={"state": state})


class RevisionChanged(DomainError):
    """Somebody edited the campaign after it was loaded; `data.revision` is the one it has now."""

    code = "campaign.revision_changed"

    def __init__(self, revision: int) -> None:
        super().__init__(
            "Somebody edited this campaign meanwhile. Load it again, then repeat your change.",
            path=("expectedRevision",),
            data={"revision": revision},
        )


class TemplateOverridden(DomainError):
    """The unit has its own wording of the template, which has no version that an approval could bind."""

    code = "campaign.template_overridden"


class WrongPurpose(DomainError):
    """The template is not made for marketing."""

    code = "campaign.wrong_purpose"


class MissingValues(DomainError):
    """Some recipients have no value for a variable, and there is no fallback. `data.recipients` lists up to 20."""

    code = "campaign.missing_values"


class TextTooLong(DomainError):
    """With its values the text is longer than the channel takes. `data.recipients` lists up to 20."""

    code = "campaign.text_too_long"


class UnusedFallback(DomainError):
    """A fallback stands in for a variable that the template does not have."""

    code = "campaign.unused_fallback"


class NoAudience(DomainError):
    """Nobody would get the campaign; `data.skipped` says why, by reason."""

    code = "campaign.no_audience"


class SegmentTooWide(DomainError):
    """A campaign to everybody needs a written reason (S1-16)."""

    code = "campaign.segment_too_wide"


class PageNotReady(DomainError):
    """A sender page cannot send marketing: `data.pageIds` lists which."""

    code = "campaign.page_not_ready"


class ScheduleInPast(DomainError):
    """The planned start has passed."""

    code = "campaign.schedule_in_past"
