"""What of the audit leaves: nothing. The trail outlives its subjects and holds no message, no name of a contact."""

from __future__ import annotations

from server.audit.models import AuditEventRow, AuditHeadRow, LegalAccessRow, LegalHoldRow, ReadTraceRow
from server.tenants.leaving import How, Leaving

_NOTE = "the trail proves what was done, also to those who left; it holds ids and no content"

LEAVING = (
    Leaving(AuditEventRow, How.STAYS, note=_NOTE),
    Leaving(AuditHeadRow, How.STAYS, note=_NOTE),
    Leaving(ReadTraceRow, How.STAYS, note="says for an hour that somebody read an id"),
    Leaving(LegalAccessRow, How.STAYS, note="who read what on which legal basis is proof; it holds ids and references"),
    Leaving(
        LegalHoldRow, How.STAYS, note="an order of an authority is kept with the trail; it holds ids and references"
    ),
)
