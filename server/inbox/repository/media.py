"""SQL of our copies of attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.contacts.models import ContactIdentityRow
from server.inbox.models import ConversationRow, MessageMediaRow, MessageRow
from server.tenants.cuts import in_reach
from server.tenants.scope import Scope


@dataclass(frozen=True, slots=True)
class Illustrated:
    """A message with attachments, as its platform knows it."""

    unit_id: UUID
    page_id: UUID
    platform_message_id: str | None
    attachments: list[dict[str, object]]
    thread_external_id: str | None


async def illustrated(session: AsyncSession, organization_id: UUID, message_id: UUID) -> Illustrated | None:
    """Return a message that has its content, with the name of its conversation on the platform."""
    statement = (
        select(
            MessageRow.unit_id,
            MessageRow.page_id,
            MessageRow.platform_message_id,
            MessageRow.attachments,
            ContactIdentityRow.thread_external_id,
        )
        .join(
            ConversationRow,
            (ConversationRow.organization_id == MessageRow.organization_id)
            & (ConversationRow.id == MessageRow.conversation_id),
        )
        .outerjoin(
            ContactIdentityRow,
            (ContactIdentityRow.organization_id == ConversationRow.organization_id)
            & (ContactIdentityRow.contact_id == ConversationRow.contact_id)
            & (ContactIdentityRow.page_id == ConversationRow.page_id),
        )
        .where(
            MessageRow.organization_id == organization_id,
            MessageRow.id == message_id,
            MessageRow.unsent_at.is_(None),
        )
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Illustrated(*row)


async def is_still_there(session: AsyncSession, organization_id: UUID, message_id: UUID) -> bool:
    """Lock a message and say whether it still has its content."""
    statement = (
        select(MessageRow.id)
        .where(
            MessageRow.organization_id == organization_id,
            MessageRow.id == message_id,
            MessageRow.unsent_at.is_(None),
        )
        .with_for_update(key_share=True)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def places_known(session: AsyncSession, organization_id: UUID, message_id: UUID) -> frozenset[int]:
    """Return the places whose copy was made or given up."""
    statement = select(MessageMediaRow.position).where(
        MessageMediaRow.organization_id == organization_id, MessageMediaRow.message_id == message_id
    )
    return frozenset(await session.scalars(statement))


async def insert_copy(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Store a copy, once per place."""
    statement = insert(MessageMediaRow).values(**values)
    await session.execute(
        statement.on_conflict_do_nothing(index_elements=["organization_id", "message_id", "position"])
    )


async def delete_copies(session: AsyncSession, organization_id: UUID, message_id: UUID) -> None:
    """Delete the copies of a message that its writer took back."""
    await session.execute(
        delete(MessageMediaRow)
        .where(MessageMediaRow.organization_id == organization_id, MessageMediaRow.message_id == message_id)
        .execution_options(synchronize_session=False)
    )


async def copies_of(session: AsyncSession, scope: Scope, message_ids: Sequence[UUID]) -> Sequence[MessageMediaRow]:
    """Return what is known of the copies of these messages, without their content, in the order of their places."""
    statement = (
        select(MessageMediaRow)
        .where(
            MessageMediaRow.organization_id == scope.organization_id,
            MessageMediaRow.message_id.in_(message_ids),
            in_reach(scope, MessageMediaRow.unit_id),
        )
        .order_by(MessageMediaRow.message_id, MessageMediaRow.position)
    )
    return (await session.scalars(statement)).all()


async def copy(session: AsyncSession, scope: Scope, media_id: UUID) -> MessageMediaRow | None:
    """Return one copy that has content, without it."""
    statement = select(MessageMediaRow).where(
        MessageMediaRow.organization_id == scope.organization_id,
        MessageMediaRow.id == media_id,
        MessageMediaRow.content.is_not(None),
        in_reach(scope, MessageMediaRow.unit_id),
    )
    return (await session.scalars(statement)).one_or_none()


async def content(session: AsyncSession, scope: Scope, media_id: UUID, start: int, length: int) -> bytes | None:
    """Return `length` bytes of a copy's content from `start` on, or as many as there are."""
    statement = select(func.substring(MessageMediaRow.content, start + 1, length, type_=LargeBinary)).where(
        MessageMediaRow.organization_id == scope.organization_id,
        MessageMediaRow.id == media_id,
        in_reach(scope, MessageMediaRow.unit_id),
    )
    return (await session.scalars(statement)).one_or_none()
