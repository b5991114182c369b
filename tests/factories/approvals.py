"""Questions that wait for a decision."""

from __future__ import annotations

from uuid import UUID

from server.approvals import service as approvals
from server.approvals.models import ApprovalRequestRow
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization

DIGEST = b"d" * 32


async def a_request(
    database: Database,
    organization: AnOrganization,
    unit_id: UUID,
    *,
    authors: frozenset[UUID] = frozenset(),
    quorum: int = 1,
    subject_id: UUID | None = None,
    digest: bytes = DIGEST,
) -> ApprovalRequestRow:
    """Ask for a decision on a subject of the unit."""
    question = approvals.ApprovalQuestion(
        subject_kind="CAMPAIGN",
        subject_id=subject_id or new_id(),
        unit_id=unit_id,
        digest=digest,
        summary={"name": "Spring sale"},
        author_ids=authors,
        quorum=quorum,
    )
    async with begin(database, organization.scope) as uow:
        return await approvals.request(uow, question)
