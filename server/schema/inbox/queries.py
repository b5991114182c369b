"""Queries of the inbox."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.inbox import service, views
from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import LOADED, PAGED
from server.schema.enums import Category, ConversationStatus, Folder
from server.schema.inbox import plan
from server.schema.inbox.traces import trace_views
from server.schema.inbox.types import Conversation
from server.schema.nodes import Kind, found, uid_or_none
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission

_WAYS = ("nodes", "edges.node")


@strawberry.input(description="Which conversations are wanted; what is left out is no condition, all others hold.")
class ConversationFilter:
    """Conditions on conversations."""

    status: ConversationStatus | None = strawberry.field(default=None, description="Where our work stands.")
    folder: Folder | None = strawberry.field(default=None, description="Where the platform put it.")
    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those of this unit and of everything under it."
    )
    page_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this page.")
    assignee_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this member.")
    unassigned: bool | None = strawberry.field(default=None, description="true: those of nobody; false: the others.")
    label_id: strawberry.ID | None = strawberry.field(default=None, description="Only those with this label.")
    category: Category | None = strawberry.field(default=None, description="What they are about.")

    def read(self) -> views.ConversationFilter:
        """Return the conditions as the service takes them; raise NotFound for an id that none could have."""
        return views.ConversationFilter(
            status=self.status,
            folder=self.folder,
            unit_id=uid_or_none(Kind.UNIT, self.unit_id, "filter", "unitId"),
            page_id=uid_or_none(Kind.PAGE, self.page_id, "filter", "pageId"),
            assignee_id=uid_or_none(Kind.MEMBER, self.assignee_id, "filter", "assigneeId"),
            unassigned=self.unassigned,
            label_id=uid_or_none(Kind.LABEL, self.label_id, "filter", "labelId"),
            category=self.category,
        )


@strawberry.type
class InboxQuery:
    """Root fields about conversations."""

    @query(Permission.INBOX_READ, "The inbox: conversations, newest message first.", costs=PAGED)
    async def conversations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[ConversationFilter | None, strawberry.argument(description="Which conversations.")] = None,
    ) -> Connection[Conversation]:
        """List conversations."""
        wanted = (filter or ConversationFilter()).read()
        sufficient = plan.enough(info, *_WAYS)
        parts = plan.parts(info, sufficient, *_WAYS)
        async with info.context.read() as uow:
            arguments = PageArguments(first, after, last, before)
            page = await service.list_conversations(uow, arguments, wanted, parts)
        if parts.last_message:
            trace_views(info.context, page.items)
        return connection(page, lambda view: Conversation.of(view, sufficient))

    @query(Permission.INBOX_READ, "One conversation; null if there is none in reach.", costs=LOADED)
    async def conversation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The conversation.")]
    ) -> Conversation | None:
        """Show a conversation."""
        return await found(info.context, id, Conversation)

    @query(
        Permission.INBOX_READ,
        "The position of now, to start the subscription inboxChanges from. Ask for it before reading the inbox: what changes"
        " in between is then told, not lost.",
        costs=LOADED,
    )
    async def inbox_cursor(self, info: Info) -> str:
        """Show where changes go on."""
        async with info.context.read() as uow:
            _, cursor = await service.changes_after(uow, None)
        return cursor
