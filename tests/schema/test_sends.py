"""Open sends over HTTP: a person's word settles what nobody else knows, once."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import select, update

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.sends.models import SendIntentRow, SendState
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.inbox import a_conversation, a_page, messages_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, send, statements

OPEN = """query($first: Int) { openSends(first: $first) {
  nodes { id state purpose text reason attempt page { name unit { name } } contact { name } } } }"""
SETTLE = "send { id state reason }"


@dataclass(frozen=True, slots=True)
class AnOpenEnd:
    """A reply of which nobody knows whether it left, and the clerk who wrote it."""

    organization: AnOrganization
    clerk: APerson
    conversation_id: UUID
    send_id: UUID

    def word(self, *, arrived: bool) -> dict[str, object]:
        """The input of a person's word on it."""
        return {"id": encode("snd", self.send_id), "arrived": arrived}


async def an_open_end(
    api: Api, database: Database, organization: AnOrganization, clerk: APerson, state: SendState = SendState.NEEDS_HUMAN
) -> AnOpenEnd:
    """Let a clerk reply, and lose the platform's answer."""
    page = await a_page(database, organization, organization.units["client 1"])
    row = await a_conversation(database, organization, page)
    seen = encode("msg", row.last_message_id or new_id())
    reply = {"conversationId": encode("cnv", row.id), "lastMessageSeenId": seen, "text": "Coming."}
    assert codes(await change(api, "conversationReply", "message { id }", reply, token=clerk.token)) == []
    async with begin(database, organization.scope) as uow:
        wanted = (SendIntentRow.organization_id == organization.id, SendIntentRow.page_id == page.id)
        send_id = (await uow.session.scalars(select(SendIntentRow.id).where(*wanted))).one()
        await uow.session.execute(update(SendIntentRow).where(*wanted).values(state=state, reason="NO_ANSWER"))
    return AnOpenEnd(organization, clerk, row.id, send_id)


@pytest.fixture
async def open_end(api: Api, database: Database, settings: Settings) -> AnOpenEnd:
    """An open end."""
    agency = await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    return await an_open_end(api, database, agency, clerk)


async def test_open_sends_are_listed_at_the_same_cost_for_any_number(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    ends = [await an_open_end(api, database, agency, clerk) for _ in range(8)]

    with statements() as few:
        await api.ask(OPEN, {"first": 2}, token=clerk.token)
    with statements() as many:
        listed = await api.ask(OPEN, {"first": 8}, token=clerk.token)

    nodes = listed.data["openSends"]["nodes"]
    assert [node["id"] for node in nodes] == [encode("snd", end.send_id) for end in ends]
    assert (nodes[0]["page"]["unit"]["name"], nodes[0]["contact"]["name"]) == ("client 1", "Grace Hopper")
    assert len(many) == len(few), "\n".join(many)


@pytest.mark.parametrize(
    ("arrived", "state", "shown"), [(True, "SENT", "SENT"), (False, "QUEUED", "QUEUED")], ids=["arrived", "lost"]
)
async def test_a_word_settles_the_send_and_its_message(
    api: Api, open_end: AnOpenEnd, database: Database, arrived: bool, state: str, shown: str
) -> None:
    settled = await change(api, "sendSettle", SETTLE, open_end.word(arrived=arrived), token=open_end.clerk.token)

    assert (codes(settled), settled["send"]["state"]) == ([], state)
    said = await messages_of(database, open_end.organization, open_end.conversation_id)
    assert said[-1].state == shown
    assert (await api.ask(OPEN, token=open_end.clerk.token)).data["openSends"]["nodes"] == []


async def test_a_word_counts_once_per_key_and_a_second_word_comes_too_late(api: Api, open_end: AnOpenEnd) -> None:
    token = open_end.clerk.token

    first = await send(api, "sendSettle", SETTLE, open_end.word(arrived=True), token=token, key="word")
    again = await send(api, "sendSettle", SETTLE, open_end.word(arrived=True), token=token, key="word")
    other = await send(api, "sendSettle", SETTLE, open_end.word(arrived=False), token=token, key="word")
    late = await change(api, "sendSettle", SETTLE, open_end.word(arrived=False), token=token)
    keyless = await send(api, "sendSettle", SETTLE, open_end.word(arrived=True), token=token, key=None)

    assert again.body == first.body
    assert other.codes == ["IDEMPOTENCY_KEY_REUSED"]
    assert codes(late) == ["SEND_NOT_OPEN"]
    assert keyless.codes == ["IDEMPOTENCY_REQUIRED"]


async def test_only_those_who_may_reply_there_settle_or_see_it(
    api: Api, open_end: AnOpenEnd, database: Database, settings: Settings
) -> None:
    agency, other = open_end.organization, await an_agency(database)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.MANAGER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)

    for person, code in ((sibling, "NOT_FOUND"), (stranger, "NOT_FOUND"), (analyst, "PERMISSION_DENIED")):
        refused = await change(api, "sendSettle", SETTLE, open_end.word(arrived=True), token=person.token)
        node = await api.ask(
            "query($id: ID!) { node(id: $id) { id } }", {"id": encode("snd", open_end.send_id)}, token=person.token
        )
        assert codes(refused) == [code]
        assert node.data["node"] is None
    assert (await api.ask(OPEN, token=sibling.token)).data["openSends"]["nodes"] == []
    assert (await api.ask(OPEN, token=analyst.token)).codes == ["FORBIDDEN"]
