"""What the authorization server refuses, and that nobody is sent anywhere by a request that cannot be trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from authlib.common.security import generate_token
from authlib.oauth2 import OAuth2Error
from sqlalchemy import text

from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization, an_agency
from tests.oauth.stage import (
    CALLBACK,
    CHALLENGE,
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


def exchange(code: str, /, **changes: str) -> dict[str, str]:
    """The form that exchanges a code."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changes


async def a_code(front: Front, person: Person, app: AnApp) -> str:
    return told(await person.allow(asking(front, app)))["code"]


@pytest.fixture
async def stranger(front: Front) -> AsyncIterator[Person]:
    """Somebody who may do everything in another agency."""
    other = await an_agency(front.database, name="Elsewhere")
    person = await a_person(front, other, other.root_id, Role.OWNER)
    yield person
    await person.browser.aclose()


async def test_a_stranger_learns_nothing_about_an_app(
    front: Front, owner: Person, app: AnApp, stranger: Person
) -> None:
    unknown = AnApp("", app.client_id[:-4] + "zzzz", None)
    random = AnApp("", "swb_app_nothing", None)

    pages = [await stranger.look(asking(front, one)) for one in (app, unknown, random)] + [
        await owner.look(asking(front, unknown))
    ]

    assert {(one.status_code, one.text) for one in pages} == {(400, pages[0].text)}
    assert "Night Shift" not in pages[0].text


async def test_a_person_who_was_deactivated_or_has_nothing_to_give_gives_nothing(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    approver = await a_person(front, agency, agency.units["client 1"], Role.APPROVER)
    nothing = await approver.look(asking(front, app))
    async with begin(front.database, agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE member SET deactivated_at = now() WHERE id = :id"), {"id": approver.member_id}
        )
    gone = await approver.look(asking(front, app))
    await approver.browser.aclose()

    assert told(nothing.headers["location"])["error"] == "access_denied"
    assert (gone.status_code, "location" in gone.headers) == (400, False)


async def test_a_yes_counts_only_from_our_own_page_and_for_units_that_were_offered(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    manager = await a_person(front, agency, agency.units["client 1"], Role.MANAGER)
    url = asking(front, app)
    page = await manager.look(url)
    yes = {"decision": "allow", "where": "all"}

    bare = await manager.browser.post(url, data=yes, headers={"origin": front.url})
    foreign = await manager.browser.post(url, data=yes, headers={"origin": "https://evil.example"})
    beyond = await manager.send(page, {"decision": "allow", "where": "chosen", f"unit_{'0' * 26}": "on"})
    none = await manager.send(page, {"decision": "allow", "where": "chosen"})
    await manager.browser.aclose()

    assert (bare.status_code, foreign.status_code) == (403, 403)
    assert (beyond.status_code, none.status_code) == (400, 400)
    assert not any("location" in one.headers for one in (bare, foreign, beyond, none))


async def test_a_sibling_unit_cannot_be_chosen(front: Front, agency: AnOrganization, app: AnApp) -> None:
    manager = await a_person(front, agency, agency.units["client 1"], Role.MANAGER)

    with pytest.raises(AssertionError, match="Choose units that are offered"):
        await manager.allow(asking(front, app), [agency.units["client 2"]])

    await manager.browser.aclose()


async def test_a_code_is_good_once_and_a_replay_ends_what_followed(front: Front, owner: Person, app: AnApp) -> None:
    code = await a_code(front, owner, app)

    first = await front.post("/oauth2/token", exchange(code), auth=app.basic)
    again = await front.post("/oauth2/token", exchange(code), auth=app.basic)
    refreshed = await front.post(
        "/oauth2/token",
        {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]},
        auth=app.basic,
    )

    assert (first.status_code, again.status_code, again.json()["error"]) == (200, 400, "invalid_grant")
    assert await front.viewer(first.json()["access_token"]) is None
    assert refreshed.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": "é" * 43}, "invalid_request"),
        ({"redirect_uri": "https://app.example.test/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "swb_oac_nothing"}, "invalid_grant"),
        ({"code": "\0"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": 'a"\\é'}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
async def test_an_exchange_that_does_not_fit_is_refused_and_the_code_stays_good(
    front: Front, owner: Person, app: AnApp, changes: dict[str, str], error: str
) -> None:
    code = await a_code(front, owner, app)

    refused = await front.post("/oauth2/token", exchange(code, **changes), auth=app.basic)
    fine = await front.post("/oauth2/token", exchange(code), auth=app.basic)

    assert (refused.status_code, refused.json()["error"]) == (400, error)
    assert refused.headers["cache-control"] == "no-store"
    assert fine.status_code == 200


async def test_a_code_is_of_no_use_to_another_app(front: Front, owner: Person, app: AnApp, stranger: Person) -> None:
    code = await a_code(front, owner, app)
    other = await an_app(front, owner, name="other")
    foreign = await an_app(front, stranger, name="foreign")
    public = await an_app(front, owner, name="public", kind="PUBLIC")

    answers = [
        await front.post("/oauth2/token", exchange(code), auth=other.basic),
        await front.post("/oauth2/token", exchange(code), auth=foreign.basic),
        await front.post("/oauth2/token", exchange(code, client_id=public.client_id)),
    ]
    fine = await front.post("/oauth2/token", exchange(code), auth=app.basic)

    assert {(one.status_code, one.json()["error"]) for one in answers} == {(400, "invalid_grant")}
    assert fine.status_code == 200


async def test_a_code_lives_for_a_minute(front: Front, agency: AnOrganization, owner: Person, app: AnApp) -> None:
    code = await a_code(front, owner, app)
    async with begin(front.database, agency.scope) as uow:
        left = (await uow.session.execute(text("SELECT max(expires_at - created_at) FROM oauth_code"))).scalar_one()
        await uow.session.execute(text("UPDATE oauth_code SET expires_at = clock_timestamp()"))

    answer = await front.post("/oauth2/token", exchange(code), auth=app.basic)

    assert timedelta(seconds=55) < left <= timedelta(seconds=60)
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("way", ["basic", "post", "none", "garbage", "two ways", "other id"])
async def test_an_app_with_a_secret_is_not_believed_without_it(
    front: Front, owner: Person, app: AnApp, way: str
) -> None:
    code = await a_code(front, owner, app)
    other = await an_app(front, owner, name="other")
    form, more = exchange(code), {}
    match way:
        case "basic":
            more = {"auth": (app.client_id, other.secret)}
        case "post":
            form |= {"client_id": app.client_id, "client_secret": "swb_cs_guess"}
        case "none":
            form |= {"client_id": app.client_id}
        case "garbage":
            more = {"headers": {"authorization": "Basic ////é".encode()}}
        case "two ways":
            form, more = form | {"client_id": app.client_id, "client_secret": app.secret or ""}, {"auth": app.basic}
        case "other id":
            form, more = form | {"client_id": other.client_id}, {"auth": app.basic}

    answer = await front.post("/oauth2/token", form, **more)

    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"invalid_client", "invalid_request"}
    assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)


async def test_what_cannot_be_read_is_told_in_the_form_of_the_specification(front: Front, app: AnApp) -> None:
    url = f"{front.url}/oauth2/token"
    http = front.api.http
    form = {"content-type": "application/x-www-form-urlencoded"}

    answers = [
        await http.post(url, json={"grant_type": "refresh_token"}),
        await http.post(url, content=b"grant_type=%ff", headers=form),
        await http.post(url, content=b"\xff", headers=form),
        await http.post(url, content=b"grant_type=a&grant_type=b", headers=form),
        await http.post(url, content=b"&".join(b"a%d=1" % n for n in range(99)), headers=form),
        await http.post(url, content=b"client_id=%00", headers=form),
        await http.post(url, content=b"", headers=form),
    ]

    assert {one.status_code for one in answers} <= {400, 401}
    assert {one.json()["error"] for one in answers} <= {"invalid_request", "invalid_client"}


async def test_a_used_refresh_token_ends_the_grant_and_an_idle_one_is_refused(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    tokens, idle = await authorized(front, owner, app), await authorized(front, owner, app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    fresh = (await front.post("/oauth2/token", form, auth=app.basic)).json()
    reused = await front.post("/oauth2/token", form, auth=app.basic)
    after = await front.post("/oauth2/token", form | {"refresh_token": fresh["refresh_token"]}, auth=app.basic)
    async with begin(front.database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE oauth_refresh_token SET expires_at = clock_timestamp()"))
    late = await front.post("/oauth2/token", form | {"refresh_token": idle["refresh_token"]}, auth=app.basic)

    assert {one.json()["error"] for one in (reused, after, late)} == {"invalid_grant"}
    assert await front.viewer(fresh["access_token"]) is None
    assert await front.viewer(idle["access_token"]) is not None


@pytest.mark.parametrize("scope", ["inbox:read template:read", "audit:read", 'x"\\é', "inbox:read  campaign:approve"])
async def test_a_refresh_gives_no_more_than_was_granted_and_uses_nothing_up(
    front: Front, owner: Person, app: AnApp, scope: str
) -> None:
    tokens = await authorized(front, owner, app)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    refused = await front.post("/oauth2/token", form | {"scope": scope}, auth=app.basic)
    fine = await front.post("/oauth2/token", form, auth=app.basic)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert fine.status_code == 200


async def test_a_refresh_token_is_of_no_use_to_another_app_and_not_ended_by_it(
    front: Front, owner: Person, app: AnApp, stranger: Person
) -> None:
    tokens = await authorized(front, owner, app)
    others = [await an_app(front, owner, name="other"), await an_app(front, stranger, name="foreign")]
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    refused = [await front.post("/oauth2/token", form, auth=one.basic) for one in others]

    assert {one.json()["error"] for one in refused} == {"invalid_grant"}
    assert (await front.post("/oauth2/token", form, auth=app.basic)).status_code == 200


async def test_the_client_library_refuses_an_answer_with_another_state(front: Front, owner: Person, app: AnApp) -> None:
    async with app.client(front) as client:
        verifier = generate_token(48)
        url, state = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=verifier)
        back = (await owner.allow(url)).replace(f"state={state}", "state=foreign")

        with pytest.raises(OAuth2Error, match="mismatching_state"):
            await client.fetch_token(
                f"{front.url}/oauth2/token", authorization_response=back, state=state, code_verifier=verifier
            )


async def test_an_app_that_acts_for_a_person_makes_nothing_that_outlives_the_consent(
    front: Front, agency: AnOrganization, owner: Person
) -> None:
    every = ["TOKEN_MANAGE", "APP_MANAGE", "INBOX_READ"]
    app = await an_app(front, owner, permissions=every)
    async with app.client(front, "token:manage app:manage inbox:read") as client:
        url, state = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=VERIFIER)
        tokens = await client.fetch_token(
            f"{front.url}/oauth2/token",
            authorization_response=await owner.allow(url),
            state=state,
            code_verifier=VERIFIER,
        )
    token = tokens["access_token"]
    wanted = {"name": "more", "permissions": ["INBOX_READ"]}
    register = wanted | {"kind": "CONFIDENTIAL", "grantTypes": ["CLIENT_CREDENTIALS"]}

    personal = await change(front.api, "tokenCreate", "secret", wanted, token=token)
    service = await change(front.api, "tokenCreate", "secret", wanted | {"kind": "SERVICE", "unitIds": []}, token=token)
    another = await change(front.api, "appRegister", "secret", register, token=token)
    rotated = await change(front.api, "appSecretRotate", "secret", {"appId": app.id}, token=token)

    for refused in (personal, service, another, rotated):
        assert [one["code"] for one in refused["userErrors"]] == ["AUTH_APP_MAY_NOT"]
        assert refused["secret"] is None


async def test_a_random_key_in_the_right_form_opens_nothing(front: Front, app: AnApp) -> None:
    organization = app.client_id.split("_")[2]

    answer = await front.viewer(f"swb_oat_{organization}_{generate_token(43)}")

    assert answer is None
