"""The dialogue, the tokens and what a person reaches with them."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.standin.conftest import APP_ID, APP_SECRET, PAGE, Standin
from tests.standin.test_send_api import code_of

BACK = "http://127.0.0.1:8000/oauth/callback?x=1"
SCOPES = (
    "pages_show_list,pages_messaging,pages_manage_metadata,business_management,ads_management,paid_marketing_messages"
)


def dialogue(**changes: str) -> str:
    query = {"client_id": APP_ID, "redirect_uri": BACK, "state": "s&1", "response_type": "code", "scope": SCOPES}
    return "/v25.0/dialog/oauth?" + urlencode(query | changes)


async def allow(standin: Standin, form: dict | None = None, **changes: str) -> dict[str, list[str]]:
    data = {"person": "7", "action": "allow"} | (form or {})
    answer = await standin.http.post(standin.url + dialogue(**changes), data=data)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith("http://127.0.0.1:8000/oauth/callback?x=1&")
    return parse_qs(urlsplit(answer.headers["Location"]).query)


async def exchange(standin: Standin, **params: str):
    query = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": BACK} | params
    return await standin.http.get(f"{standin.url}/v25.0/oauth/access_token", params=query)


async def long_lived(standin: Standin, form: dict | None = None, **changes: str) -> str:
    (code,) = (await allow(standin, form, **changes))["code"]
    short = (await exchange(standin, code=code)).json()["access_token"]
    return (await exchange(standin, grant_type="fb_exchange_token", fb_exchange_token=short)).json()["access_token"]


async def test_the_dialogue_names_the_people_and_escapes_them(standin: Standin):
    page = await standin.http.get(standin.url + dialogue())

    assert page.status_code == 200
    assert "Ada &lt;Agency&gt;" in page.text
    assert 'value="allow"' in page.text
    assert "Ada <Agency>" not in page.text


async def test_a_code_becomes_a_token_once_and_only_for_the_same_redirect(standin: Standin):
    answer = await allow(standin)
    assert answer["state"] == ["s&1"]

    stolen = await exchange(standin, code=answer["code"][0], redirect_uri="http://127.0.0.1:8000/other")
    assert code_of(stolen) == (100, 36008)
    (code,) = (await allow(standin))["code"]
    first = await exchange(standin, code=code)
    assert (first.json()["token_type"], first.json()["expires_in"]) == ("bearer", 5400)
    assert code_of(await exchange(standin, code=code)) == (100, 36009)
    assert (await exchange(standin, code="x", client_secret="wrong")).status_code == 400


async def test_a_refusal_comes_back_as_access_denied(standin: Standin):
    answer = await allow(standin, {"action": "refuse"})

    assert (answer["error"], answer["error_reason"]) == (["access_denied"], ["user_denied"])
    assert answer["state"] == ["s&1"]
    assert "code" not in answer


@pytest.mark.parametrize(
    "change",
    [{"client_id": "1"}, {"redirect_uri": "https://evil.test/"}, {"redirect_uri": ""}, {"response_type": "token"}],
)
async def test_a_wrong_app_or_redirect_is_shown_and_never_redirected(standin: Standin, change):
    answer = await standin.http.get(standin.url + dialogue(**change))

    assert answer.status_code == 400
    assert "Location" not in answer.headers


async def test_a_registered_redirect_must_match_exactly(standin: Standin):
    await standin.control("POST", "/app", {"redirect_uris": [BACK]})

    assert (await standin.http.get(standin.url + dialogue())).status_code == 200
    assert (await standin.http.get(standin.url + dialogue(redirect_uri=BACK + "2"))).status_code == 400


async def test_a_long_lived_user_gets_page_tokens_that_never_expire(standin: Standin):
    token = await long_lived(standin)

    (page,) = (await standin.graph("GET", "/me/accounts?fields=id,name,access_token,tasks", token)).json()["data"]
    info = await standin.graph("GET", f"/debug_token?input_token={page['access_token']}", f"{APP_ID}|{APP_SECRET}")

    assert (page["id"], page["name"], "MESSAGING" in page["tasks"]) == (PAGE, "Bakery", True)
    assert (await standin.send(token=page["access_token"])).status_code == 200
    query = {"input_token": page["access_token"], "access_token": f"{APP_ID}|{APP_SECRET}"}
    data = (await standin.http.get(f"{standin.url}/v25.0/debug_token", params=query)).json()["data"]
    assert info.json()["data"] == data
    assert (data["type"], data["is_valid"], data["expires_at"], data["user_id"]) == ("PAGE", True, 0, "7")


async def test_a_short_user_token_expires_and_so_does_its_page_token(standin: Standin):
    (code,) = (await allow(standin))["code"]
    user = (await exchange(standin, code=code)).json()["access_token"]
    (page,) = (await standin.graph("GET", "/me/accounts", user)).json()["data"]

    await standin.control("POST", "/clock", {"offset_s": 5401})

    assert code_of(await standin.graph("GET", "/me", user)) == (190, 463)
    assert code_of(await standin.send(token=page["access_token"])) == (190, 463)


async def test_accounts_are_paged_to_the_last_one(standin: Standin):
    pages = [{"id": str(300 + number), "name": f"P{number}", "people": ["7"]} for number in range(149)]
    await standin.control("POST", "/pages", pages)
    token = await long_lived(standin)

    first = (await standin.graph("GET", "/me/accounts?limit=500&fields=id", token)).json()
    after = first["paging"]["cursors"]["after"]
    second = (await standin.graph("GET", f"/me/accounts?limit=100&fields=id&after={after}", token)).json()
    by_link = (await standin.http.get(first["paging"]["next"], headers={"Authorization": f"Bearer {token}"})).json()

    assert (len(first["data"]), len(second["data"])) == (100, 50)
    assert len({row["id"] for row in first["data"] + second["data"]}) == 150
    assert by_link["data"] == second["data"]
    assert "next" not in second["paging"]
    assert code_of(await standin.graph("GET", "/me/accounts?after=nonsense", token)) == (100, None)


async def test_pages_of_a_business_are_reached_through_the_business_only(standin: Standin):
    await standin.control("POST", "/businesses", {"id": "b1", "name": "Chain", "people": ["7"]})
    owned = {"id": "501", "name": "Owned", "business": "b1", "ad_account": {"id": "act_9", "currency": "USD"}}
    client = {"id": "502", "name": "Client", "business": "b1", "relation": "client"}
    await standin.control("POST", "/pages", [owned, client])
    token = await long_lived(standin)

    async def ids(path: str) -> list[str]:
        return [row["id"] for row in (await standin.graph("GET", path, token)).json()["data"]]

    assert await ids("/me/accounts") == [PAGE]
    assert await ids("/me/businesses") == ["b1"]
    assert await ids("/b1/owned_pages") == ["501"]
    assert await ids("/b1/client_pages") == ["502"]
    assert await ids("/me/adaccounts?fields=id,name,currency") == ["act_55", "act_9"]


async def test_an_ad_account_says_its_currency_to_those_who_reach_one_of_its_pages(standin: Standin):
    await standin.control("POST", "/pages", {"id": "501", "name": "Other", "ad_account": {"id": "9"}})
    user = await long_lived(standin)

    for token in (user, standin.token):
        answer = await standin.graph("GET", "/act_55?fields=currency,name", token)
        assert answer.json() == {"id": "act_55", "currency": "EUR", "name": "act_55"}
        assert (await standin.graph("GET", "/act_55", token)).json() == {"id": "act_55", "account_id": "55"}
        assert code_of(await standin.graph("GET", "/act_9?fields=currency", token)) == (200, None)
    assert code_of(await standin.graph("GET", "/act_404?fields=currency")) == (100, 33)
    unscoped = await long_lived(standin, scope="pages_show_list")
    assert code_of(await standin.graph("GET", "/act_55?fields=currency", unscoped)) == (200, None)


async def test_a_page_left_out_in_the_dialogue_cannot_be_used(standin: Standin):
    token = await long_lived(standin, {"page_ids": "999"})
    (page,) = (await standin.graph("GET", "/me/accounts", token)).json()["data"]

    assert code_of(await standin.send(token=page["access_token"])) == (200, None)


async def test_a_missing_scope_is_a_permission_error(standin: Standin):
    token = await long_lived(standin, scope="pages_show_list")
    (page,) = (await standin.graph("GET", "/me/accounts", token)).json()["data"]

    assert code_of(await standin.send(token=page["access_token"])) == (200, 2018028)
    assert code_of(await standin.graph("GET", "/me/businesses", token)) == (200, None)


async def test_removing_the_app_kills_every_token_of_the_person(standin: Standin):
    token = await long_lived(standin)
    (page,) = (await standin.graph("GET", "/me/accounts", token)).json()["data"]
    granted = (await standin.graph("GET", "/me/permissions", token)).json()["data"]
    assert {"permission": "pages_messaging", "status": "granted"} in granted

    assert (await standin.graph("DELETE", "/me/permissions", token)).json() == {"success": True}

    assert code_of(await standin.graph("GET", "/me", token)) == (190, 458)
    assert code_of(await standin.send(token=page["access_token"])) == (190, 458)


async def test_subscribing_a_page_lists_the_app_and_unsubscribing_ends_it(standin: Standin):
    subscribed = await standin.graph("POST", f"/{PAGE}/subscribed_apps?subscribed_fields=messages,message_echoes")
    listed = (await standin.graph("GET", f"/{PAGE}/subscribed_apps")).json()["data"]
    assert subscribed.json() == {"success": True}
    assert listed[0]["subscribed_fields"] == ["message_echoes", "messages"]

    await standin.graph("DELETE", f"/{PAGE}/subscribed_apps")

    assert (await standin.graph("GET", f"/{PAGE}/subscribed_apps")).json() == {"data": []}
    unknown = await standin.graph("POST", f"/{PAGE}/subscribed_apps?subscribed_fields=mesages")
    assert code_of(unknown) == (100, None)
