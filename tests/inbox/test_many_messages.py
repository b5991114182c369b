"""Messages of many conversations at once leave what they leave one by one."""

from __future__ import annotations

from server.inbox import service as inbox
from server.inbox.models import ConversationStatus
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import MessageEdited, MessageReceived
from server.tenants.uow import begin
from tests.factories.inbox import a_contact, a_conversation, a_page, at, conversation_of, messages_of
from tests.factories.tenants import an_agency


async def test_together_and_one_by_one_leave_the_same(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    left = []
    for is_together in (False, True):
        conversation = await a_conversation(database, agency, page, start=at(0))
        mark = new_id().hex
        events = [MessageReceived("p", f"{mark}-{number}", f"{number}", (), at(number)) for number in (3, 1, 2, 1)]
        async with begin(database, agency.scope) as uow:
            edit = MessageEdited("p", f"{mark}-2", "two, edited", 1, at(4))
            await inbox.apply_edit(uow, page, conversation.contact_id, edit)
            await inbox.set_status(uow, conversation.id, ConversationStatus.SNOOZED)

        for _ in range(2):
            async with begin(database, agency.scope) as uow:
                if is_together:
                    await inbox.receive_messages(uow, page, {conversation.contact_id: events})
                else:
                    for event in events:
                        await inbox.receive_message(uow, page, conversation.contact_id, event)

        row = await conversation_of(database, agency, page, conversation.contact_id)
        rows = await messages_of(database, agency, row.id)
        newest = next(one for one in rows if one.id == row.last_message_id)
        assert sorted(one.seq for one in rows) == [1, 2, 3, 4]
        left.append(
            (
                *(row.status, row.folder, row.unread_count, row.next_seq, row.last_inbound_at, row.last_message_at),
                newest.text,
                [(one.text, one.edit_number, one.occurred_at, one.state, one.direction) for one in rows],
            )
        )

    assert left[0] == left[1]
    assert left[1][0] is ConversationStatus.OPEN


async def test_who_has_no_conversation_is_left_out_and_nothing_is_stored_of_them(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    stranger = await a_contact(database, agency, page)
    said = {
        contact_id: [MessageReceived("p", f"m_{new_id().hex}", "hi", (), at(1))]
        for contact_id in (stranger, conversation.contact_id)
    }

    async with begin(database, agency.scope) as uow:
        done = await inbox.receive_messages(uow, page, said)

    assert done == {conversation.contact_id}
    assert len(await messages_of(database, agency, conversation.id)) == 2
