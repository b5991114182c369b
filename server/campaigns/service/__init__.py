"""Use cases of campaigns, as `from server.campaigns import service as campaigns`; one module per part of the story."""

from __future__ import annotations

from server.campaigns.repository.audience import Recipient
from server.campaigns.service.costs import CostSource, cost_sources, read_again, record_costs
from server.campaigns.service.drafts import (
    CampaignDraft,
    campaign,
    campaigns_by_id,
    create_draft,
    draft_of,
    edit,
    list_campaigns,
    pages_of,
)
from server.campaigns.service.results import CampaignResults, recipients, results, results_of
from server.campaigns.service.review import Preview, decide, preview, submit
from server.campaigns.service.run import (
    Opening,
    begin_run,
    cancel,
    expand,
    opening,
    pause,
    record_opened,
    resume,
    watch,
)

__all__ = [
    "CampaignDraft",
    "CampaignResults",
    "CostSource",
    "Opening",
    "Preview",
    "Recipient",
    "begin_run",
    "campaign",
    "campaigns_by_id",
    "cancel",
    "cost_sources",
    "create_draft",
    "decide",
    "draft_of",
    "edit",
    "expand",
    "list_campaigns",
    "opening",
    "pages_of",
    "pause",
    "preview",
    "read_again",
    "recipients",
    "record_costs",
    "record_opened",
    "results",
    "results_of",
    "resume",
    "submit",
    "watch",
]
