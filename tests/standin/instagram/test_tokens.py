"""The direct login over the wire: dialogue, code, tokens and their age, and the error shape of the token host."""

import hmac

import pytest

from tests.standin.instagram.wire import ACCOUNT, DIALOGUE, Insta, a_code, form


async def test_the_code_hangs_on_a_tail_that_is_no_part_of_it(insta: Insta) -> None:
    code = await a_code(insta)
    where = f"{insta.url}/instagram/oauth/access_token"

    whole = await insta.http.post(where, data=form(code))
    stripped = await insta.http.post(where, data=form(code.removesuffix("#_")))
    again = await insta.http.post(where, data=form(code.removesuffix("#_")))

    assert code.endswith("#_")
    assert whole.status_code == again.status_code == 400
    assert whole.json() == again.json() | {"error_message": whole.json()["error_message"]}
    assert set(whole.json()) == {"error_type", "code", "error_message"}
    [told] = stripped.json()["data"]
    assert told["permissions"] == "instagram_business_basic"
    assert told["user_id"] != ACCOUNT


@pytest.mark.parametrize(
    "wrong",
    [{"client_id": "1"}, {"client_secret": "x"}, {"grant_type": "x"}, {"redirect_uri": "http://127.0.0.1:1/other"}],
)
async def test_a_wrong_exchange_is_refused_flatly(insta: Insta, wrong: dict[str, str]) -> None:
    code = (await a_code(insta)).removesuffix("#_")

    answer = await insta.http.post(f"{insta.url}/instagram/oauth/access_token", data=form(code, **wrong))

    assert (answer.status_code, answer.json()["error_type"], answer.json()["code"]) == (400, "OAuthException", 400)


async def test_a_dialogue_of_another_app_or_address_goes_nowhere(insta: Insta) -> None:
    where = f"{insta.url}/instagram/oauth/authorize"

    for wrong in ({"client_id": "1"}, {"redirect_uri": "https://evil.example/"}, {"response_type": "token"}):
        answer = await insta.http.post(where, params=DIALOGUE | wrong, data={"account": ACCOUNT, "action": "allow"})
        assert answer.status_code == 400
    refused = await insta.http.post(where, params=DIALOGUE, data={"action": "refuse"})
    assert "error=access_denied" in refused.headers["location"]
    assert "error_reason=user_denied" in refused.headers["location"]


async def test_tokens_grow_old_by_their_rules(insta: Insta) -> None:
    code = (await a_code(insta)).removesuffix("#_")
    answer = await insta.http.post(f"{insta.url}/instagram/oauth/access_token", data=form(code))
    short = answer.json()["data"][0]["access_token"]
    exchange = {"grant_type": "ig_exchange_token", "client_secret": "insta-secret", "access_token": short}
    renew = {"grant_type": "ig_refresh_token"}

    early = await insta.call("GET", "/refresh_access_token", params=renew | {"access_token": short})
    long = (await insta.call("GET", "/access_token", params=exchange)).json()
    young = await insta.call("GET", "/refresh_access_token", params=renew | {"access_token": long["access_token"]})
    await insta.control("clock", {"offset_s": 86_500})
    renewed = await insta.call("GET", "/refresh_access_token", params=renew | {"access_token": long["access_token"]})
    await insta.control("clock", {"offset_s": 61 * 86_400})
    dead = await insta.call("GET", "/refresh_access_token", params=renew | {"access_token": long["access_token"]})

    assert long["token_type"] == "bearer"
    assert 59 * 86_400 < long["expires_in"] <= 60 * 86_400
    assert early.json()["error"]["code"] == young.json()["error"]["code"] == 100
    assert renewed.json()["access_token"] != long["access_token"]
    assert (dead.status_code, dead.json()["error"]["error_subcode"]) == (401, 463)


async def test_who_am_i_tells_two_ids_apart(insta: Insta) -> None:
    me = (await insta.call("GET", "/v25.0/me", params={"fields": "id,user_id,username"})).json()

    assert (me["user_id"], me["username"]) == (ACCOUNT, "bakery")
    assert me["id"] != ACCOUNT


async def test_a_wrong_proof_of_the_secret_opens_nothing(insta: Insta) -> None:
    right = hmac.new(b"insta-secret", insta.token.encode(), "sha256").hexdigest()

    answers = {
        proof: (await insta.call("GET", "/v25.0/me", params={"appsecret_proof": proof})).status_code
        for proof in (right, right[::-1], "")
    }

    assert answers == {right: 200, right[::-1]: 400, "": 400}
