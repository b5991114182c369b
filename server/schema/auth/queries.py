"""Queries of access tokens."""

from __future__ import annotations

import strawberry

from server.auth import service
from server.kit.pagination import PageArguments
from server.schema.auth.types import Token
from server.schema.context import Info
from server.schema.cost import PAGED
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query


@strawberry.type
class AuthQuery:
    """Root fields about tokens."""

    @query(
        None,
        "The caller's own tokens, and with token:manage those it manages; newest first, never with a secret.",
        costs=PAGED,
    )
    async def tokens(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Token]:
        """List tokens."""
        async with info.context.read() as uow:
            page = await service.list_tokens(uow, PageArguments(first, after, last, before))
        return connection(page, Token.of)
