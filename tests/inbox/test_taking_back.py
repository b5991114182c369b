"""Taking messages back as the platform really does it, signals without a promise, and replies with more than words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from server.config import Settings
from server.consent import service as consent
from server.inbox import service as inbox
from server.inbox.errors import TextTooLong, UnsendNotSupported
from server.inbox.models import ConversationRow, MessageRow, UnsendState
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.platforms.capabilities.capability import Unsend
from server.platforms.port import Button, Channel, MessageReceived, QuickReply, SignalKind
from server.sends.errors import NotOffered, PersonNeeded
from server.tenants import service as tenants
from server.tenants.rules import Permission, Role
from server.tenants.service import NewFile
from server.tenants.uow import begin
from tests.factories.inbox import conversation_of, messages_of
from tests.factories.post_office import ACounter, a_counter, people_of
from tests.factories.tenants import APerson, a_person
from tests.workshop import Workshop

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    """Yield a file in one piece."""
    yield content


@dataclass(frozen=True, slots=True)
class ATalk:
    """A conversation at a post office, and somebody who answers there."""

    counter: ACounter
    agent: APerson
    conversation: ConversationRow
    person_id: UUID

    @property
    def seen(self) -> UUID:
        """Return the newest message."""
        assert self.conversation.last_message_id is not None
        return self.conversation.last_message_id


async def a_talk(database: Database, settings: Settings, workshop: Workshop, channel: Channel) -> ATalk:
    """Let a person write to a page of the channel."""
    counter = await a_counter(database, settings, workshop.runtime.lock, channel)
    shop = counter.shop
    ((contact_id, _),) = await people_of(database, shop)
    async with begin(database, shop.organization.scope) as uow:
        now = await uow.now()
        event = MessageReceived("person", f"m_{new_id().hex}", "Hello", (), now)
        await inbox.receive_message(uow, shop.page, contact_id, event)
        await consent.note_action(uow, shop.page, contact_id, now)
    agent = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    conversation = await conversation_of(database, shop.organization, shop.page, contact_id)
    return ATalk(counter, agent, conversation, contact_id)


async def said(database: Database, talk: ATalk, text: str = "Yes") -> MessageRow:
    """Answer, and let the answer leave."""
    async with begin(database, talk.agent.scope) as uow:
        await inbox.reply(uow, talk.conversation.id, inbox.Reply(talk.seen, text=text))
    organization = talk.counter.shop.organization
    await talk.counter.workshop.settle(organization.id)
    return (await messages_of(database, organization, talk.conversation.id))[-1]


async def last(database: Database, talk: ATalk) -> MessageRow:
    """Read the newest message."""
    return (await messages_of(database, talk.counter.shop.organization, talk.conversation.id))[-1]


@pytest.mark.parametrize("erases", [True, False])
async def test_what_the_platform_does_and_what_becomes_of_our_copy_are_told_apart(
    database: Database, settings: Settings, workshop: Workshop, erases: bool
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.X)
    message = await said(database, talk)

    async with begin(database, talk.agent.scope) as uow:
        asked = await inbox.unsend(uow, message.id, erases=erases)
    assert (await last(database, talk)).text == "Yes"
    await talk.counter.workshop.settle(talk.counter.shop.organization.id)

    row = await last(database, talk)
    assert asked.effect is Unsend.DELETE_FOR_ME
    assert talk.counter.office.unsent == [message.platform_message_id]
    assert (row.unsend, row.text, row.unsent_at is not None) == (
        UnsendState.DONE,
        None if erases else "Yes",
        erases,
    )


async def test_where_pages_can_take_nothing_back_nothing_is_changed(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.MESSENGER)
    message = await said(database, talk)

    async with begin(database, talk.agent.scope) as uow:
        with pytest.raises(UnsendNotSupported):
            await inbox.unsend(uow, message.id, erases=True)

    row = await last(database, talk)
    assert (row.unsend, row.text, talk.counter.office.unsent) == (None, "Yes", [])


async def test_only_messages_of_the_page_are_taken_back_and_only_by_who_may_reply(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.X)
    message = await said(database, talk)
    shop = talk.counter.shop
    reader = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.ANALYST)
    stranger = await a_talk(database, settings, workshop, Channel.X)

    async with begin(database, talk.agent.scope) as uow:
        with pytest.raises(InvalidInput):
            await inbox.unsend(uow, talk.seen, erases=True)
        with pytest.raises(NotFound):
            await inbox.unsend(uow, new_id(), erases=True)
    async with begin(database, reader.scope) as uow:
        with pytest.raises(PermissionDenied):
            await inbox.unsend(uow, message.id, erases=True)
    async with begin(database, stranger.agent.scope) as uow:
        with pytest.raises(NotFound):
            await inbox.unsend(uow, message.id, erases=True)


async def test_typing_is_shown_where_it_is_offered_and_refused_elsewhere(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    shown = await a_talk(database, settings, workshop, Channel.MESSENGER)
    refused = await a_talk(database, settings, workshop, Channel.X)

    async with begin(database, shown.agent.scope) as uow:
        await inbox.signal(uow, shown.conversation.id, SignalKind.TYPING_ON)
    async with begin(database, refused.agent.scope) as uow:
        with pytest.raises(NotOffered):
            await inbox.signal(uow, refused.conversation.id, SignalKind.TYPING_ON)
    await shown.counter.workshop.settle(shown.counter.shop.organization.id)

    assert [one.kind for one in shown.counter.office.signals] == [SignalKind.TYPING_ON]


async def test_a_reply_carries_a_picture_and_the_message_shows_it(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.MESSENGER)
    new = NewFile(talk.counter.shop.page.unit_id, "cake.png", "image/png", timedelta(days=1), Permission.INBOX_READ)
    async with begin(database, talk.agent.scope) as uow:
        file_id = (await tenants.store_file(uow, new, chunks(PNG))).id
        wanted = inbox.Reply(talk.seen, media_ids=(file_id,), reply_to=talk.seen)
        await inbox.reply(uow, talk.conversation.id, wanted)

    await talk.counter.workshop.settle(talk.counter.shop.organization.id)

    row = await last(database, talk)
    (message,) = talk.counter.office.sent
    first = (await messages_of(database, talk.counter.shop.organization, talk.conversation.id))[0]
    assert row.attachments == [{"kind": "image", "url": None, "title": "cake.png", "file": str(file_id)}]
    assert (row.text, len(message.media), message.reply_to_message_id) == (None, 1, first.platform_message_id)


async def test_everything_that_is_wrong_with_a_reply_is_told_at_once(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.X)
    wanted = inbox.Reply(
        talk.seen, text="x" * 10_001, quick_replies=(QuickReply("Yes", "Y"),), buttons=(Button("Go", "G"),)
    )

    async with begin(database, talk.agent.scope) as uow:
        with pytest.raises(Problems) as refused:
            await inbox.reply(uow, talk.conversation.id, wanted)
        with pytest.raises(TextTooLong) as alone:
            await inbox.reply(uow, talk.conversation.id, inbox.Reply(talk.seen, text="x" * 10_001))

    assert [one.path for one in refused.value.problems] == [("text",), ("quickReplies",), ("buttons",)]
    assert alone.value.data["limit"] == 10_000


async def test_a_file_out_of_reach_is_not_found(database: Database, settings: Settings, workshop: Workshop) -> None:
    talk = await a_talk(database, settings, workshop, Channel.MESSENGER)
    other = await a_talk(database, settings, workshop, Channel.MESSENGER)
    new = NewFile(other.counter.shop.page.unit_id, "cake.png", "image/png", timedelta(days=1), Permission.INBOX_READ)
    async with begin(database, other.agent.scope) as uow:
        file_id = (await tenants.store_file(uow, new, chunks(PNG))).id

    async with begin(database, talk.agent.scope) as uow:
        with pytest.raises(NotFound) as refused:
            await inbox.reply(uow, talk.conversation.id, inbox.Reply(talk.seen, media_ids=(file_id,)))

    assert tuple(refused.value.path) == ("mediaIds", "0")


async def test_the_longer_window_for_people_is_not_for_templates_and_not_for_apps(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    talk = await a_talk(database, settings, workshop, Channel.MESSENGER)
    wanted = inbox.Reply(talk.seen, text="Yes", human_agent=True)

    async with begin(database, talk.counter.shop.organization.scope) as uow:
        with pytest.raises(PersonNeeded):
            await inbox.reply(uow, talk.conversation.id, wanted)
    async with begin(database, talk.agent.scope) as uow:
        await inbox.reply(uow, talk.conversation.id, wanted)
