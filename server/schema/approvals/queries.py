"""Queries of approvals. Decisions are mutations of what is decided on, such as campaignDecide."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.approvals import service
from server.kit.pagination import PageArguments
from server.schema.approvals.types import ApprovalRequest
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.enums import ApprovalState
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which approval requests. What is not given does not restrict.")
class ApprovalRequestFilter:
    """A filter of requests."""

    state: ApprovalState | None = strawberry.field(default=None, description="Only those that stand so.")
    unit_id: strawberry.ID | None = strawberry.field(default=None, description="Only those about this unit itself.")


@strawberry.type
class ApprovalsQuery:
    """Root fields about approvals."""

    @query(Permission.CAMPAIGN_READ, "Approval requests in reach, newest first.", costs=PAGED)
    async def approval_requests(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[ApprovalRequestFilter | None, strawberry.argument(description="Which requests.")] = None,
    ) -> Connection[ApprovalRequest]:
        """List requests."""
        wanted = filter or ApprovalRequestFilter()
        unit_id = uid_or_none(Kind.UNIT, wanted.unit_id, "filter", "unitId")
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            page = await service.list_requests(uow, arguments, state=wanted.state, unit_id=unit_id)
        return connection(page, ApprovalRequest.of)
