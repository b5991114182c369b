"""Queries of the audit trail."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry

from server.audit import service
from server.kit import ids
from server.kit.errors import NotFound
from server.kit.pagination import PageArguments
from server.schema.audit.types import AuditEvent, AuditHead
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which acts. What is not given does not restrict.")
class AuditEventFilter:
    """A filter of acts."""

    subject_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only acts on this object, of whatever kind; it need not exist any more."
    )


@strawberry.type
class AuditQuery:
    """Root fields about the trail."""

    @query(Permission.AUDIT_READ, "The trail, newest first. Needs audit:read on the whole organization.", costs=PAGED)
    async def audit_events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[AuditEventFilter | None, strawberry.argument(description="Which acts.")] = None,
    ) -> Connection[AuditEvent]:
        """List acts."""
        subject = _subject(filter.subject_id) if filter and filter.subject_id is not None else None
        async with info.context.read() as uow:
            page = await service.list_events(uow, PageArguments(first, after, last, before), subject_id=subject)
        return connection(page, AuditEvent.of)

    @query(
        Permission.AUDIT_READ,
        "The end of the trail, to be noted outside of our reach. Needs audit:read on the whole organization.",
        costs=LOADED,
    )
    async def audit_head(self, info: Info) -> AuditHead:
        """Show the end."""
        async with info.context.read() as uow:
            return AuditHead.of(await service.head(uow))


def _subject(text: str) -> UUID:
    try:
        return ids.decode(text)[1]
    except ids.MalformedId as error:
        raise NotFound(path=("filter", "subjectId")) from error
