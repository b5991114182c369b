"""The code flow with a client library that is not ours: what an app gets, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import httpx
import pytest
from authlib.common.security import generate_token
from sqlalchemy import text

from server.audit import service as audit
from server.kit.ids import encode
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.accounts import PASSWORD
from tests.factories.tenants import AnOrganization
from tests.oauth.stage import (
    CALLBACK,
    VERIFIER,
    AnApp,
    Front,
    Person,
    a_person,
    an_app,
    asking,
    authorized,
    told,
)
from tests.schema.asking import change


async def test_an_app_acts_for_a_person_with_what_was_granted(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app)
    viewer = await front.viewer(tokens["access_token"])

    assert tokens["access_token"].startswith("swb_oat_")
    assert tokens["refresh_token"].startswith("swb_ort_")
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    assert tokens["scope"] == "inbox:read inbox:reply"
    assert viewer == {
        "name": "Ada",
        "memberId": encode("mem", owner.member_id),
        "organization": {"name": "Northern Lights"},
        "reaches": [{"unitId": None, "permissions": ["INBOX_READ", "INBOX_REPLY"]}],
    }


async def test_a_public_app_needs_no_secret(front: Front, owner: Person) -> None:
    app = await an_app(front, owner, kind="PUBLIC")

    tokens = await authorized(front, owner, app)

    assert app.secret is None
    assert await front.viewer(tokens["access_token"]) is not None


async def test_the_page_names_the_organization_the_units_and_the_permissions(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    async with app.client(front) as client:
        url, _ = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=generate_token(48))
        page = await owner.look(url)

    assert page.status_code == 200
    for named in (
        "Night Shift",
        "Northern Lights",
        "client 1",
        "client 2",
        "inbox:read",
        "inbox:reply",
        "app.example.test",
    ):
        assert named in page.text
    assert "template:read" not in page.text
    assert "form-action 'self' https://app.example.test;" in page.headers["content-security-policy"]
    assert "<script" not in page.text


async def test_a_person_can_let_an_app_act_on_some_units_only(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app, [agency.units["client 2"]])
    viewer = await front.viewer(tokens["access_token"])

    assert viewer is not None
    assert viewer["reaches"] == [
        {"unitId": encode("unit", agency.units["client 2"]), "permissions": ["INBOX_READ", "INBOX_REPLY"]}
    ]


async def test_an_app_gets_no_more_than_the_person_has_and_no_more_than_it_is_registered_for(
    front: Front, agency: AnOrganization, owner: Person
) -> None:
    app = await an_app(front, owner, permissions=["INBOX_READ", "INBOX_REPLY", "CAMPAIGN_READ"])
    analyst = await a_person(front, agency, agency.units["client 1"], Role.ANALYST)

    async with app.client(front, "inbox:read inbox:reply template:read") as client, analyst.browser:
        verifier = generate_token(48)
        url, state = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=verifier)
        tokens = await client.fetch_token(
            f"{front.url}/oauth2/token",
            authorization_response=await analyst.allow(url),
            state=state,
            code_verifier=verifier,
        )
    viewer = await front.viewer(tokens["access_token"])

    assert tokens["scope"] == "inbox:read"
    assert viewer is not None
    assert viewer["reaches"] == [{"unitId": encode("unit", agency.units["client 1"]), "permissions": ["INBOX_READ"]}]


async def test_the_dialogue_goes_on_after_the_sign_in(front: Front, agency: AnOrganization, app: AnApp) -> None:
    owner = await a_person(front, agency, agency.root_id, Role.OWNER, PASSWORD)
    async with owner.browser, app.client(front) as client, httpx.AsyncClient(timeout=30, trust_env=False) as browser:
        visitor = replace(owner, browser=browser)
        url, _ = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=generate_token(48))
        asked = await visitor.look(url)
        signed_in = await visitor.send(
            await visitor.look(f"{front.url}{asked.headers['location']}"), {"email": owner.email, "password": PASSWORD}
        )
        back = await visitor.allow(f"{front.url}{signed_in.headers['location']}")

    assert asked.status_code == 303
    assert f"{front.url}{signed_in.headers['location']}" == url
    assert told(back)["code"].startswith("swb_oac_")


async def test_the_answer_echoes_the_state_and_names_the_issuer(front: Front, owner: Person, app: AnApp) -> None:
    odd = 'a b&c=d%"<é'
    async with app.client(front) as client:
        url, _ = client.create_authorization_url(
            f"{front.url}/oauth2/authorize", state=odd, code_verifier=generate_token(48)
        )
        back = told(await owner.allow(url))
        refused = await owner.send(await owner.look(url), {"decision": "refuse"})

    assert (back["state"], back["iss"], back["tenant"]) == (odd, front.url, "1")
    assert back["code"].startswith("swb_oac_")
    no = told(refused.headers["location"])
    assert (no["error"], no["state"], no["iss"], "code" in no) == ("access_denied", odd, front.url, False)


async def test_a_refresh_rotates_and_keeps_what_was_granted(front: Front, owner: Person, app: AnApp) -> None:
    first = await authorized(front, owner, app)

    async with app.client(front) as client:
        client.token = first
        second = dict(await client.refresh_token(f"{front.url}/oauth2/token"))
        narrow = dict(
            await client.refresh_token(f"{front.url}/oauth2/token", second["refresh_token"], scope="inbox:read")
        )
        third = dict(await client.refresh_token(f"{front.url}/oauth2/token", narrow["refresh_token"]))

    assert len({one["refresh_token"] for one in (first, second, narrow, third)}) == 4
    assert [one["scope"] for one in (second, narrow, third)] == [
        "inbox:read inbox:reply",
        "inbox:read",
        "inbox:read inbox:reply",
    ]
    assert await front.viewer(third["access_token"]) is not None


async def test_of_two_refreshes_at_once_one_wins_and_the_reuse_ends_the_grant(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    answers = await asyncio.gather(*(front.post("/oauth2/token", form, auth=app.basic) for _ in range(8)))
    won = [one.json() for one in answers if one.status_code == 200]

    assert len(won) == 1
    assert {one.json()["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}
    assert await front.viewer(won[0]["access_token"]) is None
    assert await front.viewer(tokens["access_token"]) is None
    assert (await acts(front, agency)).count("app:grant:reuse_detected") == 1


async def acts(front: Front, agency: AnOrganization) -> list[str]:
    """Return what the trail of the agency holds, newest first."""
    async with begin_read(front.database, agency.scope) as uow:
        assert await audit.verify(uow) is None
        return [one.action for one in (await audit.list_events(uow, PageArguments(first=100))).items]


async def test_what_ends_the_authority_ends_every_token_at_the_next_request(
    front: Front, agency: AnOrganization, owner: Person
) -> None:
    manager = await a_person(front, agency, agency.units["client 1"], Role.MANAGER)
    shrunk, archived, revoked, deactivated = [await an_app(front, owner, name=f"app {n}") for n in range(4)]
    held = {app.id: await authorized(front, manager, app) for app in (shrunk, archived, revoked, deactivated)}
    grants = (await front.api.ask("{ appGrants { nodes { id appName } } }", token=manager.token)).data["appGrants"]
    ids = {one["appName"]: one["id"] for one in grants["nodes"]}

    await change(
        front.api, "appUpdate", "app { id }", {"appId": shrunk.id, "permissions": ["INBOX_READ"]}, token=owner.token
    )
    await change(front.api, "appArchive", "app { archivedAt }", {"appId": archived.id}, token=owner.token)
    await change(front.api, "appGrantRevoke", "grant { id }", {"grantId": ids["app 2"]}, token=manager.token)
    viewers = {app.id: await front.viewer(held[app.id]["access_token"]) for app in (shrunk, archived, revoked)}
    alive = await front.viewer(held[deactivated.id]["access_token"])
    await _deactivate(front, agency, manager)

    assert viewers[shrunk.id] is not None
    assert viewers[shrunk.id]["reaches"][0]["permissions"] == ["INBOX_READ"]
    assert (viewers[archived.id], viewers[revoked.id]) == (None, None)
    assert alive is not None
    assert await front.viewer(held[deactivated.id]["access_token"]) is None
    for app in (archived, revoked, deactivated):
        form = {"grant_type": "refresh_token", "refresh_token": held[app.id]["refresh_token"]}
        answer = await front.post("/oauth2/token", form, auth=app.basic)
        assert answer.json()["error"] in {"invalid_grant", "invalid_client"}
    await manager.browser.aclose()


async def _deactivate(front: Front, agency: AnOrganization, person: Person) -> None:
    async with begin(front.database, agency.scope) as uow:
        statement = text("UPDATE member SET deactivated_at = clock_timestamp() WHERE id = :id")
        await uow.session.execute(statement, {"id": person.member_id})


async def test_nothing_that_opens_anything_is_stored_in_clear(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app)
    secrets = [app.secret, tokens["access_token"], tokens["refresh_token"]]

    async with begin_read(front.database, agency.scope) as uow:
        for table in ("oauth_app", "oauth_grant", "oauth_code", "oauth_refresh_token", "access_token", "audit_event"):
            rows = (await uow.session.execute(text(f"SELECT one::text FROM {table} AS one"))).scalars().all()
            assert rows
            assert not [row for row in rows for secret in secrets if str(secret)[-43:] in row or "swb_oa" in row]


async def test_of_two_exchanges_of_a_code_at_once_one_wins(front: Front, owner: Person, app: AnApp) -> None:
    code = told(await owner.allow(asking(front, app)))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    answers = await asyncio.gather(*(front.post("/oauth2/token", form, auth=app.basic) for _ in range(8)))

    assert sorted(one.status_code for one in answers) == [200] + [400] * 7
    (won,) = [one.json() for one in answers if one.status_code == 200]
    assert await front.viewer(won["access_token"]) is None


@pytest.mark.parametrize("part", ["grants.refresh_token", "grants.authorization_code", "grants.client_credentials"])
def test_the_library_that_logs_whole_tokens_when_talkative_is_kept_from_it(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    assert logging.getLogger(f"authlib.oauth2.rfc6749.{part}").getEffectiveLevel() == logging.WARNING


async def test_a_consent_is_in_the_trail_of_the_person(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    await authorized(front, owner, app)

    async with begin_read(front.database, agency.scope) as uow:
        newest = (await audit.list_events(uow, PageArguments(first=1))).items[0]

    assert (newest.action, newest.actor_id) == ("app:grant:consent", owner.member_id)
    assert newest.details["permissions"] == ["inbox:read", "inbox:reply"]
