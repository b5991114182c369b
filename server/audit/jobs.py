"""Work on the trail that is asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.kit.jobs import Queue, job


@job("audit.write_export", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class WriteExport:
    """Write the events of a range of times into a file. Owed once per operation (the key is the operation's id)."""

    operation_id: UUID
    since: datetime | None
    until: datetime | None
