"""SQL of replies: what must be known before one may be queued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import PageRow
from server.channels.service import PageRef
from server.contacts.models import ContactIdentityRow, ContactRow
from server.inbox.models import ConversationRow, Direction, MessageRow, MessageState
from server.inbox.repository.inbound import NOW_XID
from server.platforms.port import Channel
from server.sends.models import Purpose, SendIntentRow
from server.tenants.models import UnitRow


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Who is written to, from which page, at which unit."""

    page: PageRef
    recipient_external_id: str
    contact_name: str | None
    contact_first_name: str | None
    unit_name: str
    unit_attributes: dict[str, object]
    unit_archived_at: datetime | None
    thread_external_id: str | None


_COUNTERPART = (
    PageRow.id,
    PageRow.unit_id,
    PageRow.channel,
    PageRow.external_id,
    PageRow.name,
    ContactIdentityRow.external_id,
    ContactRow.name,
    ContactRow.first_name,
    UnitRow.name,
    UnitRow.attributes,
    UnitRow.archived_at,
    ContactIdentityRow.thread_external_id,
)


async def conversation(
    session: AsyncSession, organization_id: UUID, conversation_id: UUID, *, lock: bool = False
) -> ConversationRow | None:
    """Return a conversation as it is now; with `lock`, nobody else changes it until this transaction ends."""
    statement = select(ConversationRow).where(
        ConversationRow.organization_id == organization_id, ConversationRow.id == conversation_id
    )
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def counterpart(session: AsyncSession, row: ConversationRow) -> Counterpart | None:
    """Return the other side of a conversation; None when the page no longer knows the contact."""
    statement = (
        select(*_COUNTERPART)
        .select_from(ContactIdentityRow)
        .join(
            PageRow,
            and_(
                PageRow.organization_id == ContactIdentityRow.organization_id, PageRow.id == ContactIdentityRow.page_id
            ),
        )
        .join(
            ContactRow,
            and_(
                ContactRow.organization_id == ContactIdentityRow.organization_id,
                ContactRow.id == ContactIdentityRow.contact_id,
            ),
        )
        .join(UnitRow, and_(UnitRow.organization_id == PageRow.organization_id, UnitRow.id == row.unit_id))
        .where(
            ContactIdentityRow.organization_id == row.organization_id,
            ContactIdentityRow.contact_id == row.contact_id,
            ContactIdentityRow.page_id == row.page_id,
        )
        .order_by(ContactIdentityRow.id.desc())
        .limit(1)
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return None
    page_id, unit_id, channel, external_id, name, *rest = found
    return Counterpart(PageRef(page_id, unit_id, channel, external_id, name), *rest)


async def message(session: AsyncSession, row: ConversationRow, message_id: UUID) -> MessageRow | None:
    """Return one message of a conversation."""
    statement = select(MessageRow).where(*_within(row), MessageRow.id == message_id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def conversation_of(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID
) -> ConversationRow | None:
    """Return the conversation of a page with a contact."""
    statement = select(ConversationRow).where(
        ConversationRow.organization_id == organization_id,
        ConversationRow.page_id == page_id,
        ConversationRow.contact_id == contact_id,
    )
    return (await session.scalars(statement)).one_or_none()


async def channel_of(session: AsyncSession, row: MessageRow) -> Channel | None:
    """Return the channel of a message's page."""
    statement = select(PageRow.channel).where(PageRow.organization_id == row.organization_id, PageRow.id == row.page_id)
    return (await session.scalars(statement)).one_or_none()


async def newer_message(session: AsyncSession, row: ConversationRow, seen_id: UUID) -> UUID | None:
    """Return the newest message that came to stand here, from contact or colleague, after the one that was seen.

    By the order of arrival, so that a message of the contact that comes late is not missed. One of ours must also stand
    behind the seen one: the time of our own moves when its echo comes. An id that is no message of the conversation has
    seen nothing. Messages of campaigns do not count.
    """
    place = select(MessageRow.seq, MessageRow.occurred_at).where(*_within(row), MessageRow.id == seen_id)
    seen = (await session.execute(place)).one_or_none()
    if seen is None:
        return row.last_message_id
    behind = tuple_(MessageRow.occurred_at, MessageRow.id) > tuple_(seen.occurred_at, seen_id)
    statement = (
        select(MessageRow.id)
        .where(
            *_within(row),
            MessageRow.seq > seen.seq,
            or_(MessageRow.direction == Direction.INBOUND, and_(behind, ~is_marketing())),
        )
        .order_by(MessageRow.seq.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def unanswered(session: AsyncSession, row: ConversationRow) -> int:
    """Count the messages that people of ours wrote since the contact last did; those that never left do not count."""
    conditions: list[ColumnElement[bool]] = [
        *_within(row),
        MessageRow.direction == Direction.OUTBOUND,
        MessageRow.state.not_in([MessageState.FAILED, MessageState.SKIPPED]),
        ~is_marketing(),
    ]
    if row.last_inbound_at is not None:
        conditions.append(MessageRow.occurred_at > row.last_inbound_at)
    return (await session.execute(select(func.count()).select_from(MessageRow).where(*conditions))).scalar_one()


def _within(row: ConversationRow) -> list[ColumnElement[bool]]:
    return [MessageRow.organization_id == row.organization_id, MessageRow.conversation_id == row.id]


def is_marketing() -> ColumnElement[bool]:
    """Keep messages that a campaign sent."""
    return exists().where(
        SendIntentRow.organization_id == MessageRow.organization_id,
        SendIntentRow.id == MessageRow.send_id,
        SendIntentRow.purpose == Purpose.MARKETING,
    )


async def take_place_for_reply(session: AsyncSession, row: ConversationRow, message_id: UUID, at: datetime) -> int:
    """Make the reply the newest message of a locked conversation, which its writer has read; return its seq."""
    statement = (
        update(ConversationRow)
        .where(ConversationRow.organization_id == row.organization_id, ConversationRow.id == row.id)
        .values(
            next_seq=ConversationRow.next_seq + 1,
            revision=ConversationRow.revision + 1,
            change_xid=NOW_XID,
            last_message_id=message_id,
            last_message_at=at,
            unread_count=0,
        )
        .returning(ConversationRow.next_seq)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).scalar_one() - 1
