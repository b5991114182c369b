"""A reply is queued once, by one person who has seen the last word, within what the channel allows."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.audit.actions import Action
from server.audit.models import AuditEventRow
from server.config import Settings
from server.inbox import service as inbox
from server.inbox.errors import ConversationMoved, FollowUpCapReached, TextEmpty, TextTooLong, WindowClosed
from server.inbox.models import ConversationRow, MessageState
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.kit.ids import new_id
from server.platforms.port import MessageEchoed, MessageReceived
from server.sends.models import Purpose, SendIntentRow, SendState
from server.templates import service as templates
from server.templates.errors import MissingValue
from server.templates.models import TemplatePurpose
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.inbox import a_contact, a_conversation, a_page, at, conversation_of, messages_of
from tests.factories.tenants import AnOrganization, a_person, an_agency


def _answer(conversation: ConversationRow, text: str = "Yes") -> inbox.Reply:
    assert conversation.last_message_id is not None
    return inbox.Reply(conversation.last_message_id, text=text)


async def _one_conversation(database: Database, *texts: str) -> tuple[AnOrganization, ConversationRow]:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    return agency, await a_conversation(database, agency, page, *texts)


async def test_a_reply_is_a_queued_message_a_send_and_an_entry_of_the_trail(
    database: Database, settings: Settings
) -> None:
    agency, conversation = await _one_conversation(database, "Hello", "Anybody there?")
    agent = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async with begin(database, agent.scope) as uow:
        message = await inbox.reply(uow, conversation.id, _answer(conversation, "Yes, how can I help?"))

    async with begin_read(database, agency.scope) as uow:
        send = (await uow.session.scalars(select(SendIntentRow).where(SendIntentRow.id == message.send_id))).one()
        trail = select(AuditEventRow.subject_id).where(
            AuditEventRow.organization_id == agency.id, AuditEventRow.action == Action.MESSAGE_REPLY.value
        )
        recorded = (await uow.session.scalars(trail)).all()
        view = await inbox.conversation(uow, conversation.id)
    assert (message.state, message.author_id, message.seq) == (MessageState.QUEUED, agent.member_id, 3)
    assert (send.text, send.purpose, send.state) == ("Yes, how can I help?", Purpose.CONVERSATIONAL, SendState.QUEUED)
    assert (send.dedupe_key, send.author_id) == (f"reply:{message.id}", agent.member_id)
    assert send.recipient_external_id.startswith("psid-")
    assert recorded == [message.id]
    assert (view.last_message_id, view.unread_count) == (message.id, 0)


async def test_a_reply_to_an_older_message_than_the_newest_is_refused_and_names_the_newest(database: Database) -> None:
    agency, conversation = await _one_conversation(database, "one", "two")
    first, second = await messages_of(database, agency, conversation.id)

    async with begin(database, agency.scope) as uow:
        with pytest.raises(ConversationMoved) as refused:
            await inbox.reply(uow, conversation.id, inbox.Reply(first.id, text="Yes"))
        with pytest.raises(ConversationMoved) as unknown:
            await inbox.reply(uow, conversation.id, inbox.Reply(new_id(), text="Yes"))

    assert refused.value.data == unknown.value.data == {"lastMessageId": str(second.id)}


async def test_two_colleagues_who_saw_the_same_message_give_one_answer(database: Database, settings: Settings) -> None:
    agency, conversation = await _one_conversation(database)
    agents = [
        await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, name) for name in "AB"
    ]

    async def answer(number: int) -> bool:
        async with begin(database, agents[number].scope) as uow:
            try:
                await inbox.reply(uow, conversation.id, _answer(conversation))
            except ConversationMoved:
                return False
        return True

    outcomes = await asyncio.gather(answer(0), answer(1))

    assert sorted(outcomes) == [False, True]
    assert len(await messages_of(database, agency, conversation.id)) == 2


async def test_a_colleague_who_answered_on_the_platform_itself_counts_as_newer(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))

    async with begin(database, agency.scope) as uow:
        echo = MessageEchoed("p", "m_native", "I am on it", (), at(1))
        await inbox.record_echo(uow, page, conversation.contact_id, echo, None)
        with pytest.raises(ConversationMoved):
            await inbox.reply(uow, conversation.id, _answer(conversation))


async def test_a_campaign_message_in_between_does_not_hold_a_reply_up(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    send_id = new_id()

    async with begin(database, agency.scope) as uow:
        uow.session.add(
            SendIntentRow(
                organization_id=agency.id,
                id=send_id,
                unit_id=page.unit_id,
                page_id=page.id,
                contact_id=conversation.contact_id,
                recipient_external_id="p",
                purpose=Purpose.MARKETING,
                text="Half price",
                dedupe_key="campaign",
                state=SendState.SENT,
            )
        )
        await uow.session.flush()
        echo = MessageEchoed("p", "m_campaign", None, (), at(1))
        await inbox.record_echo(uow, page, conversation.contact_id, echo, send_id)
        message = await inbox.reply(uow, conversation.id, _answer(conversation))

    assert message.state is MessageState.QUEUED


async def test_after_two_unanswered_messages_only_the_contact_can_go_on(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page)
    async with begin(database, agency.scope) as uow:
        first = await inbox.reply(uow, conversation.id, _answer(conversation))
        second = await inbox.reply(uow, conversation.id, inbox.Reply(first.id, text="Still there?"))

    async with begin(database, agency.scope) as uow:
        with pytest.raises(FollowUpCapReached) as refused:
            await inbox.reply(uow, conversation.id, inbox.Reply(second.id, text="Hello?"))
        answered = MessageReceived("p", "m_back", "I am back", (), second.occurred_at + timedelta(seconds=1))
        await inbox.receive_message(uow, page, conversation.contact_id, answered)
    after = await conversation_of(database, agency, page, conversation.contact_id)
    async with begin(database, agency.scope) as uow:
        third = await inbox.reply(uow, conversation.id, _answer(after))

    assert refused.value.data == {"cap": 2}
    assert third.occurred_at > answered.occurred_at


async def test_a_text_that_is_too_long_or_empty_is_refused_and_never_cut(database: Database) -> None:
    agency, conversation = await _one_conversation(database)

    async with begin(database, agency.scope) as uow:
        with pytest.raises(TextTooLong) as refused:
            await inbox.reply(uow, conversation.id, _answer(conversation, "x" * 2_001))
        with pytest.raises(TextEmpty):
            await inbox.reply(uow, conversation.id, _answer(conversation, " \n"))
        message = await inbox.reply(uow, conversation.id, _answer(conversation, "x" * 2_000))

    assert refused.value.data == {"length": 2_001, "limit": 2_000, "unit": "CHARACTERS"}
    assert message.text == "x" * 2_000


async def test_outside_of_the_window_a_reply_is_refused_and_says_how_it_opens_again(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(-30 * 60))

    async with begin(database, agency.scope) as uow:
        with pytest.raises(WindowClosed) as refused:
            await inbox.reply(uow, conversation.id, _answer(conversation))

    closed_at = at(-30 * 60) + timedelta(hours=24)
    assert refused.value.data == {"closedAt": closed_at.isoformat(), "reopensWhen": "CONTACT_WRITES"}


async def test_a_reply_needs_the_permission_and_a_stranger_finds_nothing(
    database: Database, settings: Settings
) -> None:
    agency, conversation = await _one_conversation(database)
    other = await an_agency(database)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.OWNER)

    async with begin(database, analyst.scope) as uow:
        with pytest.raises(PermissionDenied):
            await inbox.reply(uow, conversation.id, _answer(conversation))
    for scope in (sibling.scope, other.scope):
        async with begin(database, scope) as uow:
            with pytest.raises(NotFound):
                await inbox.reply(uow, conversation.id, _answer(conversation))

    assert len(await messages_of(database, agency, conversation.id)) == 1


async def test_a_template_is_filled_with_what_is_known_and_what_is_given(
    database: Database, settings: Settings
) -> None:
    agency, conversation = await _one_conversation(database)
    agent = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, "Ada")
    body = "Hi {{ contact.first_name }}, {{ agent.name }} of {{ page.name }} at {{ unit.name }}: {{ custom.time }}"
    async with begin(database, agency.scope) as uow:
        template = await templates.create_template(
            uow, unit_id=agency.units["client 1"], name="Greeting", purpose=TemplatePurpose.REPLY
        )
        version = await templates.publish_version(uow, template.id, body)
    assert conversation.last_message_id is not None
    wanted = inbox.Reply(conversation.last_message_id, template_id=template.id, values={"custom.time": "9 o'clock"})

    async with begin(database, agent.scope) as uow:
        message = await inbox.reply(uow, conversation.id, wanted)

    assert message.text == "Hi Grace, Ada of Bakery at client 1: 9 o'clock"
    assert message.template_version_id == version.id


async def test_a_template_without_a_value_is_refused_and_a_reply_names_one_source(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    nameless = await a_contact(database, agency, page, name=None)
    conversation = await a_conversation(database, agency, page, contact_id=nameless)
    async with begin(database, agency.scope) as uow:
        template = await templates.create_template(
            uow, unit_id=agency.units["client 1"], name="Greeting", purpose=TemplatePurpose.REPLY
        )
        await templates.publish_version(uow, template.id, "Hi {{ contact.first_name }}")
    assert conversation.last_message_id is not None

    async with begin(database, agency.scope) as uow:
        with pytest.raises(MissingValue):
            await inbox.reply(uow, conversation.id, inbox.Reply(conversation.last_message_id, template_id=template.id))
        with pytest.raises(InvalidInput):
            await inbox.reply(uow, conversation.id, inbox.Reply(conversation.last_message_id))
        both = inbox.Reply(conversation.last_message_id, text="Hi", template_id=template.id)
        with pytest.raises(InvalidInput):
            await inbox.reply(uow, conversation.id, both)
