"""What hangs on many conversations at once is, for each of them, what hangs on it alone; and no more of it is shown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from server.config import Settings
from server.inbox import service as inbox
from server.inbox.models import AssignmentRow, ConversationRow, MessageRow, NoteRow
from server.inbox.repository import nested as repository
from server.kit.db import Database
from server.kit.errors import DomainError, InvalidCursor, InvalidInput, NotFound
from server.kit.ids import new_id
from server.kit.nested import Batch, Listing
from server.kit.pagination import DEFAULT_PAGE, Keyset, Page, PageArguments, SortKey
from server.tenants.rules import Permission, Role
from server.tenants.scope import Actor, ActorKind, Reach, Scope, member_scope
from server.tenants.uow import begin, begin_read
from tests.factories.inbox import a_conversation, a_page, at
from tests.factories.statements import counted
from tests.factories.tenants import AnOrganization, a_franchise, a_person, an_agency

SAID = (0, 1, 4)
"""How many further messages the conversations have; those of the last were sent in the same two moments."""
SIZES = (1, 2, 5, 6)


def _order(conversation_id: UUID) -> Keyset:
    """The order of messages, whose cursors front ends have kept since before lists were read for many at once."""
    return Keyset(
        (SortKey(MessageRow.occurred_at, datetime), SortKey(MessageRow.id, UUID)), ["messages", conversation_id]
    )


async def _three_conversations(database: Database, agency: AnOrganization) -> dict[UUID, list[MessageRow]]:
    page = await a_page(database, agency, agency.units["client 1"])
    said = {}
    for number, further in enumerate(SAID):
        row = await a_conversation(database, agency, page, start=at(number))
        for place in range(further):
            await a_conversation(
                database, agency, page, f"{place}", contact_id=row.contact_id, start=at(number + 1 + place % 2)
            )
        async with begin_read(database, agency.scope) as uow:
            statement = select(MessageRow).where(
                MessageRow.organization_id == agency.id, MessageRow.conversation_id == row.id
            )
            rows = (await uow.session.scalars(statement)).all()
        said[row.id] = sorted(rows, key=lambda one: (one.occurred_at, one.id))
    return said


def _every_page(cursors: Sequence[str]) -> list[PageArguments]:
    """Return every way to ask for a page of a list with these cursors."""
    sizes = [(None, None), *((one, None) for one in SIZES), *((None, one) for one in SIZES)]
    ends = (None, *cursors)
    return [
        PageArguments(first, after, last, before)
        for (first, last), after, before in itertools.product(sizes, ends, ends)
    ]


def _expected(rows: Sequence[MessageRow], arguments: PageArguments, cursors: Sequence[str]) -> Page[UUID]:
    """Cut a page out of the whole list, as the documentation of connections says."""
    start = 0 if arguments.after is None else cursors.index(arguments.after) + 1
    end = len(rows) if arguments.before is None else cursors.index(arguments.before)
    size, is_backward = arguments.first, False
    if size is None and (arguments.last is not None or arguments.after is None):
        size, is_backward = arguments.last or DEFAULT_PAGE, True
    within = range(start, max(start, end))
    places = within[-(size or DEFAULT_PAGE) :] if is_backward else within[: size or DEFAULT_PAGE]
    more = len(within) > len(places)
    return Page(
        [rows[place].id for place in places],
        [cursors[place] for place in places],
        has_next=arguments.before is not None if is_backward else more,
        has_previous=more if is_backward else arguments.after is not None,
    )


async def test_each_page_of_many_conversations_is_cut_out_of_the_whole_list_of_its_own(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    said = await _three_conversations(database, agency)
    cursors = {one: [_order(one).cursor((row.occurred_at, row.id)) for row in rows] for one, rows in said.items()}
    wanted: list[Listing] = [(one, page) for one in said for page in _every_page(cursors[one])]

    async with begin_read(database, agency.scope) as uow:
        found = await inbox.messages_of(uow, wanted)

    assert len(wanted) > 400
    for conversation_id, arguments in wanted:
        page = found[conversation_id, arguments]
        assert isinstance(page, Page), (arguments, page)
        shown = replace(page.map(lambda row: row.id), cursors=list(page.cursors))
        assert shown == _expected(said[conversation_id], arguments, cursors[conversation_id]), arguments


async def test_what_hangs_on_twenty_conversations_costs_as_many_statements_as_on_one(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    ids = [(await a_conversation(database, agency, page, "a", "b", start=at(number))).id for number in range(20)]
    newest = PageArguments(last=2)

    costs = set()
    for some in (ids[:1], ids[:2], ids):
        async with begin_read(database, agency.scope) as uow:
            with counted(database) as statements:
                found = await inbox.messages_of(uow, [(one, newest) for one in some])
                await inbox.notes_of(uow, [(one, newest) for one in some])
                await inbox.assignments_of(uow, some)
        assert [len(page.items) for page in found.values() if isinstance(page, Page)] == [2] * len(some)
        costs.add(len(statements))

    assert len(costs) == 1, costs


async def test_wrong_arguments_of_one_conversation_are_told_for_it_alone(database: Database) -> None:
    agency = await an_agency(database, clients=1)
    page = await a_page(database, agency, agency.units["client 1"])
    one, two = [await a_conversation(database, agency, page, "Hello", start=at(number)) for number in (1, 2)]
    async with begin_read(database, agency.scope) as uow:
        cursor = (await inbox.messages(uow, one.id, PageArguments())).cursors[0]
    fine, of_one = PageArguments(), PageArguments(last=5, before=cursor)
    wrong = {PageArguments(last=0): InvalidInput, PageArguments(first=1, last=1): InvalidInput, of_one: InvalidCursor}

    async with begin_read(database, agency.scope) as uow:
        found = await inbox.messages_of(uow, [(one.id, fine), (one.id, of_one), *((two.id, bad) for bad in wrong)])

    assert [isinstance(found[one.id, good], Page) for good in (fine, of_one)] == [True, True]
    assert {arguments: type(found[two.id, arguments]) for arguments in wrong} == wrong


# --------------------------------------------------------------------------- walls


async def _worked_on(database: Database, settings: Settings, agency: AnOrganization, unit_id: UUID) -> ConversationRow:
    agent = await a_person(database, settings, agency, unit_id, Role.OPERATOR)
    page = await a_page(database, agency, unit_id)
    row = await a_conversation(database, agency, page, "Hello")
    async with begin(database, agent.scope) as uow:
        await inbox.add_note(uow, row.id, f"Only for those of {unit_id}.")
        await inbox.assign(uow, row.id, agent.member_id)
    return row


def _seat(franchise: AnOrganization) -> Scope:
    """Somebody who reads the inbox of one shop, and sees another for something else."""
    return member_scope(
        Actor(ActorKind.MEMBER, new_id(), "Ada"),
        franchise.id,
        everywhere=frozenset(),
        reaches=[
            Reach(franchise.units["location 1"], frozenset({Permission.INBOX_READ})),
            Reach(franchise.units["location 2"], frozenset({Permission.CAMPAIGN_APPROVE})),
        ],
        lineage_ids=[franchise.root_id],
    )


async def test_a_seat_is_shown_of_many_conversations_what_it_may_read_of_each(
    database: Database, settings: Settings
) -> None:
    franchise, other = await a_franchise(database), await an_agency(database)
    mine, seen, out_of_reach = [
        await _worked_on(database, settings, franchise, unit_id) for unit_id in franchise.units.values()
    ]
    foreign = await _worked_on(database, settings, other, other.units["client 1"])
    reasons = dict.fromkeys((seen.id, out_of_reach.id, foreign.id, new_id()), NotFound)
    asked, newest = [mine.id, *reasons], PageArguments(last=5)
    listings = [(one, newest) for one in asked]

    async with begin_read(database, _seat(franchise)) as uow:
        messages, notes = await inbox.messages_of(uow, listings), await inbox.notes_of(uow, listings)
        history = await inbox.assignments_of(uow, asked)

    for found in (messages, notes):
        assert {one: type(found[one, newest]) for one in reasons} == reasons
        page = found[mine.id, newest]
        assert isinstance(page, Page)
        assert [row.conversation_id for row in page.items] == [mine.id]
    assert {one: type(history[one]) for one in reasons} == reasons
    entries = history[mine.id]
    assert not isinstance(entries, DomainError)
    assert [row.conversation_id for row in entries] == [mine.id]


@pytest.mark.parametrize("row", [MessageRow, NoteRow, AssignmentRow])
async def test_row_level_security_cuts_many_lists_as_it_cuts_one(
    database: Database, settings: Settings, row: type[MessageRow | NoteRow | AssignmentRow]
) -> None:
    franchise, other = await a_franchise(database), await an_agency(database)
    talks = [await _worked_on(database, settings, franchise, unit_id) for unit_id in franchise.units.values()]
    talks.append(await _worked_on(database, settings, other, other.units["client 1"]))
    read = {
        MessageRow: repository.messages_of,
        NoteRow: repository.notes_of,
        AssignmentRow: repository.assignments_of,
    }[row]
    batch = Batch([talk.id for talk in talks], Keyset((SortKey(row.id, UUID),)), PageArguments(first=5))

    async with begin_read(database, _seat(franchise)) as uow:
        shown = {
            conversation_id
            for organization_id in (franchise.id, other.id)
            for conversation_id in await read(uow.session, organization_id, batch)
        }

    assert shown == {talks[0].id, talks[1].id}, "the first wall asks for the permission, the second for the reach"
