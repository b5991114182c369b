"""Live changes of the inbox: a hint says that something changed, the change itself is always read from the tables.

The order is what makes it complete: listen first, then replay what happened after the client's cursor, then read again
after each hint and from time to time. A lost hint costs seconds, a lost connection nothing. That somebody's rights changed
is a hint too: it ends the subscription, or narrows it, also in the middle of a batch and when nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry

from server.inbox import service
from server.inbox.views import ConversationView
from server.kit.errors import DomainError, Unavailable
from server.kit.live import Hint
from server.schema.answers import refusal
from server.schema.context import Info
from server.schema.cost import LOADED
from server.schema.declarations import Requires, readable
from server.schema.errors import ApiError
from server.schema.inbox import plan
from server.schema.inbox.traces import trace_views
from server.schema.inbox.types import Conversation
from server.schema.nodes import Kind, uid_or_none
from server.schema.permissions import check
from server.schema.spending import solvent
from server.tenants.reach import units_below
from server.tenants.rules import Permission
from server.tenants.service import ACCESS

QUIET_S = 15.0
"""How long a subscription waits without a hint before it looks by itself: for a token that is over, or a hint that was lost."""
HELD_BACK_S = 0.1
"""How soon it looks again while an older transaction holds changes back; doubles up to MAX_HELD_BACK_S."""
MAX_HELD_BACK_S = 2.0


@readable(Permission.INBOX_READ)
@strawberry.type(description="One conversation that changed, as the caller may see it now.")
class InboxChange:
    """A change."""

    cursor: str = strawberry.field(description="Give the last one as `after` when subscribing again; nothing is lost.")
    conversation: Conversation = strawberry.field(description="The conversation as it is now.")


@dataclass(frozen=True, slots=True)
class _Batch:
    """What changed after a cursor. `is_full`: there is more. `is_held_back`: there is more, but not to be given yet."""

    changes: list[tuple[ConversationView, str]]
    cursor: str
    is_full: bool
    is_held_back: bool


@strawberry.type
class InboxSubscription:
    """Live fields of the inbox."""

    @strawberry.subscription(
        description="Conversations as they change, each once for several changes in a row. Needs inbox:read. A right that is"
        " revoked ends it with UNAUTHENTICATED or FORBIDDEN, and a token's budget that is used up for more than 5 seconds with"
        " RATE_LIMITED: subscribe again after the last cursor then. Each change costs the price of the operation.",
        directives=[*LOADED, Requires(permission=Permission.INBOX_READ.value)],
    )
    async def inbox_changes(
        self,
        info: Info,
        after: Annotated[
            str | None,
            strawberry.argument(description="Replay what changed after this cursor of inboxCursor or of a change."),
        ] = None,
        unit_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only conversations of this unit and under it.")
        ] = None,
    ) -> AsyncGenerator[InboxChange, None]:
        """Tell what changes."""
        sufficient = plan.enough(info, "conversation")
        parts = plan.parts(info, sufficient, "conversation")
        try:
            check(info, Permission.INBOX_READ)
            wanted = uid_or_none(Kind.UNIT, unit_id, "unitId")
            organization_id = info.context.scope.organization_id
            inbox, access = Hint("inbox", organization_id), Hint(ACCESS, organization_id)
            cursor, pause = after, HELD_BACK_S
            listener = info.context.services.listener
            async with listener.watching(inbox, access) as wake, listener.watching(access) as revoked:
                while True:
                    wake.clear()
                    revoked.clear()
                    batch = await _read(info, cursor, wanted)
                    if parts.last_message:
                        trace_views(info.context, [view for view, _ in batch.changes])
                    for view, position in batch.changes:
                        if revoked.is_set():
                            break  # the rest of the batch is read again, with what the caller may see now
                        cursor = position
                        yield InboxChange(cursor=position, conversation=Conversation.of(view, sufficient))
                    else:
                        cursor = batch.cursor
                        if not batch.is_full:
                            pause = min(pause * 2, MAX_HELD_BACK_S) if batch.is_held_back else HELD_BACK_S
                            await _wait(wake, pause if batch.is_held_back else QUIET_S)
        except (ApiError, Unavailable, DomainError) as error:
            raise refusal(error, info.context.request_id) from error


async def _read(info: Info, cursor: str | None, unit_id: UUID | None) -> _Batch:
    """Read what changed, with the rights of this moment, when what was told before is paid."""
    await solvent(info.context)
    await info.context.refresh()
    check(info, Permission.INBOX_READ)
    async with info.context.read() as uow:
        reached = None if unit_id is None else await units_below(uow, unit_id)
        changes, position = await service.changes_after(uow, cursor)
        is_full = bool(changes) and changes[-1][1] == position
        is_held_back = not is_full and await service.has_unsettled_changes(uow, position)
    shown = [one for one in changes if reached is None or one[0].unit_id in reached]
    return _Batch(shown, position, is_full, is_held_back)


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
