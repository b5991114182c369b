"""Queries of dead letters."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.kit import dead_letters
from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.enums import DeadLetterSource
from server.schema.jobs.types import DeadLetter
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which dead letters are wanted; what is left out is no condition.")
class DeadLetterFilter:
    """Conditions on dead letters."""

    source: DeadLetterSource | None = strawberry.field(default=None, description="Only those that were this before.")


@strawberry.type
class JobsQuery:
    """Root fields about work that went wrong."""

    @query(
        Permission.DEAD_LETTER_READ,
        "What could not be carried out or placed, newest first. Needs dead_letter:read on the whole organization.",
        costs=PAGED,
    )
    async def dead_letters(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[DeadLetterFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[DeadLetter]:
        """List dead letters."""
        arguments = PageArguments(first, after, last, before)
        source = filter.source if filter else None
        async with info.context.read() as uow:
            uow.scope.require(Permission.DEAD_LETTER_READ, None)
            page = await dead_letters.list_newest(uow.session, uow.scope.organization_id, arguments, source=source)
        return connection(page, DeadLetter.of)
