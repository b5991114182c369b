"""What an app does without a person: client credentials, introspection, revocation, and finding its way."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from server.kit.ids import encode
from server.tenants.rules import Permission, Role
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization
from tests.oauth.stage import FOREIGN_ORIGIN, AnApp, Front, Person, a_person, an_app, authorized
from tests.schema.asking import change
from tests.workshop import Workshop
from workers.schedule import KeepHouse


async def introspect(front: Front, app: AnApp, token: str) -> dict[str, object]:
    answer = await front.post("/oauth2/introspect", {"token": token}, auth=app.basic)
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_an_app_acts_as_itself_on_its_units_with_its_permissions(
    front: Front, agency: AnOrganization, owner: Person
) -> None:
    unit = encode("unit", agency.units["client 1"])
    app = await an_app(front, owner, unitIds=[unit])

    async with app.client(front, None) as client:
        tokens = await client.fetch_token(f"{front.url}/oauth2/token", grant_type="client_credentials")
    viewer = await front.viewer(tokens["access_token"])
    narrow = await front.post(
        "/oauth2/token", {"grant_type": "client_credentials", "scope": "inbox:read audit:read"}, auth=app.basic
    )

    assert "refresh_token" not in tokens
    assert tokens["scope"] == "inbox:read inbox:reply template:read"
    assert narrow.json()["scope"] == "inbox:read"
    assert viewer == {
        "name": "Night Shift",
        "memberId": None,
        "organization": {"name": "Northern Lights"},
        "reaches": [{"unitId": unit, "permissions": ["INBOX_READ", "INBOX_REPLY", "TEMPLATE_READ"]}],
    }


async def test_no_app_acts_as_itself_that_keeps_no_secret_or_is_not_registered_for_it(
    front: Front, owner: Person
) -> None:
    public = await an_app(front, owner, kind="PUBLIC")
    careful = await an_app(front, owner, grantTypes=["AUTHORIZATION_CODE"])
    form = {"grant_type": "client_credentials"}

    without = await front.post("/oauth2/token", form | {"client_id": public.client_id})
    unregistered = await front.post("/oauth2/token", form, auth=careful.basic)

    assert (without.status_code, without.json()["error"]) == (401, "invalid_client")
    assert unregistered.json()["error"] == "unauthorized_client"


async def test_introspection_tells_an_app_about_its_own_tokens_and_nothing_about_others(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    other = await an_app(front, owner, name="other")
    mine, foreign = await authorized(front, owner, app), await authorized(front, owner, other)

    access = await introspect(front, app, mine["access_token"])
    refresh = await introspect(front, app, mine["refresh_token"])
    unknown = [
        await introspect(front, app, token)
        for token in (foreign["access_token"], foreign["refresh_token"], owner.token, "swb_oat_nothing", "\0é")
    ]
    public = await front.post("/oauth2/introspect", {"token": mine["access_token"], "client_id": app.client_id})

    assert access["active"] is True
    assert (access["client_id"], access["iss"], access["scope"]) == (app.client_id, front.url, "inbox:read inbox:reply")
    assert access["sub"] == encode("mem", owner.member_id)
    assert int(str(access["exp"])) - int(str(access["iat"])) in {3599, 3600, 3601}
    assert (refresh["active"], refresh["sub"]) == (True, access["sub"])
    assert unknown == [{"active": False}] * 5
    assert (public.status_code, public.json()["error"]) == (401, "invalid_client")


async def test_introspection_knows_what_a_request_would_meet_now(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app)
    change_ = {"appId": app.id, "permissions": ["INBOX_READ"]}

    await change(front.api, "appUpdate", "app { id }", change_, token=owner.token)
    narrowed = await introspect(front, app, tokens["access_token"])
    grants = (await front.api.ask("{ appGrants { nodes { id } } }", token=owner.token)).data["appGrants"]["nodes"]
    await change(front.api, "appGrantRevoke", "grant { id }", {"grantId": grants[0]["id"]}, token=owner.token)

    assert narrowed["scope"] == "inbox:read"
    assert await introspect(front, app, tokens["access_token"]) == {"active": False}
    assert await introspect(front, app, tokens["refresh_token"]) == {"active": False}


async def test_a_revoked_access_token_ends_alone_and_a_refresh_token_ends_its_grant(
    front: Front, owner: Person, app: AnApp
) -> None:
    tokens = await authorized(front, owner, app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    async with app.client(front) as client:
        client.token = tokens
        first = await client.revoke_token(f"{front.url}/oauth2/revoke", tokens["access_token"], "access_token")
        is_gone = await front.viewer(tokens["access_token"]) is None
        fresh = (await front.post("/oauth2/token", form, auth=app.basic)).json()
        second = await client.revoke_token(f"{front.url}/oauth2/revoke", fresh["refresh_token"], "refresh_token")

    assert (first.status_code, second.status_code, is_gone) == (200, 200, True)
    assert await front.viewer(fresh["access_token"]) is None


async def test_revocation_is_answered_alike_for_what_is_not_the_apps(front: Front, owner: Person, app: AnApp) -> None:
    other = await an_app(front, owner, name="other")
    tokens = await authorized(front, owner, app)

    async def revoke(token: str, by: AnApp, **more: str) -> httpx.Response:
        return await front.post("/oauth2/revoke", {"token": token, **more}, auth=by.basic)

    foreign = [await revoke(tokens[one], other) for one in ("access_token", "refresh_token")]
    random = await revoke("swb_oat_nothing", other, token_type_hint="something new")
    personal = await revoke(owner.token, app)
    missing = await front.post("/oauth2/revoke", {}, auth=app.basic)
    nobody = await front.post("/oauth2/revoke", {"token": tokens["access_token"]})

    assert {(one.status_code, one.text) for one in (*foreign, random, personal)} == {(200, "{}")}
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    assert await front.viewer(tokens["access_token"]) is not None
    assert await front.viewer(owner.token) is not None


async def test_a_rotated_secret_works_beside_the_one_before_for_a_while_and_not_after_a_leak(
    front: Front, owner: Person, app: AnApp
) -> None:
    form = {"grant_type": "client_credentials"}

    async def works(secret: str | None) -> bool:
        return (await front.post("/oauth2/token", form, auth=(app.client_id, secret or ""))).status_code == 200

    rotated = await change(
        front.api, "appSecretRotate", "secret app { formerSecretUntil }", {"appId": app.id}, token=owner.token
    )
    both = (await works(app.secret), await works(rotated["secret"]))
    leaked = await change(
        front.api,
        "appSecretRotate",
        "secret app { formerSecretUntil }",
        {"appId": app.id, "endsFormer": True},
        token=owner.token,
    )

    assert both == (True, True)
    assert [await works(one) for one in (app.secret, rotated["secret"], leaked["secret"])] == [False, False, True]
    assert rotated["app"]["formerSecretUntil"] is not None
    assert leaked["app"]["formerSecretUntil"] is None


async def test_the_metadata_tell_the_truth(front: Front, owner: Person) -> None:
    told = (await front.api.http.get(f"{front.url}/.well-known/oauth-authorization-server")).json()

    assert told["issuer"] == front.url
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert set(told["scopes_supported"]) == {one.value for one in Permission}
    for name, address in told.items():
        if name.endswith("_endpoint"):
            answer = await front.api.http.request("GET" if "authorize" in address else "POST", address)
            assert answer.status_code in {303, 400}, name


async def test_an_app_of_one_unit_gets_nothing_of_its_sibling_from_anybody(
    front: Front, agency: AnOrganization, owner: Person
) -> None:
    app = await an_app(front, owner, unitIds=[encode("unit", agency.units["client 1"])])
    sibling = await a_person(front, agency, agency.units["client 2"], Role.OWNER)

    everywhere = await front.viewer((await authorized(front, owner, app))["access_token"])
    async with app.client(front) as client:
        url, _ = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier="v" * 43)
        page = await sibling.look(url)
    await sibling.browser.aclose()

    assert everywhere is not None
    assert [one["unitId"] for one in everywhere["reaches"]] == [encode("unit", agency.units["client 1"])]
    assert "access_denied" in page.headers["location"]


@pytest.mark.parametrize("path", ["/oauth2/token", "/graphql"])
async def test_a_browser_of_an_allowed_origin_may_call_and_another_may_not(front: Front, path: str) -> None:
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}

    async def preflight(origin: str) -> httpx.Response:
        return await front.api.http.options(f"{front.url}{path}", headers=asking | {"origin": origin})

    allowed, foreign = await preflight(FOREIGN_ORIGIN), await preflight("https://evil.example")
    refused = await front.post(path, {}, headers={"origin": FOREIGN_ORIGIN})

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, FOREIGN_ORIGIN)
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in foreign.headers
    assert refused.headers["access-control-allow-origin"] == FOREIGN_ORIGIN


async def test_what_expired_long_ago_is_forgotten_and_what_is_needed_stays(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp, workshop: Workshop
) -> None:
    tokens = await authorized(front, owner, app)
    tables = ("oauth_code", "oauth_refresh_token", "access_token")

    async def counts() -> list[int]:
        async with begin_read(front.database, agency.scope) as uow:
            return [(await uow.session.execute(text(f"SELECT count(*) FROM {one}"))).scalar_one() for one in tables]

    async def keep_house() -> None:
        async with begin(front.database, agency.scope) as uow:
            uow.defer(KeepHouse())
        await workshop.settle(agency.id)

    await keep_house()
    before = await counts()
    async with begin(front.database, agency.scope) as uow:
        for one in tables:  # a refresh token had thirty days to go, so it expired two days ago
            await uow.session.execute(text(f"UPDATE {one} SET expires_at = expires_at - interval '32 days'"))
    await keep_house()

    assert before == [1, 1, 2]
    assert await counts() == [0, 1, 1]
    assert (await introspect(front, app, tokens["refresh_token"])) == {"active": False}
    assert await front.viewer(owner.token) is not None
