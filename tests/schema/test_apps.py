"""Apps over GraphQL: who registers, sees, changes and ends them, and what people granted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.api import Api
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.schema.asking import change, codes

SELECTED = (
    "app { id name kind clientId permissions redirectUris grantTypes units { name } registeredBy { name } } secret"
)
LISTED = "{ apps { nodes { id name } } }"
WANTED: dict[str, Any] = {
    "name": "Night Shift",
    "kind": "CONFIDENTIAL",
    "permissions": ["INBOX_READ"],
    "grantTypes": ["AUTHORIZATION_CODE", "REFRESH_TOKEN"],
    "redirectUris": ["https://app.example.test/callback"],
}


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


async def test_an_app_is_the_organizations_unless_units_are_named(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    local = WANTED | {"unitIds": [encode("unit", agency.units["client 1"])]}

    whole = await change(api, "appRegister", SELECTED, WANTED, token=owner.token)
    limited = await change(api, "appRegister", SELECTED, local, token=owner.token)

    assert whole["app"]["clientId"].startswith("swb_app_")
    assert whole["secret"].startswith("swb_cs_")
    assert (whole["app"]["units"], limited["app"]["units"]) == ([{"name": "Agency"}], [{"name": "client 1"}])
    assert whole["app"]["registeredBy"] == {"name": "Ada"}
    assert {
        name: whole["app"][name] for name in ("name", "kind", "permissions", "grantTypes", "redirectUris")
    } == WANTED


async def test_the_secret_is_shown_once_and_not_stored(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    key = new_id().hex

    made = await change(api, "appRegister", SELECTED, WANTED, token=owner.token, key=key)
    again = await change(api, "appRegister", SELECTED, WANTED, token=owner.token, key=key)
    async with begin_read(database, agency.scope) as uow:
        stored = (await uow.session.execute(text("SELECT result::text FROM idempotency"))).scalars().all()

    assert (again["app"]["id"], again["secret"]) == (made["app"]["id"], None)
    assert not any("swb_cs_" in one for one in stored)


async def test_nobody_registers_an_app_that_may_do_more_or_reaches_further_than_themselves(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    manager = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    other = await an_agency(database)
    mine = {"unitIds": [encode("unit", agency.units["client 1"])]}

    async def refused(token: str, **changes: object) -> list[str]:
        return codes(await change(api, "appRegister", SELECTED, WANTED | changes, token=token))

    assert await refused(admin.token) == ["NOT_FOUND"]
    assert await refused(admin.token, unitIds=[encode("unit", agency.units["client 2"])]) == ["NOT_FOUND"]
    assert await refused(admin.token, permissions=["ORGANIZATION_MANAGE"], **mine) == ["PERMISSION_DENIED"]
    assert await refused(manager.token) == ["PERMISSION_DENIED"]
    assert await refused(owner.token, unitIds=[encode("unit", other.root_id)]) == ["NOT_FOUND"]
    assert await refused(owner.token, unitIds=[]) == ["INVALID_INPUT"]
    assert await refused(admin.token, **mine) == []


async def test_everything_that_is_wrong_with_an_app_is_told_at_once(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    wrong = {
        "name": " ",
        "kind": "PUBLIC",
        "permissions": [],
        "grantTypes": ["CLIENT_CREDENTIALS"],
        "redirectUris": ["https://a.example/", "http://a.example/", "https://*.example/"],
    }

    refused = await change(api, "appRegister", SELECTED, wrong, token=owner.token)

    assert [one["path"] for one in refused["userErrors"]] == [
        ["name"],
        ["permissions"],
        ["grantTypes"],
        ["redirectUris", "1"],
        ["redirectUris", "2"],
    ]


async def test_an_app_is_seen_and_changed_only_by_those_who_manage_all_of_its_units(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    manager = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    both = {"unitIds": [encode("unit", one) for one in agency.units.values()]}
    first = {"name": "local", "unitIds": [encode("unit", agency.units["client 1"])]}
    shared = (await change(api, "appRegister", SELECTED, WANTED | both, token=owner.token))["app"]["id"]
    mine = (await change(api, "appRegister", SELECTED, WANTED | first, token=owner.token))["app"]["id"]

    async def listed(token: str) -> list[str]:
        return [one["id"] for one in (await api.ask(LISTED, token=token)).data["apps"]["nodes"]]

    seen = {"owner": await listed(owner.token), "local": await listed(local.token), "out": await listed(stranger.token)}
    foreign = [
        await change(api, field, "app { id }", {"appId": one}, token=local.token)
        for field in ("appArchive", "appUpdate", "appSecretRotate")
        for one in (shared, encode("app", new_id()))
    ]
    changed = await change(api, "appUpdate", "app { name }", {"appId": mine, "name": "ours"}, token=local.token)
    node = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": shared}, token=local.token)

    assert seen == {"owner": [mine, shared], "local": [mine], "out": []}
    assert {tuple(codes(one)) for one in foreign} == {("NOT_FOUND",)}
    assert changed["app"] == {"name": "ours"}
    assert node.data == {"node": None}
    assert (await api.ask(LISTED, token=manager.token)).codes == ["FORBIDDEN"]


async def test_an_app_is_not_widened_and_its_secret_not_taken_by_somebody_with_less(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
    strong = WANTED | {"permissions": ["INBOX_READ", "LEGAL_GRANT"]}
    asking = (await change(api, "appRegister", SELECTED, strong, token=owner.token))["app"]["id"]
    acting = strong | {"grantTypes": ["CLIENT_CREDENTIALS"], "redirectUris": []}
    itself = (await change(api, "appRegister", SELECTED, acting, token=owner.token))["app"]["id"]

    wider = {"appId": asking, "permissions": ["INBOX_READ", "LEGAL_GRANT", "UNIT_OFFBOARD"]}
    alone = {"appId": asking, "grantTypes": ["CLIENT_CREDENTIALS"]}
    refused = [
        await change(api, "appUpdate", "app { id }", wider, token=admin.token),
        await change(api, "appUpdate", "app { id }", alone, token=admin.token),
        await change(api, "appSecretRotate", "app { id }", {"appId": itself}, token=admin.token),
    ]
    narrower = await change(
        api, "appUpdate", "app { permissions }", {"appId": asking, "permissions": ["INBOX_READ"]}, token=admin.token
    )

    assert [codes(one) for one in refused] == [["PERMISSION_DENIED"]] * 3
    assert narrower["app"]["permissions"] == ["INBOX_READ"]


async def test_an_archived_app_stays_as_it_is_and_a_public_one_has_no_secret(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    public = await change(api, "appRegister", SELECTED, WANTED | {"kind": "PUBLIC"}, token=owner.token)
    app = {"appId": public["app"]["id"]}

    secretless = await change(api, "appSecretRotate", "secret", app, token=owner.token)
    archived = await change(api, "appArchive", "app { archivedAt }", app, token=owner.token)
    late = [
        await change(api, field, "app { id }", app, token=owner.token)
        for field in ("appArchive", "appUpdate", "appSecretRotate")
    ]

    assert public["secret"] is None
    assert codes(secretless) == ["APP_KEEPS_NO_SECRET"]
    assert archived["app"]["archivedAt"] is not None
    assert [codes(one) for one in late] == [["APP_ARCHIVED"]] * 3
