"""Work that contacts ask for later."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.kit.jobs import Queue, job


@job("contacts.read_profile", Queue.HOUSEKEEPING, max_attempts=4)
@dataclass(frozen=True, slots=True)
class ReadProfile:
    """Ask the page's platform for the name of a person who is new to us."""

    contact_id: UUID
    page_id: UUID
    external_id: str
