"""Access under a legal basis over HTTP: four eyes, named conversations only, an end by the clock, and a trace of every read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from server.audit.models import AuditEventRow, LegalAccessRow
from server.auth import service as auth
from server.config import Settings
from server.inbox.models import ConversationRow
from server.kit.db import Database
from server.kit.ids import decode, encode, new_id
from server.schema.nodes import Kind
from server.tenants.models import CustomRoleRow, MembershipRow
from server.tenants.rules import Permission, Role
from server.tenants.uow import begin, begin_read
from tests.api import Answer, Api
from tests.factories.inbox import a_contact, a_conversation, a_page
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency

PAYLOAD = "{ legalAccess { id state expiresAt requestedBy decidedBy } userErrors { code path } }"
REQUEST = f"mutation($input: LegalAccessRequestInput!) {{ legalAccessRequest(input: $input) {PAYLOAD} }}"
DECIDE = f"mutation($input: LegalAccessDecideInput!) {{ legalAccessDecide(input: $input) {PAYLOAD} }}"
END = f"mutation($input: LegalAccessEndInput!) {{ legalAccessEnd(input: $input) {PAYLOAD} }}"
LIST = "{ legalAccesses { nodes { id state reference } } }"
THREADS = "query($id: ID!) { legalAccessConversations(legalAccessId: $id) { conversationId contactName pageName } }"
READ = """query($id: ID!, $conversation: ID!) {
  legalAccessMessages(legalAccessId: $id, conversationId: $conversation) { nodes { text } } }"""


@dataclass(frozen=True, slots=True)
class Case:
    """An agency with a client, two conversations of one contact there, one of another, and two people with a legal office."""

    api: Api
    database: Database
    settings: Settings
    agency: AnOrganization
    unit_id: UUID
    named: ConversationRow
    also_named: ConversationRow
    other: ConversationRow
    counsel: APerson
    judge: APerson

    async def ask(self, query: str, person: APerson | str, **values: Any) -> Answer:
        """Send a request of a person with a fresh key."""
        token = person if isinstance(person, str) else person.token
        return await self.api.ask(query, values, token=token, key=new_id().hex)

    async def requested(self, **changed: Any) -> str:
        """Ask for the conversation; return the id of the access."""
        answer = await self.ask(REQUEST, self.counsel, input=self.input() | changed)
        payload = answer.data["legalAccessRequest"]
        assert payload["userErrors"] == []
        return str(payload["legalAccess"]["id"])

    async def granted(self, **changed: Any) -> str:
        """Ask for the conversation and let the other one grant it."""
        access = await self.requested(**changed)
        assert await self.decided(access, self.judge) == []
        return access

    async def decided(self, access: str, person: APerson | str, *, is_granted: bool = True) -> list[str]:
        """Decide; return the codes of what was refused."""
        return self.codes(
            await self.ask(DECIDE, person, input={"legalAccessId": access, "isGranted": is_granted}),
            "legalAccessDecide",
        )

    async def read(self, access: str, person: APerson | str, conversation: ConversationRow | None = None) -> list[str]:
        """Read messages by an access; return their texts, or the codes of the refusal."""
        row = conversation or self.named
        answer = await self.ask(READ, person, id=access, conversation=encode("cnv", row.id))
        if answer.codes:
            return [
                str(error["extensions"].get("reason", error["extensions"]["code"])) for error in answer.body["errors"]
            ]
        return [one["text"] for one in answer.data["legalAccessMessages"]["nodes"]]

    def input(self) -> dict[str, Any]:
        """Return a request for the named conversation."""
        return {
            "unitId": encode("unit", self.unit_id),
            "conversationId": encode("cnv", self.named.id),
            "basis": "COURT_ORDER",
            "reference": "7 O 12/26",
            "reason": "The court wants to see it.",
            "hours": 2,
        }

    @staticmethod
    def codes(answer: Answer, field: str) -> list[str]:
        """Return the codes of what a mutation refused."""
        return [one["code"] for one in answer.data[field]["userErrors"]]

    async def trail(self, action: str) -> list[AuditEventRow]:
        """Return the acts of one kind, oldest first."""
        async with begin_read(self.database, self.agency.scope) as uow:
            found = await uow.session.scalars(
                select(AuditEventRow)
                .where(AuditEventRow.organization_id == self.agency.id, AuditEventRow.action == action)
                .order_by(AuditEventRow.seq)
            )
            return list(found)

    @asynccontextmanager
    async def in_the_table(self, access: str) -> AsyncIterator[Any]:
        """Open a unit of work that may change the row of an access."""
        async with begin(self.database, self.agency.scope) as uow:

            async def change(**values: Any) -> None:
                done = update(LegalAccessRow).where(
                    LegalAccessRow.organization_id == self.agency.id, LegalAccessRow.id == decode(access)[1]
                )
                await uow.session.execute(done.values(**values))

            yield change


async def a_legal_person(
    database: Database, settings: Settings, agency: AnOrganization, permissions: set[Permission], name: str
) -> APerson:
    """Make a member whose only role is one of the organization's own with these permissions on the whole tree."""
    person = await a_person(database, settings, agency, agency.root_id, Role.APPROVER, name)
    async with begin(database, agency.scope) as uow:
        role = CustomRoleRow(
            organization_id=agency.id, id=new_id(), name=f"Legal {new_id().hex}", permissions=sorted(permissions)
        )
        uow.session.add(role)
        await uow.session.flush()
        await uow.session.execute(
            update(MembershipRow)
            .where(MembershipRow.organization_id == agency.id, MembershipRow.member_id == person.member_id)
            .values(role=None, custom_role_id=role.id)
        )
    scope = await auth.authenticate(database, settings.security, person.token)
    assert scope is not None
    return APerson(person.member_id, person.token, scope)


@pytest.fixture
async def case(api: Api, database: Database, settings: Settings) -> Case:
    """The case, in an organization of its own."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    pages = [await a_page(database, agency, unit_id, name) for name in ("Bakery", "Cafe")]
    contact = await a_contact(database, agency, pages[0])
    named = await a_conversation(database, agency, pages[0], "A secret.", "Another.", contact_id=contact)
    also = await a_conversation(database, agency, pages[1], "From the cafe.", contact_id=contact)
    other = await a_conversation(database, agency, pages[0], "Nobody's business.")
    counsel = await a_legal_person(database, settings, agency, {Permission.LEGAL_REQUEST}, "Counsel")
    judge = await a_legal_person(database, settings, agency, {Permission.LEGAL_GRANT}, "Judge")
    return Case(api, database, settings, agency, unit_id, named, also, other, counsel, judge)


async def test_two_people_open_one_conversation_and_every_read_of_it_is_in_the_trail(case: Case) -> None:
    access = await case.requested()
    assert await case.read(access, case.counsel) == ["LEGAL_ACCESS_NOT_OPEN"]
    assert await case.decided(access, case.judge) == []

    assert await case.read(access, case.counsel) == ["A secret.", "Another."]
    assert await case.read(access, case.counsel) == ["A secret.", "Another."]

    reads = await case.trail("legal:access:read")
    assert [(one.actor_name, one.subject_id, one.details["conversation"]) for one in reads] == [
        ("Counsel", decode(access)[1], str(case.named.id))
    ] * 2
    assert [one.actor_name for one in await case.trail("legal:access:request")] == ["Counsel"]
    assert [one.actor_name for one in await case.trail("legal:access:grant")] == ["Judge"]


async def test_an_access_opens_nothing_else(case: Case) -> None:
    access = await case.granted()

    assert await case.read(access, case.counsel, case.other) == ["NOT_FOUND"]
    assert await case.read(access, case.counsel, case.also_named) == ["NOT_FOUND"]
    for query in (
        "{ conversations { nodes { id } } }",
        f'{{ conversation(id: "{encode("cnv", case.named.id)}") {{ id }} }}',
    ):
        assert (await case.ask(query, case.counsel)).codes == ["FORBIDDEN"]
    threads = (await case.ask(THREADS, case.counsel, id=access)).data["legalAccessConversations"]
    assert [one["conversationId"] for one in threads] == [encode("cnv", case.named.id)]
    assert len(await case.trail("legal:access:read")) == 1


async def test_an_access_to_a_contact_opens_all_its_conversations_of_the_unit(case: Case) -> None:
    access = await case.granted(conversationId=None, contactId=encode("ct", case.named.contact_id))

    threads = (await case.ask(THREADS, case.counsel, id=access)).data["legalAccessConversations"]

    assert {one["conversationId"] for one in threads} == {
        encode("cnv", one.id) for one in (case.named, case.also_named)
    }
    assert {one["pageName"] for one in threads} == {"Bakery", "Cafe"}
    assert await case.read(access, case.counsel, case.also_named) == ["From the cafe."]
    assert await case.read(access, case.counsel, case.other) == ["NOT_FOUND"]


async def test_whoever_asked_cannot_decide_with_any_token_or_right(case: Case) -> None:
    both = await a_legal_person(
        case.database, case.settings, case.agency, {Permission.LEGAL_REQUEST, Permission.LEGAL_GRANT}, "Both"
    )
    async with begin(case.database, case.agency.scope) as uow:
        _, second = await auth.issue_personal_token(
            uow, case.settings.security, member_id=both.member_id, name="second"
        )
        _, app = await auth.issue_service_token(
            uow,
            case.settings.security,
            name="app",
            unit_ids=[case.agency.root_id],
            permissions=[Permission.LEGAL_GRANT, Permission.LEGAL_REQUEST],
        )
    asked = await case.ask(REQUEST, both, input=case.input())
    access = asked.data["legalAccessRequest"]["legalAccess"]["id"]

    assert await case.decided(access, both) == ["LEGAL_FOUR_EYES"]
    assert await case.decided(access, second) == ["LEGAL_FOUR_EYES"]
    assert await case.decided(access, app) == ["LEGAL_PEOPLE_ONLY"]
    assert case.codes(await case.ask(REQUEST, app, input=case.input()), "legalAccessRequest") == ["LEGAL_PEOPLE_ONLY"]
    assert await case.read(access, both) == ["LEGAL_ACCESS_NOT_OPEN"]


async def test_the_table_itself_refuses_a_decision_of_whoever_asked(case: Case) -> None:
    access = await case.requested()

    with pytest.raises(Exception, match="legal_access_four_eyes_check"):
        async with case.in_the_table(access) as change:
            await change(decided_by=case.counsel.member_id, decided_by_user_id=new_id(), state="GRANTED")


@pytest.mark.parametrize("statement", ["UPDATE legal_access SET reason = 'x'", "DELETE FROM legal_access"])
async def test_a_request_can_be_neither_rewritten_nor_deleted(case: Case, statement: str) -> None:
    await case.requested()

    with pytest.raises(Exception, match="permission denied"):
        async with begin(case.database, case.agency.scope) as uow:
            await uow.session.execute(text(statement))


async def test_of_two_who_decide_at_once_one_decides(case: Case) -> None:
    access = await case.requested()
    second = await a_legal_person(case.database, case.settings, case.agency, {Permission.LEGAL_GRANT}, "Second")

    told = await asyncio.gather(
        *(case.decided(access, one, is_granted=grant) for one, grant in ((case.judge, True), (second, False)))
    )

    assert sorted(told) == [[], ["LEGAL_ALREADY_DECIDED"]]
    decisions = await case.trail("legal:access:grant") + await case.trail("legal:access:refuse")
    assert len(decisions) == 1


async def test_a_withdrawn_request_cannot_be_granted_any_more(case: Case) -> None:
    access = await case.requested()
    assert case.codes(await case.ask(END, case.counsel, input={"legalAccessId": access}), "legalAccessEnd") == []

    assert await case.decided(access, case.judge) == ["LEGAL_ALREADY_DECIDED"]
    assert await case.read(access, case.counsel) == ["LEGAL_ACCESS_NOT_OPEN"]


async def test_a_refused_request_opens_nothing(case: Case) -> None:
    access = await case.requested()
    assert await case.decided(access, case.judge, is_granted=False) == []

    assert await case.read(access, case.counsel) == ["LEGAL_ACCESS_NOT_OPEN"]
    assert await case.trail("legal:access:read") == []


async def test_an_access_is_over_at_its_time_by_the_databases_clock(case: Case) -> None:
    access = await case.granted(hours=3)
    async with case.in_the_table(access) as change:
        await change(expires_at=text("clock_timestamp() + interval '1 minute'"))
    assert await case.read(access, case.counsel) == ["A secret.", "Another."]

    async with case.in_the_table(access) as change:
        await change(expires_at=text("clock_timestamp() - interval '1 millisecond'"))

    assert await case.read(access, case.counsel) == ["LEGAL_ACCESS_NOT_OPEN"]
    assert len(await case.trail("legal:access:read")) == 1


async def test_an_access_lasts_as_long_as_it_was_asked_for_from_the_decision_on(case: Case) -> None:
    access = await case.granted(hours=72)

    async with begin_read(case.database, case.agency.scope) as uow:
        row = (await uow.session.scalars(select(LegalAccessRow).where(LegalAccessRow.id == decode(access)[1]))).one()
    assert row.decided_at is not None
    assert row.expires_at == row.decided_at + timedelta(hours=72)


async def test_an_access_ends_when_somebody_ends_it_and_is_not_ended_twice(case: Case) -> None:
    access = await case.granted()
    assert case.codes(await case.ask(END, case.judge, input={"legalAccessId": access}), "legalAccessEnd") == []

    assert await case.read(access, case.counsel) == ["LEGAL_ACCESS_NOT_OPEN"]
    again = await case.ask(END, case.counsel, input={"legalAccessId": access})
    assert case.codes(again, "legalAccessEnd") == ["LEGAL_ALREADY_DECIDED"]


async def test_an_access_ends_when_whoever_asked_loses_the_right_to_ask(case: Case) -> None:
    access = await case.granted()
    assert await case.read(access, case.counsel) == ["A secret.", "Another."]
    async with begin(case.database, case.agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE custom_role SET archived_at = clock_timestamp() WHERE permissions ? 'legal:request'")
        )

    assert await case.read(access, case.counsel) in (["FORBIDDEN"], ["PERMISSION_DENIED"])
    assert len(await case.trail("legal:access:read")) == 1


async def test_nobody_but_whoever_asked_reads_by_an_access(case: Case) -> None:
    access = await case.granted()
    owner = await a_person(case.database, case.settings, case.agency, case.agency.root_id, Role.OWNER)
    stranger_agency = await an_agency(case.database)
    stranger = await a_person(case.database, case.settings, stranger_agency, stranger_agency.root_id, Role.OWNER)

    assert await case.read(access, owner) == ["NOT_FOUND"]
    assert await case.read(access, stranger) == ["NOT_FOUND"]
    assert await case.read(encode("lga", new_id()), stranger) == ["NOT_FOUND"]
    assert await case.decided(access, stranger) == ["NOT_FOUND"]


async def test_what_is_asked_for_must_be_of_the_unit(case: Case) -> None:
    sibling = encode("unit", case.agency.units["client 2"])
    unknown = encode("cnv", new_id())

    for changed in ({"unitId": sibling}, {"conversationId": unknown}, {"unitId": encode("unit", case.agency.root_id)}):
        answer = await case.ask(REQUEST, case.counsel, input=case.input() | changed)
        assert case.codes(answer, "legalAccessRequest") == ["NOT_FOUND"]
    assert await case.trail("legal:access:request") == []


async def test_a_request_without_a_proper_form_is_told_everything_that_is_wrong(case: Case) -> None:
    wrong = {
        "reference": "",
        "reason": " ",
        "hours": 73,
        "conversationId": None,
        "isSecretUntil": "2020-01-01T00:00:00Z",
    }

    answer = await case.ask(REQUEST, case.counsel, input=case.input() | wrong)

    told = answer.data["legalAccessRequest"]["userErrors"]
    assert [one["path"] for one in told] == [
        ["reference"],
        ["reason"],
        ["hours"],
        ["conversationId"],
        ["isSecretUntil"],
    ]


async def test_the_clients_side_sees_who_looks_unless_the_law_forbids_to_tell(case: Case) -> None:
    client_owner = await a_person(case.database, case.settings, case.agency, case.unit_id, Role.OWNER)
    sibling = await a_person(case.database, case.settings, case.agency, case.agency.units["client 2"], Role.OWNER)
    operator = await a_person(case.database, case.settings, case.agency, case.unit_id, Role.OPERATOR)
    told = await case.granted()
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    secret = await case.granted(isSecretUntil=until)

    async def seen(person: APerson) -> set[str]:
        return {one["id"] for one in (await case.ask(LIST, person)).data["legalAccesses"]["nodes"]}

    assert await seen(client_owner) == {told}
    assert await seen(case.counsel) == await seen(case.judge) == {told, secret}
    assert await seen(sibling) == await seen(operator) == set()
    assert await case.decided(secret, client_owner) == ["NOT_FOUND"]

    async with begin(case.database, case.agency.scope) as uow:
        with pytest.raises(Exception, match="permission denied"):
            await uow.session.execute(text("UPDATE legal_access SET secret_until = NULL"))


async def test_the_trail_of_a_secret_access_does_not_say_whom_it_is_about(case: Case) -> None:
    secret = await case.granted(isSecretUntil=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    await case.read(secret, case.counsel)

    events = [one for verb in ("request", "grant", "read") for one in await case.trail(f"legal:access:{verb}")]

    assert [(one.subject_id, one.details) for one in events] == [(decode(secret)[1], {"isSecret": True})] * 3
    assert Kind.LEGAL_ACCESS.value == secret.partition("_")[0]
