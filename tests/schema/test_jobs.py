"""Dead letters over HTTP: what went wrong, for those who answer for the whole organization."""

from __future__ import annotations

from server.config import Settings
from server.kit import jobs
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.jobs import DeadLetterSource
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization, a_person, an_agency

LETTERS = """query($first: Int, $after: String, $filter: DeadLetterFilter) {
  deadLetters(first: $first, after: $after, filter: $filter) {
  nodes { id source kind reason detail createdAt } pageInfo { hasNextPage endCursor } } }"""


async def some_letters(database: Database, organization: AnOrganization, number: int) -> None:
    """Let jobs and events of the organization die, in turns."""
    for place in range(number):
        source = DeadLetterSource.EVENT if place % 2 else DeadLetterSource.JOB
        async with begin(database, organization.scope) as uow:
            await jobs.bury(
                uow.session, organization.id, source, new_id(), kind="k", reason=f"reason {place}", detail="why"
            )


async def test_dead_letters_come_newest_first_and_without_gap(api: Api, database: Database, settings: Settings) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await some_letters(database, agency, 5)
    await some_letters(database, other, 2)

    reasons, after, more = [], None, True
    while more:
        page = (await api.ask(LETTERS, {"first": 2, "after": after}, token=owner.token)).data["deadLetters"]
        reasons += [letter["reason"] for letter in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    events = (await api.ask(LETTERS, {"filter": {"source": "EVENT"}}, token=owner.token)).data["deadLetters"]["nodes"]

    assert reasons == [f"reason {place}" for place in reversed(range(5))]
    assert [letter["reason"] for letter in events] == ["reason 3", "reason 1"]


async def test_a_dead_letter_is_found_by_its_id_in_its_own_organization_only(
    api: Api, database: Database, settings: Settings
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    await some_letters(database, agency, 1)
    letter = (await api.ask(LETTERS, token=owner.token)).data["deadLetters"]["nodes"][0]
    node = "query($id: ID!) { node(id: $id) { ... on DeadLetter { id reason } } }"

    own = await api.ask(node, {"id": letter["id"]}, token=owner.token)
    foreign = await api.ask(node, {"id": letter["id"]}, token=stranger.token)

    assert own.data["node"] == {"id": letter["id"], "reason": "reason 0"}
    assert foreign.data["node"] is None


async def test_a_manager_of_one_client_does_not_read_what_went_wrong_elsewhere(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    manager = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await some_letters(database, agency, 1)
    letter = (await api.ask(LETTERS, token=owner.token)).data["deadLetters"]["nodes"][0]

    listed = await api.ask(LETTERS, token=manager.token)
    node = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": letter["id"]}, token=manager.token)

    assert listed.codes == ["FORBIDDEN"]
    assert node.data["node"] is None
