"""Conversations in the words of the business: pages, people who write to them, and what they said."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from server.channels.service import PageRef
from server.consent import service as consent
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.models import ConversationRow, MessageRow
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import MessageReceived
from server.tenants.uow import begin, begin_read
from tests.factories import channels as channel_factory
from tests.factories.tenants import AnOrganization

_numbers = itertools.count(1)
_START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def at(minutes: float) -> datetime:
    """Return a time of the platform, `minutes` after a start two hours ago: inside of every window."""
    return _START + timedelta(minutes=minutes)


async def a_page(database: Database, organization: AnOrganization, unit_id: UUID, name: str = "Bakery") -> PageRef:
    """Connect a Messenger page to a unit."""
    return await channel_factory.a_page(database, organization, unit_id, name=name)


async def a_contact(
    database: Database, organization: AnOrganization, page: PageRef, name: str | None = "Grace Hopper"
) -> UUID:
    """Let a person be known at a page; the first word of the name is the first name."""
    async with begin(database, organization.scope) as uow:
        contact_id = await contacts.identify(uow, page, f"psid-{next(_numbers)}-{new_id().hex}")
        await contacts.set_profile(uow, contact_id, name, None if name is None else name.split()[0])
    return contact_id


async def a_conversation(
    database: Database,
    organization: AnOrganization,
    page: PageRef,
    *texts: str,
    contact_id: UUID | None = None,
    start: datetime | None = None,
) -> ConversationRow:
    """Let a person write to a page, one message a second (until now, or from `start` on); the window is open."""
    person = contact_id or await a_contact(database, organization, page)
    words = texts or ("Hello",)
    async with begin(database, organization.scope) as uow:
        first = start or await uow.now() - timedelta(seconds=len(words))
        for number, words_said in enumerate(words):
            moment = first + timedelta(seconds=number)
            event = MessageReceived("person", f"m_{new_id().hex}", words_said, (), moment)
            await inbox.receive_message(uow, page, person, event)
            await consent.note_action(uow, page, person, moment)
    return await conversation_of(database, organization, page, person)


async def conversation_of(
    database: Database, organization: AnOrganization, page: PageRef, contact_id: UUID
) -> ConversationRow:
    """Read the conversation of a page with a person."""
    async with begin_read(database, organization.scope) as uow:
        statement = select(ConversationRow).where(
            ConversationRow.organization_id == organization.id,
            ConversationRow.page_id == page.id,
            ConversationRow.contact_id == contact_id,
        )
        return (await uow.session.scalars(statement)).one()


async def messages_of(database: Database, organization: AnOrganization, conversation_id: UUID) -> list[MessageRow]:
    """Read all messages of a conversation in the platform's order."""
    async with begin_read(database, organization.scope) as uow:
        statement = (
            select(MessageRow)
            .where(MessageRow.organization_id == organization.id, MessageRow.conversation_id == conversation_id)
            .order_by(MessageRow.occurred_at, MessageRow.id)
        )
        return list(await uow.session.scalars(statement))
