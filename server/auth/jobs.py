"""Work on sign-in and people that is asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.jobs import Queue, job


@job("auth.send_invitation", Queue.HOUSEKEEPING, max_attempts=12, backoff=timedelta(seconds=5))
@dataclass(frozen=True, slots=True)
class SendInvitation:
    """Make the secret of an invitation's link and mail it. Owed at most once per invitation (the key is its id)."""

    invitation_id: UUID
