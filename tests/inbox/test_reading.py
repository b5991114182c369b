"""Lists cost the same for any number of rows, show nothing of a neighbour, and no change is ever skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.models import Category, ConversationStatus, Folder
from server.inbox.views import ConversationFilter, Parts
from server.kit.db import Database
from server.kit.errors import InvalidCursor, NotFound
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Permission, Role
from server.tenants.scope import Actor, ActorKind, Reach, member_scope
from server.tenants.uow import begin, begin_read
from tests.factories.inbox import a_conversation, a_page, at
from tests.factories.statements import counted
from tests.factories.tenants import AnOrganization, a_franchise, a_person, an_agency


async def _cost(database: Database, agency: AnOrganization, rows: int, parts: Parts) -> int:
    async with begin_read(database, agency.scope) as uow:
        with counted(database) as statements:
            page = await inbox.list_conversations(uow, PageArguments(first=rows), parts=parts)
    assert len(page.items) == rows
    return len(statements)


async def test_a_list_costs_the_same_number_of_statements_for_5_and_for_50_rows(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    async with begin(database, agency.scope) as uow:
        label = await contacts.create_label(uow, agency.root_id, "VIP", "#aa0000")
    for number in range(50):
        conversation = await a_conversation(database, agency, page, start=at(number))
        async with begin(database, agency.scope) as uow:
            await inbox.label(uow, conversation.id, label.id)

    for parts in (Parts(), Parts(contact=True, last_message=True), Parts.every()):
        assert await _cost(database, agency, 5, parts) == await _cost(database, agency, 50, parts)
    assert await _cost(database, agency, 50, Parts()) < await _cost(database, agency, 50, Parts.every())


async def test_a_conversation_is_shown_with_the_parts_that_were_asked_for_and_no_others(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database, clients=1)
    agent = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, "Ada")
    page = await a_page(database, agency, agency.units["client 1"], name="Bakery")
    conversation = await a_conversation(database, agency, page, "Hello", "Bread?")
    async with begin(database, agent.scope) as uow:
        await inbox.assign(uow, conversation.id, agent.member_id)

    async with begin_read(database, agent.scope) as uow:
        full = (await inbox.list_conversations(uow, PageArguments(), parts=Parts.every())).items[0]
        bare = (await inbox.list_conversations(uow, PageArguments())).items[0]
        known = await inbox.conversations_by_id(uow, [conversation.id, new_id()], Parts(page=True))

    assert full.contact is not None
    assert (full.contact.name, full.contact.first_name) == ("Grace Hopper", "Grace")
    assert full.page is not None
    assert (full.page.id, full.page.name) == (page.id, "Bakery")
    assert full.assignee is not None
    assert (full.assignee.id, full.assignee.name) == (agent.member_id, "Ada")
    assert full.last_message is not None
    assert (full.last_message.text, full.last_message.has_attachments) == ("Bread?", False)
    assert (bare.contact, bare.page, bare.assignee, bare.last_message, bare.labels) == (None, None, None, None, ())
    assert (bare.unread_count, bare.last_message_id) == (2, full.last_message.id)
    assert list(known) == [conversation.id]
    assert known[conversation.id].contact is None


async def test_pages_go_from_the_newest_message_to_the_oldest_and_back(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    ids = [(await a_conversation(database, agency, page, start=at(number))).id for number in range(5)]

    async with begin_read(database, agency.scope) as uow:
        first = await inbox.list_conversations(uow, PageArguments(first=2))
        second = await inbox.list_conversations(uow, PageArguments(first=2, after=first.cursors[-1]))
        back = await inbox.list_conversations(uow, PageArguments(last=2, before=second.cursors[0]))

    newest_first = ids[::-1]
    assert [view.id for view in first.items] == newest_first[:2]
    assert [view.id for view in second.items] == newest_first[2:4]
    assert [view.id for view in back.items] == newest_first[:2]
    assert (first.has_next, second.has_next, back.has_previous) == (True, True, False)


async def test_every_filter_keeps_what_it_names_and_drops_the_rest(database: Database, settings: Settings) -> None:
    franchise = await a_franchise(database, locations=2)
    here, there = franchise.units["location 1"], franchise.units["location 2"]
    agent = await a_person(database, settings, franchise, franchise.root_id, Role.OPERATOR)
    pages = [await a_page(database, franchise, unit_id) for unit_id in (here, there)]
    one = await a_conversation(database, franchise, pages[0], start=at(1))
    two = await a_conversation(database, franchise, pages[1], start=at(2))
    async with begin(database, franchise.scope) as uow:
        label = await contacts.create_label(uow, franchise.root_id, "VIP", "#aa0000")
        await inbox.label(uow, one.id, label.id)
        await inbox.assign(uow, one.id, agent.member_id)
        await inbox.set_category(uow, one.id, Category.INQUIRY)
        await inbox.set_status(uow, one.id, ConversationStatus.PENDING)

    async def found(wanted: ConversationFilter) -> set[UUID]:
        async with begin_read(database, franchise.scope) as uow:
            return {view.id for view in (await inbox.list_conversations(uow, PageArguments(), wanted)).items}

    for wanted in (
        ConversationFilter(status=ConversationStatus.PENDING),
        ConversationFilter(unit_id=here),
        ConversationFilter(page_id=pages[0].id),
        ConversationFilter(assignee_id=agent.member_id),
        ConversationFilter(unassigned=False),
        ConversationFilter(label_id=label.id),
        ConversationFilter(category=Category.INQUIRY),
    ):
        assert await found(wanted) == {one.id}, wanted
    assert await found(ConversationFilter(unassigned=True)) == {two.id}
    assert await found(ConversationFilter(unit_id=franchise.root_id, folder=Folder.PRIMARY)) == {one.id, two.id}
    assert await found(ConversationFilter(folder=Folder.SPAM)) == set()


async def test_a_cursor_of_another_filter_or_list_is_refused(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page)

    async with begin_read(database, agency.scope) as uow:
        cursor = (await inbox.list_conversations(uow, PageArguments())).cursors[0]
        _, change = await inbox.changes_after(uow, None)
        mine = (await inbox.messages(uow, conversation.id, PageArguments())).cursors[0]
        for wrong in (change, mine, "nonsense"):
            with pytest.raises(InvalidCursor):
                await inbox.list_conversations(uow, PageArguments(after=wrong))
        open_only = ConversationFilter(status=ConversationStatus.OPEN)
        with pytest.raises(InvalidCursor):
            await inbox.list_conversations(uow, PageArguments(after=cursor), open_only)
        with pytest.raises(InvalidCursor):
            await inbox.changes_after(uow, cursor)


async def test_a_sibling_location_and_another_organization_see_nothing(database: Database, settings: Settings) -> None:
    franchise, other = await a_franchise(database, locations=2), await an_agency(database)
    here, there = franchise.units["location 1"], franchise.units["location 2"]
    page = await a_page(database, franchise, here)
    sibling = await a_person(database, settings, franchise, there, Role.OWNER)
    async with begin_read(database, franchise.scope) as uow:
        _, start = await inbox.changes_after(uow, None)
    conversation = await a_conversation(database, franchise, page)
    await _settled(database, franchise, start)

    async with begin_read(database, sibling.scope) as uow:
        assert (await inbox.changes_after(uow, start))[0] == []
    for scope in (sibling.scope, other.scope):
        async with begin_read(database, scope) as uow:
            assert (await inbox.list_conversations(uow, PageArguments())).items == []
            assert await inbox.conversations_by_id(uow, [conversation.id]) == {}
            refused: list[Callable[[], Awaitable[object]]] = [
                lambda: inbox.conversation(uow, conversation.id),
                lambda: inbox.messages(uow, conversation.id, PageArguments()),
                lambda: inbox.notes(uow, conversation.id, PageArguments()),
                lambda: inbox.assignments(uow, conversation.id),
                lambda: inbox.list_conversations(uow, PageArguments(), ConversationFilter(unit_id=here)),
            ]
            for ask in refused:
                with pytest.raises(NotFound):
                    await ask()


async def test_a_unit_that_is_seen_for_another_reason_does_not_show_its_inbox(database: Database) -> None:
    agency = await an_agency(database)
    first, second = agency.units["client 1"], agency.units["client 2"]
    hidden = await a_conversation(database, agency, await a_page(database, agency, second))
    shown = await a_conversation(database, agency, await a_page(database, agency, first))
    scope = member_scope(
        Actor(ActorKind.MEMBER, new_id(), "Ada"),
        agency.id,
        everywhere=frozenset(),
        reaches=[
            Reach(first, frozenset({Permission.INBOX_READ})),
            Reach(second, frozenset({Permission.CAMPAIGN_APPROVE})),
        ],
        lineage_ids=[agency.root_id],
    )

    async with begin_read(database, scope) as uow:
        listed = await inbox.list_conversations(uow, PageArguments())
        by_id = await inbox.conversations_by_id(uow, [hidden.id, shown.id])
        with pytest.raises(NotFound):
            await inbox.messages(uow, hidden.id, PageArguments())

    assert [view.id for view in listed.items] == [shown.id]
    assert list(by_id) == [shown.id]


async def test_messages_end_with_the_newest_and_are_paged_backwards(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, *[str(number) for number in range(30)])

    async with begin_read(database, agency.scope) as uow:
        newest = await inbox.messages(uow, conversation.id, PageArguments())
        older = await inbox.messages(uow, conversation.id, PageArguments(last=10, before=newest.cursors[0]))

    assert [message.text for message in newest.items] == [str(number) for number in range(5, 30)]
    assert [message.text for message in older.items] == [str(number) for number in range(5)]
    assert (newest.has_previous, older.has_previous) == (True, False)


async def _settled(database: Database, agency: AnOrganization, cursor: str) -> None:
    """Wait until no transaction of any test holds the changes after the cursor back."""
    async with asyncio.timeout(20):
        while True:
            async with begin_read(database, agency.scope) as uow:
                _, latest = await inbox.changes_after(uow, cursor)
                if not await inbox.has_unsettled_changes(uow, latest):
                    return
            await asyncio.sleep(0.02)


async def test_a_change_that_commits_late_is_given_after_an_earlier_look_that_missed_it(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    slow, quick = [await a_conversation(database, agency, page) for _ in range(2)]
    async with begin_read(database, agency.scope) as uow:
        _, start = await inbox.changes_after(uow, None)
    await _settled(database, agency, start)
    async with begin_read(database, agency.scope) as uow:
        _, start = await inbox.changes_after(uow, None)

    async with begin(database, agency.scope) as held:
        await inbox.set_category(held, slow.id, Category.INQUIRY)
        # Not an act of ours: those stand one behind the other in the trail.
        await a_conversation(database, agency, page, "And another thing.", contact_id=quick.contact_id)
        async with begin_read(database, agency.scope) as uow:
            early, between = await inbox.changes_after(uow, start)
            is_waiting = await inbox.has_unsettled_changes(uow, between)
    await _settled(database, agency, between)
    async with begin_read(database, agency.scope) as uow:
        late, end = await inbox.changes_after(uow, between)
        again, _ = await inbox.changes_after(uow, end)

    assert (early, is_waiting) == ([], True)
    assert {view.id for view, _ in late} == {slow.id, quick.id}
    assert again == []


async def test_changes_are_given_in_pages_that_go_on_where_the_last_one_ended(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    async with begin_read(database, agency.scope) as uow:
        _, cursor = await inbox.changes_after(uow, None)
    start = cursor
    ids = {(await a_conversation(database, agency, page)).id for _ in range(5)}
    await _settled(database, agency, start)

    given: list[UUID] = []
    for size in (2, 2, 2):
        async with begin_read(database, agency.scope) as uow:
            changes, cursor = await inbox.changes_after(uow, cursor, size)
        given += [view.id for view, _ in changes]

    assert len(given) == 5
    assert set(given) == ids
