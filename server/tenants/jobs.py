"""Work on the tree that is asked for later."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from server.kit.jobs import Queue, job
from server.tenants.sheets import SheetFormat


@job("tenants.import_units", Queue.HOUSEKEEPING)
@dataclass(frozen=True, slots=True)
class ImportUnits:
    """Read a stored file and make or change the units that it names. Owed at most once per operation (the key)."""

    operation_id: UUID
    format: SheetFormat
