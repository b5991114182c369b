"""SQL of public replies whose outcome nobody knew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.platforms.port import OutgoingKind
from server.sends.models import SendIntentRow, SendState
from server.sends.repository.intents import SettledSend, settle_echo


async def is_attributed(session: AsyncSession, organization_id: UUID, page_id: UUID, platform_id: str) -> bool:
    """Say whether a send of the page carries this id."""
    statement = select(SendIntentRow.id).where(
        SendIntentRow.organization_id == organization_id,
        SendIntentRow.page_id == page_id,
        SendIntentRow.platform_message_id == platform_id,
    )
    return (await session.scalars(statement.limit(1))).first() is not None


async def unknown_replies(
    session: AsyncSession,
    organization_id: UUID,
    page_id: UUID,
    kind: OutgoingKind,
    comment_ids: Sequence[str],
    claimed_before: datetime,
) -> Sequence[SendIntentRow]:
    """Lock and return the page's unknown sends of this kind to these comments, oldest first."""
    statement = (
        select(SendIntentRow)
        .where(
            SendIntentRow.organization_id == organization_id,
            SendIntentRow.page_id == page_id,
            SendIntentRow.kind == kind,
            SendIntentRow.comment_id.in_(comment_ids),
            SendIntentRow.state.in_((SendState.UNKNOWN, SendState.NEEDS_HUMAN)),
            SendIntentRow.claimed_at <= claimed_before,
        )
        .order_by(SendIntentRow.claimed_at, SendIntentRow.id)
        .with_for_update()
    )
    return (await session.scalars(statement)).all()


async def settle(
    session: AsyncSession, organization_id: UUID, send_id: UUID, platform_id: str, at: datetime
) -> SettledSend | None:
    """Mark one send as sent under this id."""
    conditions = (SendIntentRow.organization_id == organization_id, SendIntentRow.id == send_id)
    return next(iter(await settle_echo(session, conditions, platform_id, at)), None)
