"""The trail over HTTP: who may read it, what it is cut to, and that a page continues another."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.campaigns import AClient, a_client, a_crowd, an_approved
from tests.factories.tenants import APerson, a_person, an_agency

TRAIL = """query($filter: AuditEventFilter, $first: Int, $after: String) {
  auditEvents(filter: $filter, first: $first, after: $after) {
    nodes { id seq action actorName actorId subjectId hash details { name value } } pageInfo { endCursor hasNextPage } } }"""


@pytest.fixture
async def client(database: Database, settings: Settings) -> AClient:
    """A client with a crowd."""
    made = await a_client(database, settings)
    await a_crowd(database, made, 1)
    return made


@pytest.fixture
async def owner(database: Database, settings: Settings, client: AClient) -> APerson:
    """The owner of the client's agency."""
    return await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)


async def test_the_trail_of_one_campaign_tells_who_did_what_newest_first(
    api: Api, database: Database, client: AClient, owner: APerson
) -> None:
    row = await an_approved(database, client)
    campaign = encode("cmp", row.id)

    events = (await api.ask(TRAIL, {"filter": {"subjectId": campaign}}, token=owner.token)).data["auditEvents"]["nodes"]

    assert [(one["action"], one["actorName"], one["subjectId"]) for one in events] == [
        ("campaign:approval:grant", "Clara", campaign),
        ("campaign:approval:request", "Ada", campaign),
        ("campaign:self:create", "Ada", campaign),
    ]
    assert events[0]["actorId"] == encode("mem", client.approver.member_id)
    assert events[2]["details"] == [{"name": "name", "value": "Half price"}]


async def test_pages_of_the_trail_follow_each_other_without_a_gap(
    api: Api, database: Database, client: AClient, owner: APerson
) -> None:
    await an_approved(database, client)
    numbers: list[int] = []
    after, more = None, True

    while more:
        page = (await api.ask(TRAIL, {"first": 3, "after": after}, token=owner.token)).data["auditEvents"]
        numbers += [one["seq"] for one in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) > 3


async def test_the_trail_is_for_those_who_may_read_it_on_the_whole_organization(
    api: Api, database: Database, settings: Settings, client: AClient, owner: APerson
) -> None:
    local = await a_person(database, settings, client.agency, client.unit_id, Role.ADMIN)
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    row = await an_approved(database, client)
    wanted = {"filter": {"subjectId": encode("cmp", row.id)}}
    event = (await api.ask(TRAIL, wanted, token=owner.token)).data["auditEvents"]["nodes"][0]["id"]
    node = "query($id: ID!) { node(id: $id) { id } }"

    assert (await api.ask(TRAIL, wanted, token=client.author.token)).codes == ["FORBIDDEN"]
    assert (await api.ask(TRAIL, wanted, token=local.token)).codes == ["FORBIDDEN"]
    assert (await api.ask(TRAIL, wanted, token=stranger.token)).data["auditEvents"]["nodes"] == []
    for token in (local.token, stranger.token):
        assert (await api.ask(node, {"id": event}, token=token)).data == {"node": None}
    assert (await api.ask(node, {"id": event}, token=owner.token)).data == {"node": {"id": event}}


async def test_a_subject_that_is_no_id_is_refused_and_one_that_never_was_has_no_trail(api: Api, owner: APerson) -> None:
    malformed = await api.ask(TRAIL, {"filter": {"subjectId": "nonsense"}}, token=owner.token)
    random = await api.ask(TRAIL, {"filter": {"subjectId": encode("cmp", new_id())}}, token=owner.token)

    assert malformed.codes == ["BAD_REQUEST"]
    assert random.data["auditEvents"]["nodes"] == []
