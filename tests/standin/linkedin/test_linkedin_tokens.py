"""LinkedIn's dialogue, tokens, headers, errors and limits, as the stand-in plays them."""

from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from tests.standin.linkedin.conftest import ADMIN, ALL, ORGANISATION, PERSON, REDIRECT, SECRET, LinkedIn


def dialogue_of(url: str, scope: str = ALL, **changes: str) -> str:
    query = {"response_type": "code", "client_id": "client-1", "redirect_uri": REDIRECT, "state": "s&1"} | changes
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in (query | {"scope": scope}).items())
    return f"{url}/linkedin/oauth/v2/authorization?{pairs}"


async def code_of(linkedin: LinkedIn, scope: str = ALL) -> str:
    answer = await linkedin.http.post(dialogue_of(linkedin.url, scope), data={"person": ADMIN, "action": "allow"})
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]


async def traded(linkedin: LinkedIn, **form: str) -> httpx.Response:
    app = {"client_id": "client-1", "client_secret": SECRET}
    return await linkedin.http.post(f"{linkedin.url}/linkedin/oauth/v2/accessToken", data=app | form)


async def by_code(linkedin: LinkedIn, code: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return await traded(linkedin, **(form | changes))


async def test_the_dialogue_shows_its_people_and_leads_back_only_to_where_it_may(linkedin: LinkedIn):
    page = await linkedin.http.get(dialogue_of(linkedin.url))
    assert page.status_code == 200
    assert 'value="urn:li:person:ada"' in page.text

    for changes in ({"client_id": "other"}, {"redirect_uri": "https://evil.test/"}, {"response_type": "token"}):
        assert (await linkedin.http.get(dialogue_of(linkedin.url, **changes))).status_code == 400
    back = await linkedin.http.post(dialogue_of(linkedin.url), data={"person": ADMIN, "action": "refuse"})
    query = dict(parse_qsl(urlsplit(back.headers["location"]).query))
    assert (query["error"], query["state"]) == ("user_cancelled_authorize", "s&1")
    strange = await linkedin.http.get(dialogue_of(linkedin.url, "openid w_messages"))
    assert "unauthorized_scope_error" in strange.headers["location"]


async def test_a_code_is_for_one_use_one_address_one_app_and_half_an_hour(linkedin: LinkedIn):
    code = await code_of(linkedin)
    body = (await by_code(linkedin, code)).json()
    assert body["scope"] == ALL.replace(" ", ",")
    assert 5_183_990 <= body["expires_in"] <= 5_184_000
    assert 31_535_990 <= body["refresh_token_expires_in"] <= 31_536_000

    refused = [
        await by_code(linkedin, code),
        await by_code(linkedin, await code_of(linkedin), redirect_uri=f"{REDIRECT}/"),
        await by_code(linkedin, await code_of(linkedin), client_secret="other"),
    ]
    late = await code_of(linkedin)
    await linkedin.control("clock", {"offset_s": 1_801})
    refused.append(await by_code(linkedin, late))
    await linkedin.control("clock", {"offset_s": 0})
    assert [answer.status_code for answer in refused] == [400, 400, 401, 400]
    assert {answer.json()["error"] for answer in refused} == {"invalid_request", "invalid_client"}


async def test_a_refresh_token_stays_the_same_and_its_end_does_not_move(linkedin: LinkedIn):
    first = (await by_code(linkedin, await code_of(linkedin))).json()
    await linkedin.control("clock", {"offset_s": 86_400})

    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    renewed = (await traded(linkedin, **form)).json()
    anew = (await by_code(linkedin, await code_of(linkedin))).json()
    await linkedin.control("clock", {"offset_s": 31_536_001})
    over = await traded(linkedin, **form)
    await linkedin.control("clock", {"offset_s": 0})

    assert renewed["refresh_token"] == anew["refresh_token"] == first["refresh_token"]
    assert abs(renewed["refresh_token_expires_in"] - (first["refresh_token_expires_in"] - 86_400)) <= 5
    assert over.status_code == 400


async def test_other_scopes_end_every_earlier_token(linkedin: LinkedIn):
    first = (await by_code(linkedin, await code_of(linkedin))).json()["access_token"]
    await code_of(linkedin, "openid profile")

    linkedin.token = first
    answer = await linkedin.call("GET", "/v2/userinfo")

    assert answer.status_code == 401
    assert answer.json()["code"] == "REVOKED_ACCESS_TOKEN"


async def test_errors_are_flat_and_traced(linkedin: LinkedIn):
    linkedin.token = "made-up"

    answer = await linkedin.call("GET", "/v2/userinfo")

    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Invalid access token",
        "serviceErrorCode": 65600,
        "status": 401,
        "code": "INVALID_ACCESS_TOKEN",
    }
    assert answer.headers["x-li-uuid"]
    assert answer.headers["x-li-request-id"]
    assert (await linkedin.http.get(f"{linkedin.url}/linkedin/rest/elsewhere")).json()["status"] == 404


async def test_versions_and_protocol_are_asked_for(linkedin: LinkedIn):
    path = "/rest/organizationalEntityAcls?q=roleAssignee"
    await linkedin.control("linkedin/app", {"versions": ["202607"]})

    answers = [
        await linkedin.call("GET", path, **{"LinkedIn-Version": ""}),
        await linkedin.call("GET", path, **{"LinkedIn-Version": "202301"}),
        await linkedin.call("GET", path, **{"X-Restli-Protocol-Version": "1.0.0"}),
        await linkedin.call("GET", path),
    ]

    assert [answer.status_code for answer in answers] == [400, 426, 400, 200]
    assert answers[-1].json()["elements"][0]["role"] == "ADMINISTRATOR"


async def test_the_first_tier_has_a_hundred_calls_a_day(linkedin: LinkedIn):
    await linkedin.control("linkedin/app", {"tier": "development"})

    statuses = [(await linkedin.call("GET", "/v2/userinfo")).status_code for _ in range(101)]

    assert statuses == [200] * 100 + [429]
    refused = (await linkedin.call("GET", "/v2/userinfo")).json()
    assert "MEMBER DAY" in refused["message"]
    await linkedin.control("clock", {"offset_s": 86_400})
    assert (await linkedin.call("GET", "/v2/userinfo")).status_code == 200
    await linkedin.control("clock", {"offset_s": 0})


async def test_the_fault_plan_reaches_replies_and_the_token_endpoint(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="Hello"))["comment"]
    rules = [
        {"match": {"op": "send", "page": ORGANISATION, "person": PERSON}, "action": "error", "status": 422, "times": 1},
        {"match": {"op": "send"}, "action": "no_id_200", "times": 1},
        {"match": {"op": "refresh"}, "action": "error", "status": 503, "body": "<h1>oops</h1>"},
    ]
    await linkedin.control("faults", {"rules": rules}, "PUT")

    refused, nameless = await linkedin.reply(comment), await linkedin.reply(comment)
    renewed = await traded(linkedin, grant_type="refresh_token", refresh_token=linkedin.refresh_token)

    assert (refused.status_code, refused.json()["status"]) == (422, 422)
    assert nameless.status_code == 200
    assert not {"id", "$URN", "commentUrn"} & nameless.json().keys()
    assert "x-restli-id" not in nameless.headers
    assert renewed.status_code == 503
    assert len((await linkedin.control("ledger", method="GET"))["entries"]) == 1
