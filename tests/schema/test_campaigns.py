"""Campaigns over HTTP: problems as data, approval of exactly what was shown, once per key, and the money."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.campaigns import (
    AClient,
    a_client,
    a_crowd,
    a_running,
    a_submitted,
    an_approved,
)
from tests.factories.tenants import a_person, an_agency
from tests.schema.asking import a_campaign_input, a_spent_run, campaign_id, change, codes, details, send, statements

CAMPAIGN = """campaign { id name state revision audienceCount contentDigest everybodyReason scheduledAt
  fallbacks { name value } unit { name } author { name } topic { name } pages { name } labels { name }
  templateVersion { number body template { name } }
  approval { state contentDigest quorum requestedBy { name } subject { id } summary { name value }
    decisions { verdict comment member { name } decidedAt } } }"""


@pytest.fixture
async def client(database: Database, settings: Settings) -> AClient:
    """A client with a crowd of three who said yes."""
    made = await a_client(database, settings)
    await a_crowd(database, made, 3)
    return made


async def test_a_campaign_goes_from_draft_to_schedule_and_every_step_shows_what_there_is(
    api: Api, client: AClient
) -> None:
    wanted = {**a_campaign_input(client), "fallbacks": [{"name": "contact.first_name", "value": "there"}]}
    made = await change(api, "campaignCreate", CAMPAIGN, wanted, token=client.author.token)
    which = {"campaignId": made["campaign"]["id"]}

    submitted = await change(api, "campaignSubmit", CAMPAIGN, which, token=client.author.token)
    shown = submitted["campaign"]["approval"]
    verdict = {**which, "verdict": "APPROVE", "comment": "Good", "contentDigest": shown["contentDigest"]}
    decided = await change(api, "campaignDecide", CAMPAIGN, verdict, token=client.approver.token)

    assert made["campaign"]["state"] == "DRAFT"
    assert made["campaign"]["approval"] is None
    assert made["campaign"]["fallbacks"] == [{"name": "contact.first_name", "value": "there"}]
    assert (made["campaign"]["topic"], made["campaign"]["pages"]) == ({"name": "Offers"}, [{"name": "Bakery"}])
    assert made["campaign"]["labels"] == [{"name": "regulars"}]
    assert made["campaign"]["templateVersion"]["template"] == {"name": "Half price"}
    assert submitted["campaign"]["audienceCount"] == 3
    assert submitted["campaign"]["contentDigest"] == shown["contentDigest"]
    assert (shown["state"], shown["subject"], shown["requestedBy"]) == (
        "PENDING",
        {"id": which["campaignId"]},
        {"name": "Ada"},
    )
    assert {"name": "audience", "value": "3"} in shown["summary"]
    assert decided["campaign"]["state"] == "SCHEDULED"
    assert decided["campaign"]["approval"]["state"] == "APPROVED"
    (vote,) = decided["campaign"]["approval"]["decisions"]
    assert (vote["verdict"], vote["comment"], vote["member"]) == ("APPROVE", "Good", {"name": "Clara"})


async def test_all_problems_of_a_draft_are_told_at_once_with_their_paths(api: Api, client: AClient) -> None:
    wanted = {**a_campaign_input(client), "name": "", "topicId": encode("top", new_id()), "pageIds": ["page_x"]}
    malformed = await change(api, "campaignCreate", CAMPAIGN, wanted, token=client.author.token)
    wanted["pageIds"] = [encode("page", new_id())]
    random = await change(api, "campaignCreate", CAMPAIGN, wanted, token=client.author.token)

    assert (codes(malformed), malformed["campaign"]) == (["NOT_FOUND"], None)
    assert [(one["code"], one["path"]) for one in random["userErrors"]] == [
        ("INVALID_INPUT", ["name"]),
        ("NOT_FOUND", ["topicId"]),
        ("NOT_FOUND", ["pageIds"]),
    ]


UNSTORABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a reason with NUL": ({"everybodyReason": "a\x00b"}, "everybodyReason"),
    "a fallback with NUL": ({"fallbacks": [{"name": "contact.first_name", "value": "a\x00b"}]}, "fallbacks"),
    "before all time": ({"scheduledAt": "0001-01-01T00:00:00+14:00"}, "scheduledAt"),
    "after all time": ({"scheduledAt": "9999-12-31T23:59:59-14:00"}, "scheduledAt"),
    "without an offset": ({"scheduledAt": "2030-12-31T23:59:59"}, "scheduledAt"),
}


@pytest.mark.parametrize("_case", UNSTORABLE)
async def test_a_value_that_cannot_be_stored_is_the_callers_mistake(api: Api, client: AClient, _case: str) -> None:
    more, path = UNSTORABLE[_case]

    refused = await change(
        api, "campaignCreate", CAMPAIGN, {**a_campaign_input(client), **more}, token=client.author.token
    )

    assert [(one["code"], one["path"][0]) for one in refused["userErrors"]] == [("INVALID_INPUT", path)]


async def test_a_comment_with_nul_decides_nothing(api: Api, database: Database, client: AClient) -> None:
    row = await a_submitted(database, client)
    assert row.content_digest is not None
    digest = row.content_digest.hex()
    verdict = {**campaign_id(row.id), "verdict": "REJECT", "comment": "a\x00b", "contentDigest": digest}

    refused = await change(api, "campaignDecide", CAMPAIGN, verdict, token=client.approver.token)

    assert [(one["code"], one["path"]) for one in refused["userErrors"]] == [("INVALID_INPUT", ["comment"])]


async def test_missing_values_name_the_people_and_the_variables_by_global_ids(
    api: Api, database: Database, client: AClient
) -> None:
    (nameless,) = await a_crowd(database, client, 1, first_name=None)
    made = await change(api, "campaignCreate", CAMPAIGN, a_campaign_input(client), token=client.author.token)
    which = {"campaignId": made["campaign"]["id"]}

    refused = await change(api, "campaignSubmit", CAMPAIGN, which, token=client.author.token)
    dry = (
        await api.ask(
            """query($id: ID!) { campaign(id: $id) { preview { audience eligible skipped { reason count }
              missingVariables missingRecipients { contactId variables } samples { text }
              problems { code ... on DetailedError { details { name values } } } } } }""",
            {"id": which["campaignId"]},
            token=client.author.token,
        )
    ).data["campaign"]["preview"]

    (problem,) = refused["userErrors"]
    assert (problem["__typename"], problem["code"]) == ("DetailedError", "CAMPAIGN_MISSING_VALUES")
    assert details(problem) == {"recipients": [encode("ct", nameless)], "variables": ["contact.first_name"]}
    assert (dry["audience"], dry["eligible"]) == (4, 3)
    assert dry["skipped"] == [{"reason": "MISSING_VARIABLE", "count": 1}]
    assert dry["missingVariables"] == ["contact.first_name"]
    assert dry["missingRecipients"] == [{"contactId": encode("ct", nameless), "variables": ["contact.first_name"]}]
    assert len(dry["samples"]) == 3
    assert [one["code"] for one in dry["problems"]] == ["CAMPAIGN_MISSING_VALUES"]


async def test_the_author_cannot_approve_and_neither_can_an_app(
    api: Api, database: Database, settings: Settings, client: AClient
) -> None:
    owner = await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)
    made = await change(api, "campaignCreate", CAMPAIGN, a_campaign_input(client), token=owner.token)
    which = {"campaignId": made["campaign"]["id"]}
    digest = (await change(api, "campaignSubmit", CAMPAIGN, which, token=owner.token))["campaign"]["contentDigest"]
    app = await change(
        api,
        "tokenCreate",
        "secret",
        {"name": "App", "permissions": ["CAMPAIGN_APPROVE"], "unitId": encode("unit", client.unit_id)},
        token=owner.token,
    )
    verdict = {**which, "verdict": "APPROVE", "contentDigest": digest}

    own = await change(api, "campaignDecide", CAMPAIGN, verdict, token=owner.token)
    machine = await change(api, "campaignDecide", CAMPAIGN, verdict, token=app["secret"])

    assert (codes(own), codes(machine)) == (["APPROVALS_SELF_APPROVAL"], ["APPROVALS_PERSON_NEEDED"])


async def test_a_decision_on_other_content_is_refused_and_names_what_waits(
    api: Api, database: Database, client: AClient
) -> None:
    row = await a_submitted(database, client)
    assert row.content_digest is not None
    other = {**campaign_id(row.id), "verdict": "APPROVE", "contentDigest": "00" * 32}
    nonsense = {**other, "contentDigest": "nonsense"}

    refused = await change(api, "campaignDecide", CAMPAIGN, other, token=client.approver.token)
    malformed = await change(api, "campaignDecide", CAMPAIGN, nonsense, token=client.approver.token)

    (problem,) = refused["userErrors"]
    assert (problem["code"], problem["path"]) == ("APPROVALS_CONTENT_CHANGED", ["contentDigest"])
    assert details(problem) == {"digest": [row.content_digest.hex()]}
    assert codes(malformed) == ["INVALID_INPUT"]


async def test_an_edit_changes_only_what_is_given_and_voids_the_approval(
    api: Api, database: Database, client: AClient
) -> None:
    row = await an_approved(database, client)
    planned = datetime(2100, 1, 1, tzinfo=UTC).isoformat()
    edit = {**campaign_id(row.id), "name": "Full price", "scheduledAt": planned, "expectedRevision": 1}

    edited = await change(api, "campaignEdit", CAMPAIGN, edit, token=client.author.token)
    stale = await change(api, "campaignEdit", CAMPAIGN, edit, token=client.author.token)
    cleared = {**campaign_id(row.id), "scheduledAt": None}
    again = await change(api, "campaignEdit", CAMPAIGN, cleared, token=client.author.token)

    assert (edited["campaign"]["name"], edited["campaign"]["state"], edited["campaign"]["revision"]) == (
        "Full price",
        "DRAFT",
        2,
    )
    assert edited["campaign"]["labels"] == [{"name": "regulars"}]
    assert edited["campaign"]["approval"]["state"] == "VOIDED"
    assert codes(stale) == ["CAMPAIGN_REVISION_CHANGED"]
    assert details(stale["userErrors"][0]) == {"revision": ["2"]}
    assert datetime.fromisoformat(edited["campaign"]["scheduledAt"]) == datetime(2100, 1, 1, tzinfo=UTC)
    assert (again["campaign"]["scheduledAt"], again["campaign"]["name"]) == (None, "Full price")


async def test_a_campaign_can_be_held_resumed_and_cancelled(api: Api, database: Database, client: AClient) -> None:
    row = await an_approved(database, client)
    which, token = campaign_id(row.id), client.approver.token

    seen = [
        (await change(api, field, CAMPAIGN, which, token=token))["campaign"]["state"]
        for field in ("campaignPause", "campaignResume", "campaignCancel")
    ]
    over = await change(api, "campaignCancel", CAMPAIGN, which, token=token)

    assert seen == ["PAUSED", "SCHEDULED", "CANCELLED"]
    assert codes(over) == ["CAMPAIGN_WRONG_STATE"]


async def test_submit_happens_once_per_key_and_a_key_belongs_to_one_input(
    api: Api, database: Database, client: AClient
) -> None:
    token, key = client.author.token, new_id().hex
    first, other = [
        (await change(api, "campaignCreate", CAMPAIGN, a_campaign_input(client), token=token))["campaign"]["id"]
        for _ in range(2)
    ]

    done = await change(api, "campaignSubmit", CAMPAIGN, {"campaignId": first}, token=token, key=key)
    repeated = await change(api, "campaignSubmit", CAMPAIGN, {"campaignId": first}, token=token, key=key)
    reused = await send(api, "campaignSubmit", CAMPAIGN, {"campaignId": other}, token=token, key=key)
    keyless = await send(api, "campaignSubmit", CAMPAIGN, {"campaignId": other}, token=token, key=None)

    assert done == repeated
    assert done["campaign"]["state"] == "IN_REVIEW"
    assert (reused.codes, keyless.codes) == (["IDEMPOTENCY_KEY_REUSED"], ["IDEMPOTENCY_REQUIRED"])
    asked = await api.ask("{ approvalRequests { nodes { id } } }", token=token)
    assert len(asked.data["approvalRequests"]["nodes"]) == 1


async def test_a_decision_happens_once_per_key_and_needs_one(api: Api, database: Database, client: AClient) -> None:
    row = await a_submitted(database, client)
    assert row.content_digest is not None
    verdict = {**campaign_id(row.id), "verdict": "REJECT", "contentDigest": row.content_digest.hex()}
    token, key = client.approver.token, new_id().hex

    keyless = await send(api, "campaignDecide", CAMPAIGN, verdict, token=token, key=None)
    done = await change(api, "campaignDecide", CAMPAIGN, verdict, token=token, key=key)
    repeated = await change(api, "campaignDecide", CAMPAIGN, verdict, token=token, key=key)
    reused = await send(api, "campaignDecide", CAMPAIGN, {**verdict, "verdict": "APPROVE"}, token=token, key=key)
    anew = await change(api, "campaignDecide", CAMPAIGN, verdict, token=token)

    assert keyless.codes == ["IDEMPOTENCY_REQUIRED"]
    assert done == repeated
    assert done["campaign"]["state"] == "REJECTED"
    assert len(done["campaign"]["approval"]["decisions"]) == 1
    assert reused.codes == ["IDEMPOTENCY_KEY_REUSED"]
    assert codes(anew) == ["APPROVALS_ALREADY_DECIDED"]


FOREIGN = {
    "campaignSubmit": {},
    "campaignPause": {},
    "campaignResume": {},
    "campaignCancel": {},
    "campaignEdit": {"name": "Mine"},
    "campaignDecide": {"verdict": "APPROVE", "contentDigest": "00" * 32},
}


@pytest.mark.parametrize("_field", FOREIGN)
async def test_a_campaign_of_another_agency_is_no_campaign_at_all(
    api: Api, database: Database, settings: Settings, client: AClient, _field: str
) -> None:
    agency = await an_agency(database)
    stranger = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    row = await a_submitted(database, client)

    foreign = await change(api, _field, CAMPAIGN, {**campaign_id(row.id), **FOREIGN[_field]}, token=stranger.token)
    random = await change(api, _field, CAMPAIGN, {**campaign_id(new_id()), **FOREIGN[_field]}, token=stranger.token)

    assert foreign == random
    assert codes(foreign) == ["NOT_FOUND"]


async def test_reads_of_another_agency_find_nothing(
    api: Api, database: Database, settings: Settings, client: AClient
) -> None:
    agency = await an_agency(database)
    stranger = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    sibling = await a_person(database, settings, client.agency, client.agency.units["client 2"], Role.MANAGER)
    row = await a_submitted(database, client)
    document = """query($id: ID!, $unit: ID!) { campaign(id: $id) { id } node(id: $id) { id }
      campaigns(filter: {unitId: $unit}) { nodes { id } } approvalRequests(filter: {unitId: $unit}) { nodes { id } } }"""
    wanted = {"id": encode("cmp", row.id), "unit": encode("unit", client.unit_id)}

    for token in (stranger.token, sibling.token):
        assert (await api.ask(document, wanted, token=token)).data == {
            "campaign": None,
            "node": None,
            "campaigns": {"nodes": []},
            "approvalRequests": {"nodes": []},
        }
    assert (await api.ask(document, wanted, token=client.approver.token)).data["campaign"] is not None


async def test_the_approver_may_neither_write_nor_try_and_the_operator_may_not_decide(
    api: Api, database: Database, settings: Settings, client: AClient
) -> None:
    operator = await a_person(database, settings, client.agency, client.unit_id, Role.OPERATOR)
    row = await a_submitted(database, client)
    verdict = {**campaign_id(row.id), "verdict": "APPROVE", "contentDigest": "00" * 32}

    wrote = await change(api, "campaignCreate", CAMPAIGN, a_campaign_input(client), token=client.approver.token)
    decided = await change(api, "campaignDecide", CAMPAIGN, verdict, token=operator.token)
    tried = await api.ask(
        "query($id: ID!) { campaign(id: $id) { preview { eligible } } }",
        {"id": encode("cmp", row.id)},
        token=client.approver.token,
    )

    assert (codes(wrote), codes(decided)) == (["PERMISSION_DENIED"], ["PERMISSION_DENIED"])
    assert details(decided["userErrors"][0]) == {"permission": ["campaign:approve"]}
    assert tried.data["campaign"] == {"preview": None}


RESULTS = """query($id: ID!) { campaign(id: $id) { results { audience queued sent delivered read unknown
  failed { reason count } skipped { reason count } spend { micros amount currency }
  costPerDelivered { amount currency } } } }"""


async def test_results_count_everybody_once_and_money_is_for_those_who_may_see_it(
    api: Api, database: Database, settings: Settings, client: AClient
) -> None:
    await a_crowd(database, client, 1, says_yes=False)
    row = await a_running(database, client)
    operator = await a_person(database, settings, client.agency, client.unit_id, Role.OPERATOR)
    people = await a_spent_run(database, client, row.id)
    wanted = {"id": encode("cmp", row.id)}

    rich = (await api.ask(RESULTS, wanted, token=client.approver.token)).data["campaign"]["results"]
    poor = (await api.ask(RESULTS, wanted, token=operator.token)).data["campaign"]["results"]

    assert people == 3
    assert rich == {
        "audience": 4,
        "queued": 0,
        "sent": 2,
        "delivered": 2,
        "read": 1,
        "unknown": 0,
        "failed": [{"reason": "REFUSED", "count": 1}],
        "skipped": [{"reason": "NO_CONSENT", "count": 1}],
        "spend": [{"micros": "28200", "amount": "0.0282", "currency": "EUR"}],
        "costPerDelivered": {"amount": "0.0141", "currency": "EUR"},
    }
    assert poor == {**rich, "spend": None, "costPerDelivered": None}


PAGE = """query($first: Int!) { campaigns(first: $first) { nodes { id name state unit { name } author { name }
  topic { name } templateVersion { number template { name } author { name } } pages { name unit { name } }
  labels { name } approval { state requestedBy { name } unit { name } decisions { member { name } } } } } }"""


async def test_a_page_of_campaigns_takes_the_same_number_of_statements_for_one_and_for_eight(
    api: Api, database: Database, client: AClient
) -> None:
    for _ in range(8):
        await an_approved(database, client)
    token = client.author.token
    await api.ask(PAGE, {"first": 8}, token=token)

    with statements() as few:
        one = await api.ask(PAGE, {"first": 1}, token=token)
    with statements() as many:
        eight = await api.ask(PAGE, {"first": 8}, token=token)

    assert len(one.data["campaigns"]["nodes"]) == 1
    assert len(eight.data["campaigns"]["nodes"]) == 8
    assert eight.data["campaigns"]["nodes"][7]["approval"]["decisions"] == [{"member": {"name": "Clara"}}]
    assert len(many) == len(few), "\n".join(many)


async def test_dry_runs_are_few_in_one_request(api: Api, database: Database, client: AClient) -> None:
    for _ in range(4):
        await a_submitted(database, client)

    answer = await api.ask("{ campaigns { nodes { preview { eligible } } } }", token=client.author.token)

    assert set(answer.codes) == {"QUERY_TOO_COMPLEX"}
