"""Queries of legal access and legal holds."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.audit import service
from server.kit.pagination import PageArguments
from server.schema.audit import legal_reading
from server.schema.audit.legal_types import LegalAccess, LegalConversation, LegalHold
from server.schema.context import Info
from server.schema.cost import PAGED, Cost, ListSize
from server.schema.inbox.types import Message
from server.schema.nodes import Kind, uid
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission

AccessId = Annotated[strawberry.ID, strawberry.argument(description="A legal access that the caller asked for.")]


@strawberry.type
class LegalQuery:
    """Root fields about legal access and legal holds."""

    @query(
        None,
        "Legal accesses that the caller asked for or may see, newest first; asked for, granted, refused and over.",
        costs=PAGED,
    )
    async def legal_accesses(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[LegalAccess]:
        """List legal accesses."""
        async with info.context.read() as uow:
            page = await service.list_accesses(uow, PageArguments(first, after, last, before))
        return connection(page, LegalAccess.of)

    @query(
        None,
        "Legal holds at units where the caller has legal:request or legal:grant, newest first; lifted ones too.",
        costs=PAGED,
    )
    async def legal_holds(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[LegalHold]:
        """List legal holds."""
        async with info.context.read() as uow:
            page = await service.list_holds(uow, PageArguments(first, after, last, before))
        return connection(page, LegalHold.of)

    @query(
        Permission.LEGAL_REQUEST,
        "The conversations that a granted access names, newest first, at most 100. Only for whoever asked, until it is over; "
        "each time is written into the trail.",
        costs=[Cost(weight=2, statements=16), ListSize(assumed_size=100)],
    )
    async def legal_access_conversations(self, info: Info, legal_access_id: AccessId) -> list[LegalConversation]:
        """List what may be read."""
        found = await legal_reading.conversations(
            info.context, uid(Kind.LEGAL_ACCESS, legal_access_id, "legalAccessId")
        )
        return [LegalConversation.of(view) for view in found]

    @query(
        Permission.LEGAL_REQUEST,
        "Messages of one conversation that a granted access names, by the platform's time, oldest first; without arguments "
        "the newest 25. Only for whoever asked, until it is over, also without inbox:read; each time is written into the trail.",
        costs=[Cost(weight=2, statements=16), *PAGED[1:]],
    )
    async def legal_access_messages(
        self,
        info: Info,
        legal_access_id: AccessId,
        conversation_id: Annotated[strawberry.ID, strawberry.argument(description="One of its conversations.")],
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Message]:
        """Read messages."""
        access_id = uid(Kind.LEGAL_ACCESS, legal_access_id, "legalAccessId")
        wanted = uid(Kind.CONVERSATION, conversation_id, "conversationId")
        page = await legal_reading.messages(info.context, access_id, wanted, PageArguments(first, after, last, before))
        return connection(page, Message.of)
