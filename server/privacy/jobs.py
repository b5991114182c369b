"""Work that leaving asks for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.jobs import Queue, job


@job("privacy.offboard", Queue.HOUSEKEEPING, max_attempts=40, backoff=timedelta(seconds=5))
@dataclass(frozen=True, slots=True)
class Offboard:
    """Carry out the next step of an off-boarding; each step asks for the next as new work with attempts of its own."""

    offboarding_id: UUID


@job("privacy.erase_contact", Queue.HOUSEKEEPING, max_attempts=20, backoff=timedelta(seconds=5))
@dataclass(frozen=True, slots=True)
class EraseContact:
    """Erase one contact everywhere, and end the operation that somebody watches."""

    contact_id: UUID
    operation_id: UUID
