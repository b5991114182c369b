"""The trace of a privileged read is committed before anything is shown; queries themselves run READ ONLY."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from strawberry.dataloader import DataLoader

from server.audit import service as audit
from server.inbox.models import MessageRow, NoteRow
from server.inbox.views import ConversationView
from server.schema.context import ApiContext
from server.tenants.uow import begin

Read = tuple[UUID, UUID]
"""A conversation and its unit."""


async def trace_views(context: ApiContext, views: Iterable[ConversationView]) -> None:
    """Leave traces of what the caller is about to be shown of conversations, unless they are assigned to the caller."""
    mine = context.scope.actor.id
    await _trace(context, [(view.id, view.unit_id) for view in views if view.assignee_id != mine])


async def trace_rows(context: ApiContext, rows: Iterable[MessageRow | NoteRow]) -> None:
    """Leave traces of single messages and notes."""
    await _trace(context, [(row.conversation_id, row.unit_id) for row in rows])


async def _trace(context: ApiContext, reads: list[Read]) -> None:
    privileged = [read for read in reads if audit.is_privileged(context.scope, read[1])]
    if privileged:
        await _loader(context).load_many(privileged)


def _loader(context: ApiContext) -> DataLoader[Read, None]:
    """Return the request's writer of traces: siblings that read at the same time share one transaction."""
    if context.traces is None:

        async def write(reads: list[Read]) -> list[None]:
            async with begin(context.services.database, context.scope) as uow:
                await audit.trace_reads(uow, dict(reads))
            return [None] * len(reads)

        context.traces = DataLoader(load_fn=write, cache=False)
    return context.traces
