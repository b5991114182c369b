"""The trace of a privileged read is committed before anything is shown; queries themselves run READ ONLY.

What an answer shows is collected while it is made. The endpoint commits the traces on the operation's own connection, after
the reading and before the first byte leaves; so does a subscription before each change that it tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from server.audit import service as audit
from server.inbox.models import MessageRow, NoteRow
from server.inbox.views import ConversationView
from server.schema.context import ApiContext


def trace_views(context: ApiContext, views: Iterable[ConversationView]) -> None:
    """Leave traces of what the caller is about to be shown of conversations, unless they are assigned to the caller."""
    mine = context.scope.actor.id
    for view in views:
        if view.assignee_id != mine:
            _trace(context, view.id, view.unit_id)


def trace_rows(context: ApiContext, rows: Iterable[MessageRow | NoteRow]) -> None:
    """Leave traces of single messages and notes."""
    for row in rows:
        _trace(context, row.conversation_id, row.unit_id)


def _trace(context: ApiContext, conversation_id: UUID, unit_id: UUID) -> None:
    if audit.is_privileged(context.scope, unit_id):
        context.traces[conversation_id] = unit_id
