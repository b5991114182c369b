"""Leaving over the API: what the caller is told, and that nothing of what left answers any more."""

from __future__ import annotations

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import a_person, an_agency
from tests.privacy.scenes import a_client, work
from tests.standin_server import Platform
from tests.tenancy.rows import Territory
from tests.workshop import Workshop

OFFBOARD = """mutation ($input: ClientOffboardInput!) { clientOffboard(input: $input) {
  offboarding { id state leftUnitId steps { name state done total } operation { id kind state } certificate { id } }
  userErrors { code path } } }"""
SHOW = """query ($id: ID!) { offboarding(id: $id) { state steps { name state } operation { state file { id } }
  export { name size sha256 } mediaManifest { name } certificate { name url } } offboardings { nodes { id } } }"""
ERASE = """mutation ($input: ContactEraseInput!) { contactErase(input: $input) {
  operation { id state } userErrors { code path } } }"""
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
LISTS = "{ units { nodes { id name } } contacts { nodes { id } } pages { nodes { id } } campaigns { nodes { id } } }"
PREFIX = {
    "unit": "unit",
    "page": "page",
    "contact": "ct",
    "label": "lbl",
    "topic": "top",
    "conversation": "cnv",
    "message": "msg",
    "note": "note",
    "reply_template": "tpl",
    "campaign": "cmp",
    "send_intent": "snd",
    "membership": "mbs",
    "operation": "opn",
    "stored_file": "file",
}


async def ids_of(territory: Territory) -> list[str]:
    """Return a global id of everything that the client has."""
    found: list[str] = []
    async with begin_read(territory.database, territory.organization.scope) as uow:
        for table in territory.tables():
            if table.name in PREFIX:
                rows = await uow.session.execute(
                    table.select().where(table.c["id" if table.name == "unit" else "unit_id"] == territory.unit_id)
                )
                found += [encode(PREFIX[table.name], row.id) for row in rows]
    return found


async def test_a_client_is_parted_with_over_the_api_and_its_ids_answer_like_random_ones(
    api: Api, database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    async with begin_read(database, client.agency.scope) as uow:
        name = (await tenants.unit(uow, client.unit_id)).name
    known = await ids_of(Territory(database, client.agency, client.unit_id, is_whole=False))
    unit = encode("unit", client.unit_id)
    given = {"unitId": unit, "policy": "ERASE", "confirmName": name, "reason": "The contract ended."}
    token, key = client.owner.token, new_id().hex

    begun = [await api.ask(OFFBOARD, {"input": given}, token=token, key=key) for _ in range(2)]
    hidden = await api.ask(NODES, {"ids": known[:90]}, token=token)
    await work(client, workshop)

    made = begun[0].data["clientOffboard"]["offboarding"]
    shown = await api.ask(SHOW, {"id": made["id"]}, token=token)
    manager = await a_person(database, settings, client.agency, client.agency.root_id, Role.MANAGER)
    refused = await api.ask(SHOW, {"id": made["id"]}, token=manager.token)
    gone = await api.ask(NODES, {"ids": known[:90]}, token=token)
    lists = await api.ask(LISTS, token=token)
    random = await api.ask(NODES, {"ids": [encode("unit", new_id())]}, token=token)
    assert begun[1].data["clientOffboard"]["offboarding"]["id"] == made["id"]
    assert (made["leftUnitId"], made["operation"]["kind"]) == (unit, "CLIENT_OFFBOARDING")
    assert [one["name"] for one in made["steps"]] == ["FREEZE", "EXPORT", "REVOKE", "STAFF", "ERASE", "CERTIFICATE"]
    assert len(known) > 15
    assert (
        set(map(str, hidden.data["nodes"])) == set(map(str, gone.data["nodes"])) == set(map(str, random.data["nodes"]))
    )
    assert name not in str(lists.body)
    assert not {one for one in known if one in str(lists.body)}
    assert shown.data["offboarding"]["state"] == "DONE"
    assert shown.data["offboarding"]["certificate"]["name"] == "certificate.json"
    assert shown.data["offboarding"]["export"]["size"] != "0"
    assert shown.data["offboarding"]["operation"]["state"] == "SUCCEEDED"
    assert made["id"] in {one["id"] for one in shown.data["offboardings"]["nodes"]}
    assert refused.codes[0] == "FORBIDDEN"
    assert client.canary.mark not in str(shown.body)


async def test_without_a_key_or_with_another_name_nobody_is_parted_with(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    unit = encode("unit", agency.units["client 1"])
    given = {"unitId": unit, "policy": "ERASE", "confirmName": "Client 1", "reason": "The contract ended."}

    keyless = await api.ask(OFFBOARD, {"input": given}, token=owner.token)
    wrong = await api.ask(OFFBOARD, {"input": given}, token=owner.token, key=new_id().hex)

    assert "IDEMPOTENCY_REQUIRED" in str(keyless.body)
    assert wrong.data["clientOffboard"]["userErrors"] == [
        {"code": "PRIVACY_NAME_NOT_CONFIRMED", "path": ["confirmName"]}
    ]


async def test_a_foreign_contact_and_a_random_one_are_refused_alike(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)

    said = await api.ask(
        ERASE, {"input": {"contactId": encode("ct", new_id()), "reason": "x"}}, token=owner.token, key=new_id().hex
    )

    assert said.data["contactErase"]["userErrors"] == [{"code": "NOT_FOUND", "path": ["contactId"]}]
