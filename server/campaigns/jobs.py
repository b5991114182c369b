"""Work that campaigns ask for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.jobs import Queue, job


@job("campaigns.start", Queue.CAMPAIGNS)
@dataclass(frozen=True, slots=True)
class StartCampaign:
    """Open the platforms' paid campaigns of an approved campaign whose time has come, and let it run."""

    campaign_id: UUID


@job("campaigns.expand", Queue.CAMPAIGNS)
@dataclass(frozen=True, slots=True)
class ExpandCampaign:
    """Turn the frozen audience into sends, a page at a time, from where the last run ended."""

    campaign_id: UUID


@job("campaigns.watch", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class WatchCampaign:
    """Look whether every send of a running campaign is settled, and then end the campaign."""

    campaign_id: UUID


@job("campaigns.import_costs", Queue.HOUSEKEEPING, backoff=timedelta(seconds=10))
@dataclass(frozen=True, slots=True)
class ImportCosts:
    """Read what a campaign has cost. `reading` 0 repeats while it runs; 1, 2 … follow its end, ever further apart."""

    campaign_id: UUID
    reading: int
