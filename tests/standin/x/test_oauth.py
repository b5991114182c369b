"""The dialogue with PKCE and its tokens."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.standin.x.conftest import ACCOUNT, BACK, PERSON, World

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def dialogue(**changes: str | None) -> str:
    query = {
        "response_type": "code",
        "client_id": "client-1",
        "redirect_uri": BACK,
        "scope": "dm.read dm.write tweet.read users.read offline.access",
        "state": "s&1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return "/x/i/oauth2/authorize?" + urlencode({name: value for name, value in query.items() if value is not None})


async def a_code(x: World, **changes: str) -> str:
    answer = await x.http.post(x.url + dialogue(**changes), data={"account": ACCOUNT, "action": "allow"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["s&1"]
    assert query["n"] == ["1"]
    return query["code"][0]


async def traded(x: World, code: str, **changes: str) -> httpx.Response:
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return await x.form("/2/oauth2/token", **(fields | changes))


async def test_the_dialogue_shows_the_accounts_in_a_form_that_repeats_the_query(x: World):
    page = await x.http.get(x.url + dialogue())

    assert page.status_code == 200
    assert "Bakery" in page.text
    assert 'name="code_challenge"' in page.text


REFUSED_DIALOGUES = [
    {"client_id": "other"},
    {"redirect_uri": "https://evil.example/"},
    {"response_type": "token"},
    {"code_challenge": None},
    {"code_challenge_method": None},
    {"state": "x" * 501},
    {"scope": "dm.read everything"},
]


@pytest.mark.parametrize("changes", REFUSED_DIALOGUES, ids=str)
async def test_a_dialogue_that_is_not_as_documented_goes_nowhere(x: World, changes: dict[str, str | None]):
    answer = await x.http.post(x.url + dialogue(**changes), data={"account": ACCOUNT, "action": "allow"})

    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_code_becomes_tokens_for_who_proves_to_have_asked(x: World):
    tokens = (await traded(x, await a_code(x))).json()

    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 7200)
    assert tokens["scope"] == "dm.read dm.write tweet.read users.read offline.access"
    me = await x.call("GET", "/2/users/me", token=tokens["access_token"])
    assert me.json()["data"]["id"] == ACCOUNT


async def test_without_offline_access_there_is_no_refresh_token(x: World):
    assert "refresh_token" not in (await traded(x, await a_code(x, scope="users.read"))).json()


@pytest.mark.parametrize(
    "changes", [{"redirect_uri": BACK + "2"}, {"code_verifier": "v" * 43}, {"grant_type": "other"}], ids=str
)
async def test_a_code_is_refused_in_the_shape_of_the_standard(x: World, changes: dict[str, str]):
    answer = await traded(x, await a_code(x), **changes)

    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "error_description"}


@pytest.mark.parametrize(
    "given", ["", "Basic !!", "Basic " + base64.b64encode(b"client-1:no").decode(), "Bearer app-bearer"]
)
async def test_only_our_client_trades_codes(x: World, given: str):
    answer = await x.form("/2/oauth2/token", {"Authorization": given}, grant_type="refresh_token", refresh_token="r")

    assert answer.status_code == 401
    assert answer.json()["error"] in ("invalid_client", "unauthorized_client")


async def test_a_refresh_token_works_once_and_a_code_thirty_seconds(x: World):
    first = (await traded(x, await a_code(x))).json()
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    second = (await x.form("/2/oauth2/token", **again)).json()
    refused = await x.form("/2/oauth2/token", **again)
    late = await a_code(x)
    await x.control("clock", {"offset_s": 31})

    assert second["refresh_token"] != first["refresh_token"]
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await traded(x, late)).status_code == 400
    calls = (await x.control("calls", method="GET"))["by_op"]
    assert calls["x:refresh"] == {"200": 1, "400/invalid_request": 1}


async def test_an_access_token_ends_and_a_revoked_one_too(x: World):
    tokens = (await traded(x, await a_code(x))).json()
    other = (await traded(x, await a_code(x))).json()
    assert (await x.form("/2/oauth2/revoke", token=other["access_token"])).json() == {"revoked": True}
    await x.control("clock", {"offset_s": 7_201})

    for token in (tokens["access_token"], other["access_token"]):
        answer = await x.call("GET", "/2/users/me", token=token)
        assert (answer.status_code, answer.json()["status"]) == (401, 401)


async def test_a_call_needs_the_scope_that_was_granted(x: World):
    tokens = (await traded(x, await a_code(x, scope="users.read tweet.read dm.read"))).json()

    answer = await x.call("POST", f"/2/dm_conversations/with/{PERSON}/messages", token=tokens["access_token"], json={})

    assert (answer.status_code, answer.json()["type"]) == (403, "https://api.x.com/2/problems/client-forbidden")
