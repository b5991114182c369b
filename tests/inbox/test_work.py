"""Owners, states, categories, notes and labels: who may, what is refused, and what is kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from server.audit.actions import Action
from server.audit.models import AuditEventRow
from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.errors import AssigneeOutOfReach, CategoryMissing, ConversationChanged, LabelOutOfReach
from server.inbox.models import Category, ConversationRow, ConversationStatus
from server.inbox.views import Parts
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.platforms.port import MessageReceived
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.inbox import a_conversation, a_page, at, conversation_of
from tests.factories.tenants import AnOrganization, a_person, an_agency


async def _one_conversation(database: Database, *texts: str) -> tuple[AnOrganization, ConversationRow]:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    return agency, await a_conversation(database, agency, page, *texts)


async def test_an_assignment_is_kept_in_the_history_and_in_the_trail(database: Database, settings: Settings) -> None:
    agency, conversation = await _one_conversation(database)
    agent = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async with begin(database, agent.scope) as uow:
        await inbox.assign(uow, conversation.id, agent.member_id)
        await inbox.assign(uow, conversation.id, agent.member_id)
        row = await inbox.assign(uow, conversation.id, None)

    async with begin_read(database, agent.scope) as uow:
        history = await inbox.assignments(uow, conversation.id)
    async with begin_read(database, agency.scope) as uow:
        trail = select(AuditEventRow.details).where(
            AuditEventRow.organization_id == agency.id, AuditEventRow.action == Action.CONVERSATION_ASSIGN.value
        )
        recorded = (await uow.session.scalars(trail.order_by(AuditEventRow.seq))).all()
    assert (row.assignee_id, row.revision) == (None, conversation.revision + 2)
    assert [(entry.assignee_id, entry.actor_id) for entry in history] == [
        (None, agent.member_id),
        (agent.member_id, agent.member_id),
    ]
    assert recorded == [{"assignee": str(agent.member_id)}, {"assignee": None}]


async def test_only_somebody_who_works_at_the_unit_can_own_its_conversations(
    database: Database, settings: Settings
) -> None:
    agency, conversation = await _one_conversation(database)
    other = await an_agency(database)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.OPERATOR)
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)
    manager = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)

    async with begin(database, manager.scope) as uow:
        for outside in (sibling, approver):
            with pytest.raises(AssigneeOutOfReach):
                await inbox.assign(uow, conversation.id, outside.member_id)
        for unknown in (stranger.member_id, new_id()):
            with pytest.raises(NotFound):
                await inbox.assign(uow, conversation.id, unknown)
        row = await inbox.assign(uow, conversation.id, manager.member_id)

    assert row.assignee_id == manager.member_id


async def test_the_second_of_two_who_take_a_conversation_at_once_is_told(
    database: Database, settings: Settings
) -> None:
    agency, conversation = await _one_conversation(database)
    agents = [await a_person(database, settings, agency, agency.root_id, Role.OPERATOR, name) for name in "AB"]

    async with begin(database, agents[0].scope) as uow:
        await inbox.assign(uow, conversation.id, agents[0].member_id, expected_revision=conversation.revision)
    async with begin(database, agents[1].scope) as uow:
        with pytest.raises(ConversationChanged) as refused:
            await inbox.assign(uow, conversation.id, agents[1].member_id, expected_revision=conversation.revision)

    assert refused.value.data == {"revision": conversation.revision + 1}


async def test_a_conversation_is_resolved_only_with_a_category_and_wakes_with_the_next_message(
    database: Database,
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))

    async with begin(database, agency.scope) as uow:
        with pytest.raises(CategoryMissing):
            await inbox.set_status(uow, conversation.id, ConversationStatus.RESOLVED)
        await inbox.set_category(uow, conversation.id, Category.COMPLAINT)
        resolved = await inbox.set_status(uow, conversation.id, ConversationStatus.RESOLVED)
        assert resolved.status is ConversationStatus.RESOLVED
        event = MessageReceived("p", "m_again", "It broke again", (), at(5))
        await inbox.receive_message(uow, page, conversation.contact_id, event)

    woken = await conversation_of(database, agency, page, conversation.contact_id)
    assert (woken.status, woken.category) == (ConversationStatus.OPEN, Category.COMPLAINT)


async def test_a_repeated_message_does_not_wake_a_resolved_conversation(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    conversation = await a_conversation(database, agency, page, start=at(0))
    event = MessageReceived("p", "m_same", "Hello?", (), at(1))
    async with begin(database, agency.scope) as uow:
        await inbox.receive_message(uow, page, conversation.contact_id, event)
        await inbox.set_category(uow, conversation.id, Category.SUPPORT)
        await inbox.set_status(uow, conversation.id, ConversationStatus.RESOLVED)
    before = await conversation_of(database, agency, page, conversation.contact_id)

    async with begin(database, agency.scope) as uow:
        await inbox.receive_message(uow, page, conversation.contact_id, event)

    after = await conversation_of(database, agency, page, conversation.contact_id)
    assert (after.status, after.revision) == (ConversationStatus.RESOLVED, before.revision)


async def test_the_first_view_of_new_messages_is_recorded_once(database: Database, settings: Settings) -> None:
    agency, conversation = await _one_conversation(database, "one", "two", "three")
    agent = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)

    async with begin(database, agent.scope) as uow:
        await inbox.mark_read(uow, conversation.id)
        row = await inbox.mark_read(uow, conversation.id)

    async with begin_read(database, agency.scope) as uow:
        trail = select(AuditEventRow.actor_id, AuditEventRow.details).where(
            AuditEventRow.organization_id == agency.id, AuditEventRow.action == Action.CONVERSATION_READ.value
        )
        recorded = (await uow.session.execute(trail)).all()
    assert (conversation.unread_count, row.unread_count) == (3, 0)
    details = {"lastMessage": str(conversation.last_message_id), "unread": 3}
    assert [tuple(entry) for entry in recorded] == [(agent.member_id, details)]


async def test_notes_are_listed_oldest_first_and_an_empty_one_is_refused(database: Database) -> None:
    agency, conversation = await _one_conversation(database)

    async with begin(database, agency.scope) as uow:
        for text in ("first", "second", "third"):
            await inbox.add_note(uow, conversation.id, text)
        with pytest.raises(InvalidInput):
            await inbox.add_note(uow, conversation.id, "  ")
        newest = await inbox.notes(uow, conversation.id, PageArguments(last=2))
        every = await inbox.notes(uow, conversation.id, PageArguments())

    assert [note.text for note in newest.items] == ["second", "third"]
    assert [note.text for note in every.items] == ["first", "second", "third"]


async def test_labels_of_the_unit_and_of_the_units_above_can_be_put_on_and_taken_off(database: Database) -> None:
    agency, conversation = await _one_conversation(database)
    async with begin(database, agency.scope) as uow:
        own = await contacts.create_label(uow, agency.units["client 1"], "VIP", "#aa0000")
        above = await contacts.create_label(uow, agency.root_id, "Press", "#00aa00")
        beside = await contacts.create_label(uow, agency.units["client 2"], "Other", "#0000aa")

        for label in (own, above, above):
            await inbox.label(uow, conversation.id, label.id)
        with pytest.raises(LabelOutOfReach):
            await inbox.label(uow, conversation.id, beside.id)
        with pytest.raises(NotFound):
            await inbox.label(uow, conversation.id, new_id())
        both = await inbox.conversation(uow, conversation.id, Parts(labels=True))
        await inbox.unlabel(uow, conversation.id, own.id)
        one = await inbox.conversation(uow, conversation.id, Parts(labels=True))

    assert [label.name for label in both.labels] == ["Press", "VIP"]
    assert [label.name for label in one.labels] == ["Press"]


async def test_work_needs_the_permission_and_a_stranger_finds_nothing(database: Database, settings: Settings) -> None:
    agency, conversation = await _one_conversation(database)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.OWNER)
    other = await an_agency(database)

    for scope, refusal in ((analyst.scope, PermissionDenied), (sibling.scope, NotFound), (other.scope, NotFound)):
        async with begin(database, scope) as uow:
            with pytest.raises(refusal):
                await inbox.assign(uow, conversation.id, None)
            with pytest.raises(refusal):
                await inbox.set_status(uow, conversation.id, ConversationStatus.PENDING)
            with pytest.raises(refusal):
                await inbox.set_category(uow, conversation.id, Category.INQUIRY)
            with pytest.raises(refusal):
                await inbox.add_note(uow, conversation.id, "hm")
            with pytest.raises(refusal):
                await inbox.mark_read(uow, conversation.id)
            with pytest.raises(refusal):
                await inbox.label(uow, conversation.id, new_id())
            with pytest.raises(refusal):
                await inbox.unlabel(uow, conversation.id, new_id())
