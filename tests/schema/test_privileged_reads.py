"""Reads by a right from above: each leaves a trace before anything is shown, once an hour, and daily work leaves none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text

from server.audit.models import AuditEventRow
from server.auth import service as auth
from server.config import Settings
from server.inbox import service as inbox
from server.inbox.models import ConversationRow
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Permission, Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.inbox import a_conversation, a_page, messages_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import statements
from tests.schema.live import a_socket

MESSAGES = "query($id: ID!) { conversation(id: $id) { messages { nodes { text } } } }"
NOTES = "query($id: ID!) { conversation(id: $id) { notes { nodes { text } } } }"
LAST = "query($id: ID!) { conversation(id: $id) { lastMessage { text } } }"
NODE = "query($id: ID!) { node(id: $id) { id ... on Message { text } ... on Note { remark: text } } }"
PREVIEWS = "{ conversations { nodes { lastMessage { text } } } }"
THREADS = "{ conversations { nodes { messages { nodes { text } } notes { nodes { text } } } } }"
NO_WORDS = "{ conversations { nodes { id status contact { name } unreadCount } } }"


@dataclass(frozen=True, slots=True)
class Office:
    """An agency, a client with conversations, and a member of each kind."""

    api: Api
    database: Database
    settings: Settings
    agency: AnOrganization
    unit_id: UUID
    conversations: list[ConversationRow]

    async def person(self, unit_id: UUID, role: Role) -> APerson:
        """Make a member with a role."""
        return await a_person(self.database, self.settings, self.agency, unit_id, role, role.value)

    async def ask(self, query: str, token: str, **variables: Any) -> Any:
        """Ask; return the data."""
        return (await self.api.ask(query, variables, token=token)).data

    async def trail(self) -> list[tuple[str, UUID]]:
        """Return who read which conversation, in the order of the trail."""
        async with begin_read(self.database, self.agency.scope) as uow:
            rows = await uow.session.execute(
                select(AuditEventRow.actor_name, AuditEventRow.subject_id)
                .where(
                    AuditEventRow.organization_id == self.agency.id,
                    AuditEventRow.action == "inbox:conversation:read",
                )
                .order_by(AuditEventRow.seq)
            )
            return [(name, subject) for name, subject in rows]

    async def age_traces(self) -> None:
        """Let all notes of reading be an hour old."""
        async with begin(self.database, self.agency.scope) as uow:
            await uow.session.execute(text("UPDATE read_trace SET traced_at = traced_at - interval '1 hour'"))


@pytest.fixture
async def office(api: Api, database: Database, settings: Settings) -> Office:
    """Three conversations of a client; the first has a note."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    page = await a_page(database, agency, unit_id)
    made = [await a_conversation(database, agency, page, "It is private.") for _ in range(3)]
    worker = await a_person(database, settings, agency, unit_id, Role.OPERATOR)
    async with begin(database, worker.scope) as uow:
        await inbox.add_note(uow, made[0].id, "A remark.")
    return Office(api, database, settings, agency, unit_id, made)


@pytest.mark.parametrize("query", [MESSAGES, NOTES, LAST])
async def test_whoever_reads_a_thread_by_a_right_from_above_leaves_a_trace(office: Office, query: str) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    first = office.conversations[0].id

    shown = await office.ask(query, owner.token, id=encode("cnv", first))

    assert shown["conversation"] is not None
    assert await office.trail() == [("OWNER", first)]


async def test_a_single_message_or_note_is_traced_too(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    manager = await office.person(office.agency.root_id, Role.MANAGER)
    first = office.conversations[0].id
    message = (await messages_of(office.database, office.agency, first))[0]
    found = await office.ask(NOTES.replace("{ text }", "{ id }"), owner.token, id=encode("cnv", first))
    note = found["conversation"]["notes"]["nodes"][0]["id"]

    assert (await office.ask(NODE, manager.token, id=encode("msg", message.id)))["node"]["text"] == "It is private."
    await office.age_traces()
    assert (await office.ask(NODE, manager.token, id=note))["node"]["remark"] == "A remark."

    assert await office.trail() == [("OWNER", first), ("MANAGER", first), ("MANAGER", first)]


@pytest.mark.parametrize("query", [PREVIEWS, THREADS])
async def test_a_list_that_shows_words_leaves_one_trace_for_each_conversation(office: Office, query: str) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)

    await office.ask(query, owner.token)

    assert sorted(await office.trail()) == sorted(("OWNER", one.id) for one in office.conversations)


async def test_a_list_without_words_leaves_none(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)

    assert len((await office.ask(NO_WORDS, owner.token))["conversations"]["nodes"]) == 3
    assert await office.trail() == []


async def test_the_daily_work_of_those_who_were_granted_the_unit_itself_leaves_none(office: Office) -> None:
    for role in (Role.OPERATOR, Role.MANAGER, Role.ANALYST):
        person = await office.person(office.unit_id, role)
        await office.ask(THREADS, person.token)
        await office.ask(PREVIEWS, person.token)

    assert await office.trail() == []


async def test_a_grant_on_the_unit_that_does_not_let_read_is_no_daily_work(office: Office) -> None:
    person = await office.person(office.agency.root_id, Role.MANAGER)
    async with begin(office.database, office.agency.scope) as uow:
        await uow.session.execute(
            text(
                "INSERT INTO membership (organization_id, id, member_id, unit_id, role)"
                " VALUES (:organization, gen_random_uuid(), :member, :unit, 'APPROVER')"
            ),
            {"organization": office.agency.id, "member": person.member_id, "unit": office.unit_id},
        )

    await office.ask(PREVIEWS, person.token)

    assert len(await office.trail()) == 3


async def test_a_conversation_that_is_assigned_to_the_reader_leaves_none(office: Office) -> None:
    manager = await office.person(office.agency.root_id, Role.MANAGER)
    first, second = office.conversations[0].id, office.conversations[1].id
    async with begin(office.database, manager.scope) as uow:
        await inbox.assign(uow, first, manager.member_id)

    for one in (first, second):
        await office.ask(MESSAGES, manager.token, id=encode("cnv", one))

    assert await office.trail() == [("MANAGER", second)]


async def test_a_token_that_was_cut_to_the_unit_does_not_hide_the_right_from_above(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    async with begin(office.database, office.agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE access_token SET unit_ids = cast(:units AS uuid[]) WHERE member_id = :member"),
            {"units": [office.unit_id], "member": owner.member_id},
        )

    await office.ask(MESSAGES, owner.token, id=encode("cnv", office.conversations[0].id))

    assert await office.trail() == [("OWNER", office.conversations[0].id)]


async def test_an_app_leaves_a_trace_also_at_its_own_unit(office: Office) -> None:
    async with begin(office.database, office.agency.scope) as uow:
        _, secret = await auth.issue_service_token(
            uow, office.settings.security, name="Robot", unit_ids=[office.unit_id], permissions=[Permission.INBOX_READ]
        )

    await office.ask(PREVIEWS, secret)

    assert {name for name, _ in await office.trail()} == {"Robot"}


async def test_reading_again_is_traced_again_after_an_hour_and_also_when_many_read_at_once(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    first = office.conversations[0].id

    await asyncio.gather(*(office.ask(MESSAGES, owner.token, id=encode("cnv", first)) for _ in range(8)))
    assert await office.trail() == [("OWNER", first)]
    await office.age_traces()
    await asyncio.gather(*(office.ask(MESSAGES, owner.token, id=encode("cnv", first)) for _ in range(8)))

    assert await office.trail() == [("OWNER", first)] * 2


async def test_nothing_is_shown_when_the_trace_cannot_be_written(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    async with begin(office.database, office.agency.scope) as uow:  # the end of a chain that cannot be continued
        await uow.session.execute(text("UPDATE audit_head SET seq = 0, hash = decode('', 'hex')"))

    for query in (MESSAGES, NOTES, LAST):
        answer = await office.api.ask(query, {"id": encode("cnv", office.conversations[0].id)}, token=owner.token)
        assert "errors" in answer.body
        assert "private" not in str(answer.body)
    assert "private" not in str((await office.api.ask(PREVIEWS, token=owner.token)).body)


async def test_live_changes_that_show_words_are_traced(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    cursor = (await office.ask("{ inboxCursor }", owner.token))["inboxCursor"]
    worker = await office.person(office.unit_id, Role.OPERATOR)
    async with begin(office.database, worker.scope) as uow:
        await inbox.add_note(uow, office.conversations[2].id, "Changed.")

    async with a_socket(office.api, owner.token) as socket:
        await socket.subscribe(cursor)
        await socket.change()

    assert await office.trail() == [("OWNER", office.conversations[2].id)]


async def test_no_subscription_of_a_socket_tells_what_another_one_is_still_tracing(
    office: Office, settings: Settings
) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    cursor = (await office.ask("{ inboxCursor }", owner.token))["inboxCursor"]
    worker = await office.person(office.unit_id, Role.OPERATOR)
    async with begin(office.database, worker.scope) as uow:
        await inbox.add_note(uow, office.conversations[2].id, "Changed.")
    assert settings.database.owner is not None
    dsn = settings.database.owner.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)

    async with a_socket(office.api, owner.token) as socket:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.execute("LOCK TABLE audit_event IN SHARE MODE")
            for number in range(5):
                await socket.subscribe(cursor, id=str(number))
            is_quiet = await socket.is_quiet(1)
        for _ in range(5):
            await socket.change()

    assert is_quiet
    assert await office.trail() == [("OWNER", office.conversations[2].id)]


async def test_the_price_of_a_trace_is_the_same_for_any_number_of_conversations(office: Office) -> None:
    owner = await office.person(office.agency.root_id, Role.OWNER)
    operator = await office.person(office.unit_id, Role.OPERATOR)

    with statements() as plain:
        await office.ask(PREVIEWS, operator.token)
    with statements() as first:
        await office.ask(PREVIEWS, owner.token)
    with statements() as again:
        await office.ask(PREVIEWS, owner.token)

    assert (len(first) - len(plain), len(again) - len(plain)) == (6, 1)
