"""Work on templates that is asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.kit.jobs import Queue, job


@job("templates.place_release", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class PlaceRelease:
    """Place the next page of a release. Owed at most once per release (the key is the release's id)."""

    release_id: UUID
