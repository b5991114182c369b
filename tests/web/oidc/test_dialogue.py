"""Sign-in at an OpenID provider: one word of one provider for one browser, once."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.kit.db import Database
from tests.factories.oidc_provider import HTML, Fault
from tests.web.browsing import Browser
from tests.web.oidc.house import (
    PUBLIC,
    House,
    begin,
    changed,
    is_signed_in,
    sign_in,
)


async def test_the_browser_is_sent_with_pkce_nonce_and_state_and_its_cookie_is_short_and_its_own(
    house: House, browser: Browser
) -> None:
    sent = await browser.get("/sign-in/oidc/x")

    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    (cookie,) = [one.lower() for one in browser.set_cookies]
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert asked["redirect_uri"] == f"{PUBLIC}/sign-in/oidc/x/callback"
    assert cookie.startswith("__host-switchboard_oidc=")
    assert all(part in cookie for part in ("; httponly", "; samesite=lax", "; secure", "max-age=300", "path=/;"))


@pytest.mark.parametrize(
    "fault",
    [
        Fault.WRONG_NONCE,
        Fault.NO_NONCE,
        Fault.WRONG_AUDIENCE,
        Fault.MORE_AUDIENCES,
        Fault.AUTHORIZED_PARTY,
        Fault.WRONG_ISSUER,
        Fault.UNSIGNED,
        Fault.EXPIRED,
        Fault.NO_EXPIRY,
        Fault.NO_SUBJECT,
        Fault.HMAC_SECRET,
        Fault.HMAC_PUBLIC_KEY,
        Fault.FOREIGN_KEY,
        Fault.CHANGED,
        Fault.NO_ID_TOKEN,
        Fault.NOT_JSON,
        Fault.NO_ISS,
        Fault.FOREIGN_ISS,
        Fault.ERROR,
        Fault.FOREIGN_USERINFO,
    ],
)
async def test_what_is_not_the_word_of_the_provider_for_us_signs_nobody_in(
    house: House, database: Database, browser: Browser, fault: Fault
) -> None:
    house.x.fault = fault

    refused = await sign_in(browser, house.x)

    assert refused.status_code == 400
    assert "did not confirm who you are" in refused.text
    assert "script" not in refused.text
    assert HTML not in refused.text
    assert not await is_signed_in(browser)
    assert await auth.account_of(database, house.x.somebody.email or "") is None


async def test_a_way_back_is_good_once(house: House, browser: Browser) -> None:
    way_back = await begin(browser, house.x)
    cookies = dict(browser.cookies)
    first = await browser.get(way_back)
    browser.cookies = dict(cookies)  # also for who has kept the cookie of the dialogue
    house.x.asked.clear()

    again = await browser.get(way_back)

    assert (first.status_code, again.status_code) == (303, 400)
    assert house.x.asked == []
    assert not await is_signed_in(browser)


async def test_of_many_who_come_back_at_once_one_gets_in(house: House, browser: Browser) -> None:
    way_back = await begin(browser, house.x)

    got = await asyncio.gather(*(browser.get(way_back) for _ in range(5)))

    assert sorted(one.status_code for one in got) == [303, 400, 400, 400, 400]


async def test_a_code_that_was_used_is_refused_in_a_new_dialogue(house: House, browser: Browser) -> None:
    used = await begin(browser, house.x)
    await browser.get(used)
    code = parse_qs(urlsplit(used).query)["code"][0]
    browser.cookies.clear()
    fresh = await begin(browser, house.x)

    refused = await browser.get(changed(fresh, code=code))

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)


async def test_a_code_of_another_dialogue_does_not_fit_the_verifier(
    house: House, browser: Browser, other: Browser
) -> None:
    stolen = parse_qs(urlsplit(await begin(other, house.x)).query)["code"][0]
    mine = await begin(browser, house.x)

    refused = await browser.get(changed(mine, code=stolen))

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)


async def test_the_way_back_of_another_browser_is_refused(house: House, browser: Browser, other: Browser) -> None:
    await begin(other, house.x)
    stolen = await begin(browser, house.x)

    for victim in (other, browser):
        if victim is browser:
            browser.cookies.pop("__Host-switchboard_oidc")
        assert (await victim.get(stolen)).status_code == 400
        assert not await is_signed_in(victim)


async def test_a_way_back_at_another_provider_is_refused(house: House, browser: Browser) -> None:
    mixed = (await begin(browser, house.x)).replace("/oidc/x/", "/oidc/y/")
    house.x.asked.clear()
    house.y.asked.clear()

    refused = await browser.get(mixed)

    assert refused.status_code == 400
    assert "token" not in house.x.asked + house.y.asked
    assert not await is_signed_in(browser)


async def test_a_code_of_one_provider_in_the_dialogue_of_another_is_refused(house: House, browser: Browser) -> None:
    at_x = parse_qs(urlsplit(await begin(browser, house.x)).query)
    at_y = await begin(browser, house.y)
    house.y.asked.clear()

    refused = await browser.get(changed(at_y, code=at_x["code"][0], iss=at_x["iss"][0]))

    assert refused.status_code == 400
    assert "token" not in house.y.asked
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("cookie", ["", "x", "bnVsbA==.x.y", "\\x00"])
async def test_a_cookie_that_we_did_not_sign_is_none(house: House, browser: Browser, cookie: str) -> None:
    way_back = await begin(browser, house.x)
    browser.cookies["__Host-switchboard_oidc"] = cookie

    assert (await browser.get(way_back)).status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [{"state": None}, {"code": None}, {"state": "x" * 50}, {"code": "\0"}, {"iss": ""}, {"code": "x" * 5000}],
)
async def test_a_way_back_that_lacks_something_is_refused(
    house: House, browser: Browser, parameters: dict[str, str | None]
) -> None:
    way_back = await begin(browser, house.x)

    refused = await browser.get(changed(way_back, **parameters))

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)


async def test_a_parameter_that_stands_twice_is_refused(house: House, browser: Browser) -> None:
    way_back = await begin(browser, house.x)

    assert (await browser.get(f"{way_back}&code=another")).status_code == 400


async def test_a_dialogue_is_over_after_five_minutes(house: House, database: Database, browser: Browser) -> None:
    way_back = await begin(browser, house.x)
    async with database.unscoped_system() as session:
        late = "UPDATE sign_in_challenge SET expires_at = expires_at - interval '5 minutes' WHERE kind = 'OIDC'"
        await session.execute(text(late))

    assert (await browser.get(way_back)).status_code == 400


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/organizations?next=/x", "/organizations?next=/x"),
        ("https://evil.test/", "/organizations"),
        ("//evil.test/", "/organizations"),
        ("/\\evil.test", "/organizations"),
        ("/" + "a" * 900, "/organizations"),
        ("javascript:alert(1)", "/organizations"),
    ],
)
async def test_nobody_is_sent_to_another_host_afterwards(
    house: House, browser: Browser, wanted: str, reached: str
) -> None:
    entered = await browser.get(await begin(browser, house.x, f"?{urlencode({'next': wanted})}"))

    assert (entered.status_code, entered.headers["location"]) == (303, reached)
