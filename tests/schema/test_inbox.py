"""The inbox over HTTP: a page of it costs the same for any number of rows, and a reply happens once per intention."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.models import ConversationRow, Folder
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.platforms.port import MessageReceived
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.inbox import a_contact, a_conversation, a_page, at, conversation_of, messages_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details, send, statements

NESTED = """query($first: Int, $after: String, $filter: ConversationFilter) {
  conversations(first: $first, after: $after, filter: $filter) {
  pageInfo { hasNextPage endCursor }
  nodes { id status folder category unreadCount lastMessageAt lastInboundAt revision
    contact { id name firstName } page { id name channel externalId } assignee { id name }
    labels { id name color } lastMessage { id text direction state occurredAt hasAttachments isUnsent } } } }"""
WHOLE = """query($first: Int) { conversations(first: $first) { edges { cursor node { ...Row } } } }
fragment Row on Conversation { id window { closesAt humanAgentClosesAt }
  contact { name labels { name unit { name } } unit { name } suppression { reason } consents { isOptedIn topic { name } }
    identities { externalId page { name } } }
  page { name health unit { name } } assignee { name deactivatedAt } labels { name unit { name } }
  lastMessage { text seq attachments { kind url title } author { name } stateReason } }"""


@dataclass(frozen=True, slots=True)
class ADesk:
    """A clerk of one client, with a conversation that waits for an answer."""

    organization: AnOrganization
    clerk: APerson
    conversation: ConversationRow

    @property
    def id(self) -> str:
        """The conversation's id."""
        return encode("cnv", self.conversation.id)

    def reply(self, text: str | None = "With pleasure.") -> dict[str, object]:
        """The input of a reply to what was said last."""
        seen = encode("msg", self.conversation.last_message_id or new_id())
        return {"conversationId": self.id, "lastMessageSeenId": seen, "text": text}


@pytest.fixture
async def desk(database: Database, settings: Settings) -> ADesk:
    """A desk."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    clerk = await a_person(database, settings, agency, unit_id, Role.OPERATOR, name="Clara")
    page = await a_page(database, agency, unit_id)
    return ADesk(agency, clerk, await a_conversation(database, agency, page, "Is there cake?"))


async def a_full_inbox(database: Database, agency: AnOrganization, owner: APerson, rows: int) -> None:
    """Fill a client's inbox with conversations that have an owner and a label each."""
    unit_id = agency.units["client 1"]
    page = await a_page(database, agency, unit_id)
    async with begin(database, agency.scope) as uow:
        label = await contacts.create_label(uow, unit_id, "VIP", "#2f6fed")
    for _ in range(rows):
        row = await a_conversation(database, agency, page)
        async with begin(database, agency.scope) as uow:
            await inbox.assign(uow, row.id, owner.member_id)
            await inbox.label(uow, row.id, label.id)
            await contacts.label_contact(uow, row.contact_id, label.id)


# --------------------------------------------------------------------------- reading


@pytest.mark.parametrize(("_case", "query"), [("nested", NESTED), ("whole", WHOLE)])
async def test_a_page_of_the_inbox_costs_the_same_for_five_rows_and_for_fifty(
    api: Api, database: Database, settings: Settings, _case: str, query: str
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    await a_full_inbox(database, agency, owner, 50)

    with statements() as few:
        five = await api.ask(query, {"first": 5}, token=owner.token)
    with statements() as many:
        fifty = await api.ask(query, {"first": 50}, token=owner.token)

    assert len(str(fifty.data)) > 8 * len(str(five.data))
    assert len(many) == len(few), "\n".join(many)


async def test_the_inbox_shows_every_part_of_a_conversation(api: Api, database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR, name="Clara")
    await a_full_inbox(database, agency, owner, 1)

    shown = (await api.ask(NESTED, token=owner.token)).data["conversations"]["nodes"][0]
    whole = (await api.ask(WHOLE, token=owner.token)).data["conversations"]["edges"][0]["node"]
    again = (
        await api.ask(
            """query($id: ID!) { node(id: $id) { ... on Conversation { page { id name channel externalId }
            contact { id name firstName } assignee { id name } labels { id name color }
            lastMessage { id text direction state occurredAt hasAttachments isUnsent } } } }""",
            {"id": shown["id"]},
            token=owner.token,
        )
    ).data["node"]

    assert (shown["contact"]["name"], shown["contact"]["firstName"]) == ("Grace Hopper", "Grace")
    assert (shown["page"]["name"], shown["page"]["channel"]) == ("Bakery", "MESSENGER")
    assert shown["assignee"] == {"id": encode("mem", owner.member_id), "name": "Clara"}
    assert [label["name"] for label in shown["labels"]] == ["VIP"]
    assert (shown["lastMessage"]["text"], shown["lastMessage"]["state"]) == ("Hello", "RECEIVED")
    assert again == {part: shown[part] for part in again}
    assert (whole["page"]["health"], whole["page"]["unit"]["name"]) == ("HEALTHY", "client 1")
    assert whole["contact"]["labels"] == [{"name": "VIP", "unit": {"name": "client 1"}}]
    assert whole["window"]["closesAt"] < whole["window"]["humanAgentClosesAt"]
    assert whole["lastMessage"]["seq"] == 1


async def test_pages_of_the_inbox_follow_each_other_without_gap_or_double(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR)
    page = await a_page(database, agency, agency.units["client 1"])
    rows = [await a_conversation(database, agency, page) for _ in range(7)]

    found, after, more = [], None, True
    while more:
        answer = await api.ask(NESTED, {"first": 3, "after": after}, token=owner.token)
        inbox_page = answer.data["conversations"]
        found += [node["id"] for node in inbox_page["nodes"]]
        after, more = inbox_page["pageInfo"]["endCursor"], inbox_page["pageInfo"]["hasNextPage"]

    assert found == [encode("cnv", row.id) for row in reversed(rows)]


async def test_filters_cut_the_inbox(api: Api, desk: ADesk, database: Database) -> None:
    other = await a_page(database, desk.organization, desk.organization.units["client 1"], "Cafe")
    elsewhere = await a_conversation(database, desk.organization, other)
    async with begin(database, desk.organization.scope) as uow:
        await inbox.assign(uow, elsewhere.id, desk.clerk.member_id)

    async def found(**filter: object) -> list[str]:
        answer = await api.ask(NESTED, {"filter": filter}, token=desk.clerk.token)
        return [node["id"] for node in answer.data["conversations"]["nodes"]]

    assert await found(unassigned=True) == [desk.id]
    assert await found(assigneeId=encode("mem", desk.clerk.member_id)) == [encode("cnv", elsewhere.id)]
    assert await found(pageId=encode("page", other.id)) == [encode("cnv", elsewhere.id)]
    assert len(await found(unitId=encode("unit", desk.organization.units["client 1"]), status="OPEN")) == 2
    assert await found(category="COMPLAINT") == []
    assert await found(folder="SPAM") == []


async def test_what_stands_outside_of_the_reach_does_not_exist(
    api: Api, desk: ADesk, database: Database, settings: Settings
) -> None:
    agency = desk.organization
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.MANAGER)
    stranger_agency = await an_agency(database)
    stranger = await a_person(database, settings, stranger_agency, stranger_agency.root_id, Role.OWNER)
    approver = await a_person(database, settings, agency, agency.units["client 1"], Role.APPROVER)
    ids = [desk.id, encode("msg", desk.conversation.last_message_id or new_id())]
    ids += [encode("page", desk.conversation.page_id), encode("ct", desk.conversation.contact_id)]

    seen = await api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, token=desk.clerk.token)
    assert [node["id"] for node in seen.data["nodes"]] == ids
    for person in (sibling, stranger, approver):
        nodes = await api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, token=person.token)
        assert nodes.data["nodes"] == [None] * 4
    for person in (sibling, stranger):
        rows = await api.ask(NESTED, token=person.token)
        refused = await change(api, "conversationReply", "message { id }", desk.reply(), token=person.token)
        noted = {"conversationId": desk.id, "text": "note"}
        assert rows.data["conversations"]["nodes"] == []
        assert codes(refused) == ["NOT_FOUND"]
        assert codes(await change(api, "noteCreate", "note { id }", noted, token=person.token)) == ["NOT_FOUND"]
    assert (await api.ask(NESTED, token=approver.token)).codes == ["FORBIDDEN"]


# --------------------------------------------------------------------------- replying


REPLY = "conversation { id revision } message { id text state seq author { name } }"


async def test_twenty_replies_with_one_key_are_one_message_and_one_answer(
    api: Api, desk: ADesk, database: Database
) -> None:
    answers = await asyncio.gather(
        *(send(api, "conversationReply", REPLY, desk.reply(), token=desk.clerk.token, key="one-key") for _ in range(20))
    )

    assert {str(answer.body) for answer in answers} == {str(answers[0].body)}
    payload = answers[0].data["conversationReply"]
    assert payload["userErrors"] == []
    assert (payload["message"]["text"], payload["message"]["state"]) == ("With pleasure.", "QUEUED")
    assert payload["message"]["author"] == {"name": "Clara"}
    said = await messages_of(database, desk.organization, desk.conversation.id)
    assert [message.text for message in said] == ["Is there cake?", "With pleasure."]


async def test_a_key_is_not_taken_for_another_text_and_none_at_all_is_refused(
    api: Api, desk: ADesk, database: Database
) -> None:
    token = desk.clerk.token
    await change(api, "conversationReply", REPLY, desk.reply(), token=token, key="used")

    other = await send(api, "conversationReply", REPLY, desk.reply("No."), token=token, key="used")
    missing = await send(api, "conversationReply", REPLY, desk.reply("No."), token=token, key=None)

    assert other.codes == ["IDEMPOTENCY_KEY_REUSED"]
    assert missing.codes == ["IDEMPOTENCY_REQUIRED"]
    assert len(await messages_of(database, desk.organization, desk.conversation.id)) == 2


async def test_a_refused_reply_leaves_its_key_free(api: Api, desk: ADesk, database: Database) -> None:
    token = desk.clerk.token

    empty = await change(api, "conversationReply", REPLY, desk.reply("  "), token=token, key="again")
    sent = await change(api, "conversationReply", REPLY, desk.reply(), token=token, key="again")

    assert (codes(empty), empty["message"], empty["conversation"]) == (["INBOX_TEXT_EMPTY"], None, None)
    assert codes(sent) == []


async def test_who_did_not_see_the_newest_message_is_told_its_id(api: Api, desk: ADesk, database: Database) -> None:
    first = await change(api, "conversationReply", REPLY, desk.reply(), token=desk.clerk.token)

    late = await change(api, "conversationReply", REPLY, desk.reply("Me too."), token=desk.clerk.token)

    assert codes(late) == ["INBOX_CONVERSATION_MOVED"]
    assert late["userErrors"][0]["path"] == ["lastMessageSeenId"]
    assert details(late["userErrors"][0]) == {"lastMessageId": [first["message"]["id"]]}


async def test_a_template_is_filled_in_with_what_is_known_and_what_is_given(
    api: Api, desk: ADesk, database: Database
) -> None:
    agency = desk.organization
    async with begin(database, agency.scope) as uow:
        template = await templates.create_template(
            uow,
            unit_id=agency.root_id,
            name="Cake",
            purpose=TemplatePurpose.REPLY,
            body="Dear {{ contact.first_name }}, {{ custom.kind }} is fresh. {{ agent.name }}",
        )
        release = await templates.release(uow, template.id, None, agency.root_id)
    async with begin(database, agency.scope) as uow:
        await templates.place_page(uow, release.id)
    asked = desk.reply(None) | {"templateId": encode("tpl", template.id)}

    missing = await change(api, "conversationReply", REPLY, asked, token=desk.clerk.token)
    given = asked | {"variables": [{"name": "custom.kind", "value": "carrot cake"}]}
    sent = await change(
        api, "conversationReply", f"{REPLY} message {{ templateVersionId }}", given, token=desk.clerk.token
    )

    assert codes(missing) == ["TEMPLATE_MISSING_VALUE"]
    assert sent["message"]["text"] == "Dear Grace, carrot cake is fresh. Clara"
    assert sent["message"]["templateVersionId"].startswith("tplv_")


# --------------------------------------------------------------------------- daily work


async def test_a_strangers_request_is_accepted_or_put_away_and_only_the_platform_makes_one(
    api: Api, desk: ADesk, database: Database
) -> None:
    page = await a_page(database, desk.organization, desk.organization.units["client 1"])
    contact_id = await a_contact(database, desk.organization, page)
    async with begin(database, desk.organization.scope) as uow:
        event = MessageReceived("p", f"m_{contact_id.hex}", "hi, we never met", (), at(0), is_request=True)
        await inbox.receive_message(uow, page, contact_id, event)
    row = await conversation_of(database, desk.organization, page, contact_id)
    one, token = {"conversationId": encode("cnv", row.id)}, desk.clerk.token
    shown = "conversation { folder revision }"

    refused = await change(api, "conversationFolderChange", shown, one | {"folder": "REQUEST"}, token=token)
    spam = await change(api, "conversationFolderChange", shown, one | {"folder": "SPAM"}, token=token)
    taken = await change(api, "conversationFolderChange", shown, one | {"folder": "PRIMARY"}, token=token)
    stale = await change(
        api, "conversationFolderChange", shown, one | {"folder": "SPAM", "expectedRevision": 1}, token=token
    )

    assert row.folder is Folder.REQUEST
    assert codes(refused) == ["INVALID_INPUT"]
    assert (spam["conversation"]["folder"], taken["conversation"]["folder"]) == ("SPAM", "PRIMARY")
    assert codes(stale) == ["INBOX_CONVERSATION_CHANGED"]


async def test_work_on_a_conversation_shows_in_it(api: Api, desk: ADesk, database: Database) -> None:
    async with begin(database, desk.organization.scope) as uow:
        label = await contacts.create_label(uow, desk.organization.units["client 1"], "VIP", "#2f6fed")
    one, token = {"conversationId": desk.id}, desk.clerk.token
    owner = {"assigneeId": encode("mem", desk.clerk.member_id)}
    label_input = {"labelId": encode("lbl", label.id)}

    early = await change(api, "conversationSetStatus", "conversation { id }", one | {"status": "RESOLVED"}, token=token)
    await change(api, "conversationAssign", "conversation { id }", one | owner, token=token)
    await change(api, "conversationSetCategory", "conversation { id }", one | {"category": "INQUIRY"}, token=token)
    await change(api, "conversationMarkRead", "conversation { id }", one, token=token)
    await change(api, "conversationLabel", "conversation { id }", one | label_input, token=token)
    noted = await change(api, "noteCreate", "note { text author { name } }", one | {"text": "regular"}, token=token)
    done = await change(
        api,
        "conversationSetStatus",
        """conversation { status category unreadCount assignee { name } labels { name } assignments { assignee { name } }
           notes { nodes { text } } messages { nodes { text } } }""",
        one | {"status": "RESOLVED"},
        token=token,
    )
    bare = await change(api, "conversationUnlabel", "conversation { labels { name } }", one | label_input, token=token)

    assert codes(early) == ["INBOX_CATEGORY_MISSING"]
    assert noted["note"] == {"text": "regular", "author": {"name": "Clara"}}
    assert done["conversation"] == {
        "status": "RESOLVED",
        "category": "INQUIRY",
        "unreadCount": 0,
        "assignee": {"name": "Clara"},
        "labels": [{"name": "VIP"}],
        "assignments": [{"assignee": {"name": "Clara"}}],
        "notes": {"nodes": [{"text": "regular"}]},
        "messages": {"nodes": [{"text": "Is there cake?"}]},
    }
    assert bare["conversation"]["labels"] == []


async def test_a_change_on_top_of_an_older_revision_is_refused(api: Api, desk: ADesk) -> None:
    stale = {"conversationId": desk.id, "status": "PENDING", "expectedRevision": desk.conversation.revision}
    await change(api, "conversationSetStatus", "conversation { revision }", stale, token=desk.clerk.token)

    again = await change(api, "conversationSetStatus", "conversation { id }", stale, token=desk.clerk.token)

    assert codes(again) == ["INBOX_CONVERSATION_CHANGED"]
    assert details(again["userErrors"][0]) == {"revision": [str(desk.conversation.revision + 1)]}


FOREIGN = {
    "conversationAssign": {"assigneeId": "mem"},
    "conversationLabel": {"labelId": "lbl"},
}


@pytest.mark.parametrize("field", FOREIGN)
async def test_a_foreign_id_beside_an_own_conversation_is_not_found(api: Api, desk: ADesk, field: str) -> None:
    ((name, prefix),) = FOREIGN[field].items()

    for foreign in (encode(prefix, new_id()), f"{prefix}_nonsense", desk.id):
        payload = await change(
            api, field, "conversation { id }", {"conversationId": desk.id, name: foreign}, token=desk.clerk.token
        )
        assert codes(payload) == ["NOT_FOUND"]
        assert payload["userErrors"][0]["path"] == [name]


async def test_who_only_reads_changes_nothing(api: Api, desk: ADesk, database: Database, settings: Settings) -> None:
    agency = desk.organization
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    one = {"conversationId": desk.id}

    for field, input in (
        ("conversationReply", desk.reply()),
        ("conversationMarkRead", one),
        ("noteCreate", one | {"text": "n"}),
    ):
        payload = await change(api, field, "conversation { id }", input, token=analyst.token)
        assert codes(payload) == ["PERMISSION_DENIED"]
    assert len(await messages_of(database, agency, desk.conversation.id)) == 1
