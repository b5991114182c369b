"""How known documents leave: they are the organization's, not a unit's and not a person's."""

from __future__ import annotations

from server.documents.models import DocumentUseRow, KnownDocumentRow
from server.tenants.leaving import How, Leaving

LEAVING = (
    Leaving(
        KnownDocumentRow,
        How.STAYS,
        note="texts of queries that the organization's front ends send; they name no unit and no contact, and staff by id only",
    ),
    Leaving(DocumentUseRow, How.STAYS, note="counts per client build and day, kept for 90 days; they name nobody"),
)
