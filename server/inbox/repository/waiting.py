"""SQL of people who wait for an answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.inbox.models import ConversationRow, ConversationStatus, Direction, MessageRow, MessageState
from server.inbox.repository.replies import is_marketing
from server.tenants.cuts import at, is_one_of

_LEFT = (MessageState.SENT, MessageState.DELIVERED, MessageState.READ)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation in which the contact waits: since their oldest message that came after our last answer."""

    conversation_id: UUID
    unit_id: UUID
    since: datetime


async def waiting(
    session: AsyncSession, organization_id: UUID, ids: Collection[UUID], unit_ids: Collection[UUID] | None
) -> Sequence[Waiting]:
    """Return those of the conversations in which somebody waits; `unit_ids` None stands for every unit.

    A message that never left is no answer, and neither is one of a campaign. Nobody waits in a resolved conversation.
    """
    row, asked = ConversationRow, aliased(MessageRow)
    answered = (
        select(func.max(MessageRow.occurred_at))
        .where(
            MessageRow.organization_id == row.organization_id,
            MessageRow.conversation_id == row.id,
            MessageRow.direction == Direction.OUTBOUND,
            MessageRow.state.in_(_LEFT),
            ~is_marketing(),
        )
        .correlate(row)
        .scalar_subquery()
    )
    statement = (
        select(row.id, row.unit_id, func.min(asked.occurred_at))
        .join(asked, (asked.organization_id == row.organization_id) & (asked.conversation_id == row.id))
        .where(
            row.organization_id == organization_id,
            is_one_of(row.id, ids),
            at(row.unit_id, unit_ids),
            row.status != ConversationStatus.RESOLVED,
            asked.direction == Direction.INBOUND,
            asked.occurred_at > func.coalesce(answered, literal("-infinity").cast(MessageRow.occurred_at.type)),
        )
        .group_by(row.id, row.unit_id)
    )
    return [Waiting(*found) for found in await session.execute(statement)]
