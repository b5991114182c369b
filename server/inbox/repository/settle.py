"""SQL of settled sends: many messages follow their sends in a constant number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from server.inbox.models import ConversationRow, MessageRow, MessageState


@dataclass(frozen=True, slots=True)
class Following:
    """What one message becomes because its send was settled."""

    id: UUID
    send_id: UUID
    state: MessageState
    state_reason: str | None
    platform_message_id: str | None
    occurred_at: datetime


async def lock_pairs(
    session: AsyncSession, organization_id: UUID, pairs: Sequence[tuple[UUID, UUID]]
) -> Sequence[UUID]:
    """Lock the conversations of these (page, contact) pairs in the order of their ids, so that no two runs block each other."""
    statement = (
        select(ConversationRow.id)
        .where(
            ConversationRow.organization_id == organization_id,
            tuple_(ConversationRow.page_id, ConversationRow.contact_id).in_(pairs),
        )
        .order_by(ConversationRow.id)
        .with_for_update()
    )
    return (await session.scalars(statement)).all()


async def messages_of(
    session: AsyncSession, organization_id: UUID, send_ids: Sequence[UUID], named: Sequence[tuple[UUID, str]]
) -> Sequence[MessageRow]:
    """Return the messages of these sends, and those that nobody's send claims under these (page, platform id)."""
    statement = select(MessageRow).where(
        MessageRow.organization_id == organization_id,
        or_(
            MessageRow.send_id.in_(send_ids),
            and_(MessageRow.send_id.is_(None), tuple_(MessageRow.page_id, MessageRow.platform_message_id).in_(named)),
        ),
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


async def follow_many(session: AsyncSession, organization_id: UUID, followings: Sequence[Following]) -> None:
    """Write what the messages become, in one statement; the caller has locked their conversations."""
    statement = text(
        "UPDATE message SET state = f.state, state_reason = f.reason, send_id = f.send_id,"
        " platform_message_id = f.mid, occurred_at = f.occurred_at"
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:sends AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]),"
        "  CAST(:mids AS text[]), CAST(:times AS timestamptz[])) AS f(id, send_id, state, reason, mid, occurred_at)"
        " WHERE message.organization_id = :organization AND message.id = f.id"
    )
    await session.execute(
        statement,
        {
            "organization": organization_id,
            "ids": [one.id for one in followings],
            "sends": [one.send_id for one in followings],
            "states": [one.state.value for one in followings],
            "reasons": [one.state_reason for one in followings],
            "mids": [one.platform_message_id for one in followings],
            "times": [one.occurred_at for one in followings],
        },
    )
