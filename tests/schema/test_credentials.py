"""A family of credentials over HTTP: nothing lives longer than what it was made through, and nobody's is left running."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from server.audit.models import AuditEventRow
from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode, encode
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.credentials import (
    a_robot,
    a_token,
    is_taken,
    let_end,
    moment,
    robots_token,
    somebody_signed_in,
)
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details

LIST = """query($filter: CredentialFilter) { credentials(first: 100, filter: $filter) { nodes {
  id kind tokenKind name state cutAt maker { name } owner { name } parent { name } dependents { name } units { name } } } }"""
HUNG = "credentials { name state owner { name } maker { name } }"
ENDED = f"member {{ deactivatedAt }} {HUNG}"
TOKEN = f"token {{ revokedAt }} {HUNG}"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner Olga, signed in."""
    return await somebody_signed_in(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


@pytest.fixture
async def admin(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its administrator Ada, signed in."""
    return await somebody_signed_in(database, settings, agency, agency.root_id, Role.ADMIN)


def mem(person: APerson) -> str:
    """The global id of a person."""
    return encode("mem", person.member_id)


async def listed(api: Api, person: APerson, **wanted: object) -> dict[str, dict[str, Any]]:
    """Return what somebody is listed, by name."""
    answer = await api.ask(LIST, {"filter": wanted}, token=person.token)
    return {one["name"]: one for one in answer.data["credentials"]["nodes"]}


async def acts(database: Database, agency: AnOrganization, prefix: str) -> list[tuple[str, object]]:
    """Return what the trail tells of one kind, with the name it tells."""
    async with begin_read(database, agency.scope) as uow:
        statement = select(AuditEventRow).where(AuditEventRow.action.like(f"{prefix}%")).order_by(AuditEventRow.seq)
        return [(one.action, one.details.get("name")) for one in await uow.session.scalars(statement)]


async def test_a_maker_of_integrations_is_not_deactivated_without_a_word_about_them(
    api: Api, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    bot = await a_token(api, admin.token, "Bot", at=agency.units["client 1"])
    robot = await a_robot(api, admin.token)

    refused = await change(api, "memberDeactivate", ENDED, {"memberId": mem(admin)}, token=owner.token)

    assert codes(refused) == ["CREDENTIAL_HAS_DEPENDENTS"]
    assert details(refused["userErrors"][0]) == {
        "credentialIds": [bot["token"]["id"], robot["app"]["id"]],
        "names": [f"Bot ({bot['token']['id']})", f"Robot ({robot['app']['id']})"],
        "count": ["2"],
    }
    assert await is_taken(api, admin.token)
    assert await is_taken(api, bot["secret"])


async def test_what_a_deactivated_person_made_ends_with_them_if_that_is_chosen(
    api: Api, database: Database, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    bot = await a_token(api, admin.token, "Bot", at=agency.units["client 1"])
    child = await a_token(api, (await a_token(api, admin.token, "Mine"))["secret"], "Child")
    robot = await a_robot(api, admin.token)
    running = (await robots_token(api, robot))["access_token"]
    assert await is_taken(api, running)

    chosen = {"memberId": mem(admin), "credentials": "END"}
    ended = await change(api, "memberDeactivate", ENDED, chosen, token=owner.token)

    assert {one["name"]: one["state"] for one in ended["credentials"]} == {"Bot": "ENDED", "Robot": "ENDED"}
    for secret in (bot["secret"], running, child["secret"], admin.token):
        assert not await is_taken(api, secret)
    assert (await robots_token(api, robot))["error"] == "invalid_client"
    assert await acts(database, agency, "token:self:revoke") == [("token:self:revoke", "Bot")]
    assert await acts(database, agency, "app:self:archive") == [("app:self:archive", "Robot")]


async def test_what_a_deactivated_person_made_goes_on_under_the_name_of_another(
    api: Api, database: Database, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    through = await a_token(api, admin.token, "Mine", permissions=["TEMPLATE_READ", "TOKEN_MANAGE"])
    bot = await a_token(api, through["secret"], "Bot", at=agency.units["client 1"])
    robot = await a_robot(api, admin.token)

    chosen = {"memberId": mem(admin), "credentials": "HAND_OVER", "handOverToId": mem(owner)}
    done = await change(api, "memberDeactivate", ENDED, chosen, token=owner.token)
    found = await listed(api, owner, ownerId=mem(owner))

    assert done["member"]["deactivatedAt"] is not None
    assert {(one["owner"]["name"], one["maker"]["name"]) for one in done["credentials"]} == {("Olga", "Ada")}
    assert await is_taken(api, bot["secret"])
    assert not await is_taken(api, through["secret"])
    assert await is_taken(api, (await robots_token(api, robot))["access_token"])
    assert (found["Bot"]["parent"], found["Bot"]["state"]) == (None, "ACTIVE")
    assert [name for _, name in await acts(database, agency, "credential:owner")] == ["Bot", "Robot"]


async def test_a_choice_that_does_not_fit_together_is_refused(
    api: Api, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    await a_token(api, admin.token, "Bot", at=agency.units["client 1"])

    async def refused(**chosen: object) -> list[tuple[str, list[str]]]:
        wanted = {"memberId": mem(admin), **chosen}
        done = await change(api, "memberDeactivate", ENDED, wanted, token=owner.token)
        return [(one["code"], one["path"]) for one in done["userErrors"]]

    assert await refused(credentials="HAND_OVER") == [("INVALID_INPUT", ["handOverToId"])]
    assert await refused(credentials="END", handOverToId=mem(owner)) == [("INVALID_INPUT", ["handOverToId"])]
    assert await refused(handOverToId=mem(owner)) == [("INVALID_INPUT", ["handOverToId"])]
    assert await refused(credentials="HAND_OVER", handOverToId=mem(admin)) == [("INVALID_INPUT", ["handOverToId"])]
    assert await is_taken(api, admin.token)


async def test_a_token_makes_none_that_lives_longer_and_ends_with_its_parent(
    api: Api, agency: AnOrganization, admin: APerson
) -> None:
    parent = await a_token(api, admin.token, "For a day", expiresInDays=1)
    child = await a_token(api, parent["secret"], "For a year", expiresInDays=365)
    wanted = {"tokenId": parent["token"]["id"]}

    refused = await change(api, "tokenRevoke", TOKEN, wanted, token=admin.token)
    is_alive = await is_taken(api, child["secret"])
    done = await change(api, "tokenRevoke", TOKEN, wanted | {"credentials": "END"}, token=admin.token)

    assert child["token"]["expiresAt"] == parent["token"]["expiresAt"]
    assert moment(child["token"]["expiresAt"]) <= datetime.now(UTC) + timedelta(days=1)
    assert child["token"]["credential"]["parent"] == {"name": "For a day"}
    assert (codes(refused), is_alive) == (["CREDENTIAL_HAS_DEPENDENTS"], True)
    assert [(one["name"], one["state"]) for one in done["credentials"]] == [("For a year", "ENDED")]
    assert not await is_taken(api, child["secret"])


@pytest.mark.parametrize("how", ["revoked", "expired", "idle"])
async def test_a_parents_end_is_at_once_the_end_of_all_that_was_made_through_it(
    api: Api, database: Database, agency: AnOrganization, admin: APerson, how: str
) -> None:
    # Given: three tokens in a line, an app at its end, and a sibling that hangs on nothing.
    may = {"permissions": ["TEMPLATE_READ", "TOKEN_MANAGE", "APP_MANAGE"]}
    first = await a_token(api, admin.token, "First", **may)
    second = await a_token(api, first["secret"], "Second", at=agency.root_id, **may)
    third = await a_token(api, second["secret"], "Third", at=agency.root_id, **may)
    robot = await a_robot(api, third["secret"])
    running = (await robots_token(api, robot))["access_token"]
    beside = await a_token(api, admin.token, "Beside")
    assert all([await is_taken(api, one) for one in (second["secret"], third["secret"], running)])

    # When: the first ends, and nobody tells the others.
    await let_end(database, agency, first["token"]["id"], how)

    # Then
    for secret in (first["secret"], second["secret"], third["secret"], running):
        assert not await is_taken(api, secret)
    assert (await robots_token(api, robot))["error"] == "invalid_client"
    assert await is_taken(api, beside["secret"])
    found = await listed(api, admin)
    assert {found[name]["state"] for name in ("Second", "Third", "Robot")} == {"PARENT_ENDED"}
    assert {found[name]["maker"]["name"] for name in ("Second", "Third", "Robot")} == {"Ada"}


async def test_an_app_that_was_registered_through_a_token_ends_with_it_and_so_does_its_hour(
    api: Api, database: Database, agency: AnOrganization, admin: APerson
) -> None:
    may = ["TEMPLATE_READ", "APP_MANAGE"]
    through = await a_token(api, admin.token, "Script", permissions=may, expiresInDays=1)
    async with begin(database, agency.scope) as uow:
        soon = text("UPDATE access_token SET expires_at = clock_timestamp() + interval '10 minutes' WHERE id = :id")
        await uow.session.execute(soon, {"id": decode(through["token"]["id"])[1]})

    robot = await a_robot(api, through["secret"])
    told = await robots_token(api, robot)

    assert robot["app"]["credential"]["parent"] == {"name": "Script"}
    assert 0 < told["expires_in"] <= 600
    assert (await a_robot(api, admin.token))["app"]["expiresAt"] is None


async def test_a_token_cannot_set_free_what_hangs_on_it(
    api: Api, agency: AnOrganization, admin: APerson, owner: APerson
) -> None:
    may = ["TEMPLATE_READ", "TOKEN_MANAGE", "MEMBER_READ"]
    through = await a_token(api, admin.token, "For a day", permissions=may, expiresInDays=1)
    bot = await a_token(api, through["secret"], "Bot", at=agency.units["client 1"])
    wanted = {"tokenIds": [bot["token"]["id"]], "toMemberId": mem(admin)}

    by_token = await change(api, "credentialHandOver", HUNG, wanted, token=through["secret"])
    in_person = await change(api, "credentialHandOver", "credentials { expiresAt }", wanted, token=admin.token)

    assert codes(by_token) == ["SESSION_NEEDED"]
    assert in_person["credentials"] == [{"expiresAt": through["token"]["expiresAt"]}]


async def test_credentials_are_handed_to_active_people_who_hold_all_that_they_may(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    bot = await a_token(api, admin.token, "Bot", at=agency.units["client 1"])
    mine = await a_token(api, admin.token, "Mine")
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.ADMIN)
    local = await somebody_signed_in(database, settings, agency, agency.units["client 2"], Role.ADMIN, "Lea")
    fitting = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    gone = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    stranger = await a_person(database, settings, other := await an_agency(database), other.root_id, Role.OWNER)
    await change(api, "memberDeactivate", ENDED, {"memberId": mem(gone)}, token=owner.token)

    async def handed(to: APerson, *ids: str, by: APerson = owner) -> list[str]:
        wanted = {"tokenIds": list(ids or [bot["token"]["id"]]), "toMemberId": mem(to)}
        return codes(await change(api, "credentialHandOver", HUNG, wanted, token=by.token))

    assert await handed(sibling) == ["CREDENTIAL_RECEIVER_MAY_LESS"]
    assert await handed(gone) == ["MEMBER_DEACTIVATED"]
    assert await handed(stranger) == ["NOT_FOUND"]
    assert await handed(owner, mine["token"]["id"]) == ["CREDENTIAL_NOT_TRANSFERABLE"]
    assert await handed(owner, encode("tok", agency.id)) == ["NOT_FOUND"]
    assert await handed(local, by=local) == ["NOT_FOUND"]
    assert await handed(owner, mem(owner)) == ["NOT_FOUND"]
    assert await handed(fitting) == []
    assert (await listed(api, owner))["Bot"]["maker"] == {"name": "Ada"}


async def test_the_list_shows_one_family_to_the_owner_and_to_others_only_what_is_theirs(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    mine = await a_token(api, admin.token, "Mine", permissions=["TEMPLATE_READ", "TOKEN_MANAGE"])
    for client in ("client 1", "client 2"):
        await a_token(api, mine["secret"], client, at=agency.units[client])
    await a_robot(api, admin.token)
    local = await somebody_signed_in(database, settings, agency, agency.units["client 1"], Role.ADMIN, "Lea")

    everything, seen = await listed(api, owner), await listed(api, local)
    apps = await listed(api, owner, kind="APP")

    assert everything.keys() == {"Mine", "client 1", "client 2", "Robot"}
    assert [one["name"] for one in everything["Mine"]["dependents"]] == ["client 1", "client 2"]
    assert everything["client 1"]["units"] == [{"name": "client 1"}]
    assert apps.keys() == {"Robot"}
    assert seen.keys() == {"client 1"}
    assert (seen["client 1"]["parent"], seen["client 1"]["state"]) == (None, "ACTIVE")


async def test_what_nobody_answers_for_is_listed_and_goes_on_until_it_is_handed_over(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    # Given: a service token whose maker nobody knows, one of somebody who was deactivated before anybody was asked.
    async with begin(database, agency.scope) as uow:
        _, unknown = await auth.issue_service_token(
            uow, settings.security, name="Unknown", unit_ids=[agency.root_id], permissions=[]
        )
    left = await a_token(api, admin.token, "Left", at=agency.root_id)
    await a_token(api, owner.token, "Kept", at=agency.root_id)
    async with begin(database, agency.scope) as uow:
        gone = text("UPDATE member SET deactivated_at = clock_timestamp() WHERE id = :id")
        await uow.session.execute(gone, {"id": admin.member_id})

    orphans = await listed(api, owner, isOrphaned=True)
    taken = [await is_taken(api, one) for one in (unknown, left["secret"])]
    robot = (await a_robot(api, owner.token))["app"]["id"]
    ids = [one["id"] for one in orphans.values()]
    wanted = {"tokenIds": ids, "appIds": [robot], "toMemberId": mem(owner)}
    done = await change(api, "credentialHandOver", HUNG, wanted, token=owner.token)

    assert (orphans.keys(), taken) == ({"Unknown", "Left"}, [True, True])
    assert {one["owner"]["name"] for one in done["credentials"]} == {"Olga"}
    assert await listed(api, owner, isOrphaned=True) == {}
    assert (await listed(api, owner, isOrphaned=False)).keys() >= {"Unknown", "Left", "Kept"}


async def test_a_role_on_which_integrations_rest_is_not_taken_without_a_word_about_them(
    api: Api, database: Database, agency: AnOrganization, owner: APerson, admin: APerson
) -> None:
    bot = await a_token(api, admin.token, "Bot", at=agency.units["client 1"])
    async with begin_read(database, agency.scope) as uow:
        found = text("SELECT id FROM membership WHERE member_id = :id")
        role = encode("mbs", (await uow.session.execute(found, {"id": admin.member_id})).scalar_one())
    wanted, selected = {"membershipId": role}, f"member {{ name }} {HUNG}"

    silent = await change(api, "membershipRevoke", selected, wanted, token=owner.token)
    done = await change(api, "membershipRevoke", selected, wanted | {"credentials": "END"}, token=owner.token)

    assert codes(silent) == ["CREDENTIAL_HAS_DEPENDENTS"]
    assert [(one["name"], one["state"]) for one in done["credentials"]] == [("Bot", "ENDED")]
    assert not await is_taken(api, bot["secret"])


async def test_an_archived_app_shows_what_ended_with_it(api: Api, agency: AnOrganization, owner: APerson) -> None:
    robot = await a_robot(api, owner.token)
    running = (await robots_token(api, robot))["access_token"]

    done = await change(api, "appArchive", HUNG, {"appId": robot["app"]["id"]}, token=owner.token)

    assert [(one["name"], one["state"]) for one in done["credentials"]] == [("Robot", "PARENT_ENDED")]
    assert not await is_taken(api, running)


async def test_a_cut_that_the_migration_made_is_told_once_in_the_trail(
    api: Api, database: Database, agency: AnOrganization, owner: APerson
) -> None:
    made = await a_token(api, owner.token, "Cut")
    async with begin(database, agency.scope) as uow:
        cut = text("UPDATE access_token SET cut_at = clock_timestamp() WHERE id = :id")
        await uow.session.execute(cut, {"id": decode(made["token"]["id"])[1]})

    for _ in range(2):
        async with begin(database, agency.scope) as uow:
            await auth.tell_cuts(uow)

    assert await acts(database, agency, "credential:end:cut") == [("credential:end:cut", "Cut")]
    assert (await listed(api, owner))["Cut"]["cutAt"] is not None
