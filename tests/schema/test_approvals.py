"""Approval requests over HTTP: the approver's list, what a request tells, and where it ends."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.campaigns import AClient, a_client, a_crowd, a_submitted, an_approved
from tests.factories.tenants import a_person, an_agency

REQUESTS = """query($filter: ApprovalRequestFilter) { approvalRequests(filter: $filter) { nodes {
  id state quorum contentDigest unit { name } requestedBy { name } decidedAt subject { __typename id
  ... on Campaign { name audienceCount } } summary { name value } decisions { verdict } } } }"""


@pytest.fixture
async def client(database: Database, settings: Settings) -> AClient:
    """A client with a crowd."""
    made = await a_client(database, settings)
    await a_crowd(database, made, 2)
    return made


async def test_the_approver_finds_what_waits_and_reads_what_it_is(
    api: Api, database: Database, client: AClient
) -> None:
    await an_approved(database, client)
    row = await a_submitted(database, client)
    assert row.content_digest is not None

    waiting = await api.ask(REQUESTS, {"filter": {"state": "PENDING"}}, token=client.approver.token)
    everything = await api.ask(REQUESTS, token=client.approver.token)

    (request,) = waiting.data["approvalRequests"]["nodes"]
    assert request["subject"] == {
        "__typename": "Campaign",
        "id": encode("cmp", row.id),
        "name": "Half price",
        "audienceCount": 2,
    }
    assert (request["state"], request["quorum"], request["decidedAt"], request["decisions"]) == (
        "PENDING",
        1,
        None,
        [],
    )
    assert request["contentDigest"] == row.content_digest.hex()
    facts = {one["name"]: one["value"] for one in request["summary"]}
    assert (facts["name"], facts["audience"], facts["pages"], facts["scheduledAt"]) == (
        "Half price",
        "2",
        '["Bakery"]',
        None,
    )
    assert [one["state"] for one in everything.data["approvalRequests"]["nodes"]] == ["PENDING", "APPROVED"]


async def test_a_request_is_found_by_its_id_inside_its_unit_only(
    api: Api, database: Database, settings: Settings, client: AClient
) -> None:
    await a_submitted(database, client)
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    sibling = await a_person(database, settings, client.agency, client.agency.units["client 2"], Role.APPROVER)
    (request,) = (await api.ask(REQUESTS, token=client.approver.token)).data["approvalRequests"]["nodes"]
    node = "query($id: ID!) { node(id: $id) { id } }"

    answers = [
        (await api.ask(node, {"id": request["id"]}, token=token)).data["node"]
        for token in (client.approver.token, stranger.token, sibling.token)
    ]

    assert answers == [{"id": request["id"]}, None, None]
    assert (await api.ask(REQUESTS, token=sibling.token)).data["approvalRequests"]["nodes"] == []
