"""Work of public comments asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.kit.jobs import Queue, job


@job("comments.forget_texts", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class ForgetTexts:
    """Forget the words of strangers on a page whose platform's terms limit how long they may be kept."""

    page_id: UUID
