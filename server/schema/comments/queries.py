"""Queries of public comments."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.comments import service
from server.comments.service import Wanted
from server.kit.pagination import PageArguments
from server.schema.comments.types import PublicComment
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.enums import PublicKind
from server.schema.nodes import Kind, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(description="Which public texts are wanted; what is left out is no condition.")
class PublicCommentFilter:
    """Conditions on public texts."""

    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those of this unit and of everything under it."
    )
    page_id: strawberry.ID | None = strawberry.field(default=None, description="Only those about this page.")
    kind: PublicKind | None = strawberry.field(default=None, description="Only comments, mentions or reviews.")
    post_id: str | None = strawberry.field(
        default=None, description="Only those below the post that the network calls so; at most 1,000 characters."
    )
    is_handled: bool | None = strawberry.field(
        default=None, description="Only those that need something of us (false) or nothing more (true)."
    )


@strawberry.type
class CommentsQuery:
    """Root fields about public texts."""

    @query(
        Permission.INBOX_READ,
        "What the public says about pages, newest first: comments, mentions, reviews.",
        costs=PAGED,
    )
    async def public_comments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[PublicCommentFilter | None, strawberry.argument(description="Which texts.")] = None,
    ) -> Connection[PublicComment]:
        """List public texts."""
        asked = filter or PublicCommentFilter()
        wanted = Wanted(
            unit_id=uid_or_none(Kind.UNIT, asked.unit_id, "filter", "unitId"),
            page_id=uid_or_none(Kind.PAGE, asked.page_id, "filter", "pageId"),
            kind=asked.kind,
            post_id=asked.post_id,
            is_handled=asked.is_handled,
        )
        async with info.context.read() as uow:
            page = await service.list_comments(uow, PageArguments(first, after, last, before), wanted)
        return connection(page, PublicComment.of)
