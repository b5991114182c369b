"""How approvals leave. A request holds a campaign's wording and the names of its pages, and nothing of single contacts."""

from __future__ import annotations

from server.approvals.models import ApprovalDecisionRow, ApprovalRequestRow
from server.tenants.leaving import How, Leaving, of_units

LEAVING = (
    Leaving(ApprovalDecisionRow, How.ROWS, of_units(ApprovalDecisionRow.unit_id)),
    Leaving(ApprovalRequestRow, How.ROWS, of_units(ApprovalRequestRow.unit_id)),
)
