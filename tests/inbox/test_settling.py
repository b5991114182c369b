"""Messages follow their sends: answers and echoes meet in every order, and many are written at once."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.service import PageRef
from server.inbox import service as inbox
from server.inbox.models import ConversationRow, Direction, MessageRow, MessageState
from server.inbox.rules import follow, state_of
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import MessageEchoed, Reacted
from server.sends import service as sends
from server.sends.models import Delivery, SendIntentRow, SendState
from server.sends.rules import reference
from server.sends.service import SettledSend
from server.tenants.uow import begin
from tests.factories.inbox import a_conversation, a_page, at, conversation_of, messages_of
from tests.factories.statements import counted
from tests.factories.tenants import AnOrganization, an_agency


async def _replied(
    database: Database, agency: AnOrganization, page: PageRef
) -> tuple[ConversationRow, MessageRow, SettledSend]:
    conversation = await a_conversation(database, agency, page, start=at(0))
    assert conversation.last_message_id is not None
    async with begin(database, agency.scope) as uow:
        message = await inbox.reply(uow, conversation.id, inbox.Reply(conversation.last_message_id, text="Yes"))
    assert message.send_id is not None
    settled = SettledSend(
        send_id=message.send_id,
        page_id=page.id,
        contact_id=conversation.contact_id,
        state=SendState.SENT,
        delivery=Delivery.ACCEPTED,
        reason=None,
        platform_message_id=f"m_{new_id().hex}",
        platform_at=at(60),
    )
    return conversation, message, settled


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["answer", "echo", "echo without reference", "reaction"]))
)
async def test_an_answer_and_its_echoes_are_one_message_in_every_order(
    database: Database, order: tuple[str, ...]
) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation, message, answer = await _replied(database, agency, page)
    mid = answer.platform_message_id or ""
    named = MessageEchoed("p", mid, "Yes", (), at(30), reference=reference(answer.send_id, 1))
    nameless = MessageEchoed("p", mid, "Yes", (), at(30))

    for step in order:
        async with begin(database, agency.scope) as uow:
            match step:
                case "answer":
                    await _record_answer(uow.session, answer)
                    await inbox.reflect(uow, [answer])
                case "echo":
                    settled = await sends.settle_by_echo(uow, page, conversation.contact_id, named)
                    await inbox.record_echo(uow, page, conversation.contact_id, named, answer.send_id)
                    await inbox.reflect(uow, settled)
                case "echo without reference":
                    await inbox.record_echo(uow, page, conversation.contact_id, nameless, None)
                case _:
                    await inbox.apply_reaction(uow, page, conversation.contact_id, Reacted("p", mid, "love", at(40)))

    rows = await messages_of(database, agency, conversation.id)
    assert [row.direction for row in rows] == [Direction.INBOUND, Direction.OUTBOUND]
    ours = rows[1]
    assert (ours.id, ours.send_id, ours.platform_message_id) == (message.id, message.send_id, mid)
    assert (ours.state, ours.text, ours.reaction, ours.occurred_at) == (MessageState.SENT, "Yes", "love", at(30))
    after = await conversation_of(database, agency, page, conversation.contact_id)
    assert (after.last_message_id, after.last_message_at) == (message.id, at(30))


async def _record_answer(session: AsyncSession, answer: SettledSend) -> None:
    statement = (
        update(SendIntentRow)
        .where(SendIntentRow.id == answer.send_id, SendIntentRow.state != SendState.SENT)
        .values(state=SendState.SENT, delivery=Delivery.ACCEPTED, platform_message_id=answer.platform_message_id)
    )
    await session.execute(statement)


async def test_an_answer_that_finds_a_nameless_echo_of_a_campaign_send_claims_it(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    mid, send_id = f"m_{new_id().hex}", new_id()
    echo = MessageEchoed("p", mid, "Half price", (), at(5))

    async with begin(database, agency.scope) as uow:
        await inbox.record_echo(uow, page, conversation.contact_id, echo, None)
    async with begin(database, agency.scope) as uow:
        settled = SettledSend(
            send_id, page.id, conversation.contact_id, SendState.SENT, Delivery.READ, None, mid, at(6)
        )
        await inbox.reflect(uow, [settled])

    row = (await messages_of(database, agency, conversation.id))[-1]
    assert (row.send_id, row.state, row.occurred_at) == (send_id, MessageState.READ, at(5))


async def test_a_second_message_under_one_reference_is_shown_as_what_it_is(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation, message, answer = await _replied(database, agency, page)

    async with begin(database, agency.scope) as uow:
        await inbox.reflect(uow, [answer])
        twice = MessageEchoed("p", "m_second", "Yes", (), at(61))
        await inbox.record_echo(uow, page, conversation.contact_id, twice, answer.send_id)

    rows = await messages_of(database, agency, conversation.id)
    assert [(row.platform_message_id, row.send_id) for row in rows[1:]] == [
        (answer.platform_message_id, message.send_id),
        ("m_second", None),
    ]


async def test_sends_without_a_message_are_left_out_and_unchanged_ones_are_not_announced(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation, _, answer = await _replied(database, agency, page)
    strange = SettledSend(
        new_id(), page.id, conversation.contact_id, SendState.SENT, Delivery.READ, None, "m_strange", at(1)
    )
    async with begin(database, agency.scope) as uow:
        await inbox.reflect(uow, [answer, strange])
    before = await conversation_of(database, agency, page, conversation.contact_id)

    async with begin(database, agency.scope) as uow:
        await inbox.reflect(uow, [answer, strange])

    after = await conversation_of(database, agency, page, conversation.contact_id)
    assert (after.revision, after.change_xid) == (before.revision, before.change_xid)
    assert len(await messages_of(database, agency, conversation.id)) == 2


async def test_reflecting_many_sends_costs_as_many_statements_as_reflecting_two(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    batches = [[(await _replied(database, agency, page))[2] for _ in range(size)] for size in (2, 12)]

    costs = []
    for batch in batches:
        async with begin(database, agency.scope) as uow:
            with counted(database) as statements:
                await inbox.reflect(uow, batch)
            costs.append(len(statements))

    assert costs[0] == costs[1]
    last = batches[1][-1]
    async with begin(database, agency.scope) as uow:
        found = (await uow.session.scalars(select(MessageRow).where(MessageRow.send_id == last.send_id))).one()
        assert (found.state, found.platform_message_id) == (MessageState.SENT, last.platform_message_id)


@pytest.mark.parametrize(
    ("state", "delivery", "shown"),
    [
        (SendState.QUEUED, Delivery.NONE, MessageState.QUEUED),
        (SendState.CLAIMED, Delivery.NONE, MessageState.QUEUED),
        (SendState.SENT, Delivery.ACCEPTED, MessageState.SENT),
        (SendState.SENT, Delivery.DELIVERED, MessageState.DELIVERED),
        (SendState.SENT, Delivery.READ, MessageState.READ),
        (SendState.SENT, Delivery.FAILED, MessageState.FAILED),
        (SendState.NOT_SENT, Delivery.NONE, MessageState.FAILED),
        (SendState.SKIPPED, Delivery.NONE, MessageState.SKIPPED),
        (SendState.CANCELLED, Delivery.NONE, MessageState.SKIPPED),
        (SendState.UNKNOWN, Delivery.NONE, MessageState.UNKNOWN),
        (SendState.NEEDS_HUMAN, Delivery.NONE, MessageState.UNKNOWN),
    ],
)
def test_a_message_says_no_more_than_its_send_knows(state: SendState, delivery: Delivery, shown: MessageState) -> None:
    assert state_of(state, delivery) is shown


@pytest.mark.parametrize(
    ("current", "said", "shown", "_case"),
    [
        (MessageState.QUEUED, MessageState.UNKNOWN, MessageState.UNKNOWN, "nobody knows"),
        (MessageState.UNKNOWN, MessageState.QUEUED, MessageState.QUEUED, "certainly not sent: again"),
        (MessageState.UNKNOWN, MessageState.SENT, MessageState.SENT, "the echo came"),
        (MessageState.SENT, MessageState.UNKNOWN, MessageState.SENT, "a late doubt"),
        (MessageState.SENT, MessageState.FAILED, MessageState.FAILED, "failed downstream"),
        (MessageState.FAILED, MessageState.READ, MessageState.READ, "it was read after all"),
        (MessageState.DELIVERED, MessageState.SENT, MessageState.DELIVERED, "a late echo"),
        (MessageState.READ, MessageState.DELIVERED, MessageState.READ, "a late receipt"),
        (MessageState.DELIVERED, MessageState.FAILED, MessageState.DELIVERED, "a receipt outweighs a failure"),
    ],
)
def test_states_follow_their_send_and_never_lose_a_receipt(
    current: MessageState, said: MessageState, shown: MessageState, _case: str
) -> None:
    assert follow(current, said) is shown
