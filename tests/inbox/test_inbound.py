"""First messages that race, changes without their message, and what a taken-back message leaves behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from server.inbox import service as inbox
from server.inbox.models import ConversationStatus, Direction, Folder, MessageState, PendingChangeRow
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Attachment, MessageEchoed, MessageEdited, MessageReceived, MessageUnsent, Postback
from server.tenants.uow import begin, begin_read
from tests.factories.inbox import a_contact, a_conversation, a_page, at, conversation_of, messages_of
from tests.factories.tenants import an_agency


async def test_first_messages_and_their_edits_that_race_make_one_conversation_without_a_gap(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    contact_id = await a_contact(database, agency, page)
    names = [f"m_{new_id().hex}" for _ in range(4)]

    async def receive(number: int) -> None:
        async with begin(database, agency.scope) as uow:
            event = MessageReceived("p", names[number], "draft", (), at(number))
            await inbox.receive_message(uow, page, contact_id, event)

    async def edit(number: int) -> None:
        async with begin(database, agency.scope) as uow:
            event = MessageEdited("p", names[number], f"final {number}", 1, at(number + 1))
            await inbox.apply_edit(uow, page, contact_id, event)

    await asyncio.gather(*[work(number) for number in range(4) for work in (edit, receive, receive)])

    conversation = await conversation_of(database, agency, page, contact_id)
    rows = await messages_of(database, agency, conversation.id)
    assert [row.text for row in rows] == [f"final {number}" for number in range(4)]
    assert sorted(row.seq for row in rows) == [1, 2, 3, 4]
    assert (conversation.unread_count, conversation.next_seq, conversation.last_message_id) == (4, 5, rows[-1].id)


async def test_a_message_taken_back_before_it_arrived_leaves_no_words_anywhere(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    contact_id = await a_contact(database, agency, page)
    mid = f"m_{new_id().hex}"

    async def waiting() -> list[tuple[str, str | None]]:
        async with begin_read(database, agency.scope) as uow:
            rows = await uow.session.execute(
                select(PendingChangeRow.kind, PendingChangeRow.text)
                .where(PendingChangeRow.platform_message_id == mid)
                .order_by(PendingChangeRow.kind, PendingChangeRow.edit_number)
            )
            return [(kind, text) for kind, text in rows]

    async with begin(database, agency.scope) as uow:
        await inbox.apply_edit(uow, page, contact_id, MessageEdited("p", mid, "secret", 1, at(1)))
        await inbox.apply_unsend(uow, page, contact_id, MessageUnsent("p", mid, at(3)))
        await inbox.apply_edit(uow, page, contact_id, MessageEdited("p", mid, "still secret", 2, at(2)))
    before = await waiting()
    async with begin(database, agency.scope) as uow:
        await inbox.receive_message(uow, page, contact_id, MessageReceived("p", mid, "secret", (), at(0)))

    conversation = await conversation_of(database, agency, page, contact_id)
    row = (await messages_of(database, agency, conversation.id))[0]
    assert before == [("EDIT", None), ("EDIT", None), ("UNSEND", None)]
    assert await waiting() == []
    assert (row.text, row.edit_number, row.unsent_at) == (None, 2, at(3))


async def test_what_we_begin_asks_nothing_of_anybody_until_the_contact_answers(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    contact_id = await a_contact(database, agency, page)

    async with begin(database, agency.scope) as uow:
        await inbox.record_echo(uow, page, contact_id, MessageEchoed("p", "m_ours", "News!", (), at(0)), None)
    begun = await conversation_of(database, agency, page, contact_id)
    async with begin(database, agency.scope) as uow:
        await inbox.receive_message(uow, page, contact_id, MessageReceived("p", "m_theirs", "Tell me", (), at(1)))
    answered = await conversation_of(database, agency, page, contact_id)

    assert (begun.status, begun.unread_count, begun.last_inbound_at) == (ConversationStatus.RESOLVED, 0, None)
    assert (answered.status, answered.unread_count, answered.last_inbound_at) == (ConversationStatus.OPEN, 1, at(1))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
async def test_a_request_stays_one_until_a_message_comes_that_is_none_in_any_order(
    order: list[int], database: Database
) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    folders = []
    for last in (True, False):
        contact_id = await a_contact(database, agency, page)
        marks = [MessageReceived("p", f"m_{new_id().hex}", "hi", (), at(0), is_request=True) for _ in range(2)]
        events = [*marks, MessageReceived("p", f"m_{new_id().hex}", "hi", (), at(1), is_request=last)]
        for number in order:
            async with begin(database, agency.scope) as uow:
                await inbox.receive_message(uow, page, contact_id, events[number])
        folders.append((await conversation_of(database, agency, page, contact_id)).folder)

    assert folders == [Folder.REQUEST, Folder.PRIMARY]


async def test_what_a_person_put_away_stays_there_whatever_comes(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    async with begin(database, agency.scope) as uow:
        await inbox.move_to_folder(uow, conversation.id, Folder.SPAM)

    async with begin(database, agency.scope) as uow:
        for number, is_request in enumerate((True, False)):
            event = MessageReceived("p", f"m_{new_id().hex}", "hi", (), at(number + 1), is_request=is_request)
            await inbox.receive_message(uow, page, conversation.contact_id, event)

    assert (await conversation_of(database, agency, page, conversation.contact_id)).folder is Folder.SPAM


async def test_how_media_is_fetched_and_whether_it_may_be_kept_is_stored(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    media = (
        Attachment("image", None, media_id="v1"),
        Attachment("story_mention", "https://cdn.example/s", may_be_stored=False),
    )

    async with begin(database, agency.scope) as uow:
        event = MessageReceived("p", f"m_{new_id().hex}", None, media, at(1))
        await inbox.receive_message(uow, page, conversation.contact_id, event)

    assert (await messages_of(database, agency, conversation.id))[1].attachments == [
        {"kind": "image", "url": None, "title": None, "media_id": "v1"},
        {"kind": "story_mention", "url": "https://cdn.example/s", "title": None, "may_be_stored": False},
    ]


async def test_an_unsupported_message_and_a_tap_on_a_button_are_messages_too(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    strange = MessageReceived("p", "m_strange", None, (), at(1), is_unsupported=True)
    tap = Postback("p", None, None, "MENU_HOURS", at(2))

    async with begin(database, agency.scope) as uow:
        await inbox.receive_message(uow, page, conversation.contact_id, strange)
        for _ in range(2):
            await inbox.note_postback(uow, page, conversation.contact_id, tap)

    rows = await messages_of(database, agency, conversation.id)
    assert [(row.text, [one["kind"] for one in row.attachments]) for row in rows[1:]] == [
        (None, ["unsupported"]),
        ("MENU_HOURS", []),
    ]
    assert {(row.direction, row.state) for row in rows} == {(Direction.INBOUND, MessageState.RECEIVED)}
