"""Signing in with a browser: cookies that cannot be planted or read, forms nobody else can send, and ways that stay here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.app import create_app
from server.auth import service as auth
from server.config import DocumentMode, Environment, Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.web.browser import local_path
from tests.api import Api, serving
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.tenants import AnOrganization, an_agency
from tests.schema.strangers import production_of
from tests.web.browsing import Browser, browsing, hidden

VIEWER = "{ viewer { memberId organization { id } } }"
CSRF = "x_switchboard_csrf"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def ada(database: Database, agency: AnOrganization) -> AnAccount:
    """Somebody with an account and a role at the agency."""
    return await an_account(database, agency)


@pytest.fixture
async def browser(api: Api) -> AsyncIterator[Browser]:
    """A fresh browser."""
    async with browsing(api) as opened:
        yield opened


@pytest.fixture
async def production(settings: Settings) -> AsyncIterator[Browser]:
    """A fresh browser before the API as production configures it."""
    told = production_of(settings, environment=Environment.PRODUCTION, public_url="https://switchboard.test")
    told.web = told.web.model_copy(update={"documents": DocumentMode.OPEN})
    async with (
        serving(create_app(told)) as url,
        httpx.AsyncClient() as http,
        browsing(Api(url, http), "https://switchboard.test") as opened,
    ):
        yield opened


async def sign_in(browser: Browser, person: AnAccount, path: str = "/sign-in") -> httpx.Response:
    """Sign in on the page."""
    return await browser.submit(path, email=person.email, password=person.password)


async def act_for(browser: Browser, organization: AnOrganization) -> httpx.Response:
    """Choose an organization on the page."""
    return await browser.submit("/organizations", organization=encode("org", organization.id))


def codes(answer: httpx.Response) -> list[str]:
    """Return the codes of a GraphQL answer's errors."""
    body: dict[str, Any] = answer.json()
    return [one["extensions"]["code"] for one in body.get("errors", [])]


async def test_a_person_signs_in_chooses_an_organization_asks_and_signs_out(
    database: Database, agency: AnOrganization, browser: Browser
) -> None:
    other = await an_agency(database, name="<b>Other & Sons</b>")
    ada = await an_account(database, agency, other)

    entered = await sign_in(browser, ada)
    listed = await browser.get("/organizations")
    chosen = await act_for(browser, other)
    csrf = browser.cookie("switchboard_csrf")
    answer = await browser.ask(VIEWER, **{CSRF: csrf})
    left = await browser.submit("/sign-out")

    assert (entered.status_code, entered.headers["location"]) == (303, "/organizations")
    assert "&lt;b&gt;Other &amp; Sons&lt;/b&gt;" in listed.text
    assert "<b>" not in listed.text
    assert chosen.status_code == 303
    assert answer.json()["data"]["viewer"] == {
        "memberId": encode("mem", ada.members[other.id]),
        "organization": {"id": encode("org", other.id)},
    }
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    assert [name for name in browser.cookies if name != "switchboard_form"] == []


async def test_the_token_of_a_browser_that_signed_out_is_dead(
    api: Api, agency: AnOrganization, ada: AnAccount, browser: Browser
) -> None:
    await sign_in(browser, ada)
    await act_for(browser, agency)
    session, token = browser.cookie("switchboard_session"), browser.cookie("switchboard_token")
    alive = await api.ask(VIEWER, token=token)

    await browser.submit("/sign-out")
    browser.cookies["switchboard_session"] = session

    assert alive.codes == []
    assert (await api.ask(VIEWER, token=token)).codes == ["UNAUTHENTICATED"]
    assert (await browser.get("/organizations")).headers["location"].startswith("/sign-in")


async def test_wrong_and_unknown_look_the_same_and_too_many_say_when(
    agency: AnOrganization, ada: AnAccount, browser: Browser
) -> None:
    pages = [
        await browser.submit("/sign-in", email=email, password="nine brown ladders asleep")
        for email in (ada.email, f"{new_id().hex}@example.test")
    ]
    for _ in range(9):
        await browser.submit("/sign-in", email=ada.email, password="nine brown ladders asleep")
    throttled = await browser.submit("/sign-in", email=ada.email, password=PASSWORD)

    assert [one.status_code for one in pages] == [403, 403]
    assert pages[0].text == pages[1].text
    assert ada.email not in pages[0].text
    assert "is wrong" in pages[0].text
    assert throttled.status_code == 429
    assert 0 < int(throttled.headers["retry-after"]) <= 60


async def test_a_form_without_the_token_of_this_browser_is_refused(
    database: Database, settings: Settings, ada: AnAccount, api: Api, browser: Browser
) -> None:
    async with browsing(api) as stranger:
        await stranger.get("/sign-in")
        theirs = hidden(stranger.text)["csrf"]
    fields = {"email": ada.email, "password": PASSWORD, "next": ""}

    without_cookie = await browser.post("/sign-in", {**fields, "csrf": theirs})
    await browser.get("/sign-in")
    mine = hidden(browser.text)["csrf"]
    refused = [await browser.post("/sign-in", {**fields, **more}) for more in ({}, {"csrf": ""}, {"csrf": theirs})]
    foreign = [
        await browser.post("/sign-in", {**fields, "csrf": mine}, headers)
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "", "sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        )
    ]
    twice = await browser.http.post(
        f"{api.url}/sign-in",
        content=f"csrf={mine}&csrf={mine}",
        headers={**browser._headers({}), "content-type": "application/x-www-form-urlencoded"},
    )
    as_json = await browser.http.post(f"{api.url}/sign-in", json=fields, headers=browser._headers({}))

    assert [one.status_code for one in (without_cookie, *refused)] == [403] * 4
    assert [one.json()["error"]["code"] for one in foreign] == ["form.foreign_origin"] * 4
    assert (twice.status_code, as_json.status_code) == (400, 400)
    assert await auth.list_sessions(database, settings, ada.user_id) == []
    assert (await browser.post("/sign-in", {**fields, "csrf": mine}, {"origin": ""})).status_code == 303


async def test_the_forms_of_a_session_need_the_token_of_this_session(
    database: Database, agency: AnOrganization, ada: AnAccount, api: Api, browser: Browser
) -> None:
    ben = await an_account(database, agency)
    async with browsing(api) as stranger:
        await stranger.get("/sign-in")
        before = hidden(stranger.text)["csrf"]
        await sign_in(stranger, ben)
        await stranger.get("/organizations")
        bens = hidden(stranger.text)["csrf"]
    await sign_in(browser, ada)
    organization = encode("org", agency.id)

    answers = [
        await browser.post(path, {"organization": organization, "csrf": token})
        for path in ("/organizations", "/sign-out")
        for token in ("", before, bens)
    ]

    assert [one.status_code for one in answers] == [403] * 6
    assert browser.cookie("switchboard_token") == ""
    assert (await browser.get("/organizations")).status_code == 200


async def test_getting_a_page_changes_nothing(
    database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount, browser: Browser
) -> None:
    await sign_in(browser, ada)

    for path in ("/sign-out", "/organizations", "/sign-in"):
        await browser.get(path)

    assert len(await auth.list_sessions(database, settings, ada.user_id)) == 1


async def test_a_planted_session_is_not_taken_over_and_the_one_before_ends(
    database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount, browser: Browser
) -> None:
    browser.cookies["switchboard_session"] = planted = "swb_ssn_v1_" + "A" * 43
    await sign_in(browser, ada)
    first = browser.cookie("switchboard_session")
    await browser.get("/organizations")
    token = hidden(browser.text)["csrf"]
    again = await browser.post("/sign-in", {"csrf": token, "email": ada.email, "password": PASSWORD, "next": ""})

    assert again.status_code == 303
    assert len({planted, first, browser.cookie("switchboard_session")}) == 3
    assert await auth.read_session(database, settings, planted) is None
    assert await auth.read_session(database, settings, first) is None
    assert len(await auth.list_sessions(database, settings, ada.user_id)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nset-cookie: x=y",
        " /a",
        "/a b",
        "/ä",
        "a",
        "",
        None,
        "/" + "a" * 3000,
    ],
)
def test_what_a_browser_may_read_as_another_host_is_no_way_to_go_on(text: str | None) -> None:
    assert local_path(text) == "/organizations"


@pytest.mark.parametrize("text", ["/", "/oauth/authorize?client_id=a&scope=b%20c", "/a//b", "/@evil.example"])
def test_a_path_of_this_server_is_a_way_to_go_on(text: str) -> None:
    assert local_path(text) == text


async def test_signing_in_goes_on_where_the_person_was_sent_from_and_nowhere_else(
    ada: AnAccount, browser: Browser
) -> None:
    sent = await browser.get("/organizations?next=%2Fa%3Fb%3Dc")
    home = await sign_in(browser, ada, sent.headers["location"])
    await browser.submit("/sign-out")
    astray = await sign_in(browser, ada, "/sign-in?next=//evil.example")
    signed_in_already = await browser.get("/sign-in?next=https://evil.example")

    assert sent.headers["location"] == "/sign-in?next=%2Forganizations%3Fnext%3D%252Fa%253Fb%253Dc"
    assert home.headers["location"] == "/organizations?next=%2Fa%3Fb%3Dc"
    assert astray.headers["location"] == "/organizations"
    assert signed_in_already.headers["location"] == "/organizations"


async def test_an_organization_that_is_not_ones_own_cannot_be_chosen(
    database: Database, ada: AnAccount, browser: Browser
) -> None:
    foreign = await an_agency(database)
    await sign_in(browser, ada)

    answers = [await act_for(browser, foreign), await browser.submit("/organizations", organization="x")]

    assert [one.status_code for one in answers] == [404, 404]
    assert browser.cookie("switchboard_token") == ""


async def test_the_cookie_alone_asks_nothing_of_graphql(
    agency: AnOrganization, ada: AnAccount, browser: Browser
) -> None:
    await sign_in(browser, ada)
    await act_for(browser, agency)
    csrf = browser.cookie("switchboard_csrf")

    right = await browser.ask(VIEWER, **{CSRF: csrf})
    refused = {
        "without the header": await browser.ask(VIEWER),
        "with another one": await browser.ask(VIEWER, **{CSRF: "0" * 64}),
        "with the token of the forms": await browser.ask(VIEWER, **{CSRF: hidden(browser.text).get("csrf", "x")}),
        "from another origin": await browser.ask(VIEWER, origin="https://evil.example", **{CSRF: csrf}),
        "from nowhere": await browser.ask(VIEWER, origin="null", **{CSRF: csrf}),
        "from a sister site": await browser.ask(VIEWER, sec_fetch_site="same-site", **{CSRF: csrf}),
    }
    plain = await browser.http.post(
        f"{browser.api.url}/graphql",
        content='{"query": "{ viewer { memberId } }"}',
        headers=browser._headers({"content-type": "text/plain", "origin": browser.origin, "x-switchboard-csrf": csrf}),
    )

    assert codes(right) == []
    assert {name: codes(one) for name, one in refused.items()} == {name: ["UNAUTHENTICATED"] for name in refused}
    assert codes(plain) == ["BAD_REQUEST"]


async def test_in_production_cookies_are_bound_to_the_host_and_out_of_reach_of_scripts(
    agency: AnOrganization, ada: AnAccount, production: Browser
) -> None:
    await production.get("/sign-in")
    form = production.set_cookies
    await sign_in(production, ada)
    session = [one for one in production.set_cookies if "Max-Age=0" not in one]
    await act_for(production, agency)
    token, csrf = production.set_cookies
    answer = await production.ask(VIEWER, **{CSRF: production.cookie("switchboard_csrf")})

    for (line,), name in ((form, "form"), (session, "session"), ([token], "token")):
        assert line.startswith(f"__Host-switchboard_{name}=")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} == set(line.split("; ")[1:])
    assert csrf.startswith("__Host-switchboard_csrf=")
    assert {"Path=/", "SameSite=lax", "Secure"} == set(csrf.split("; ")[1:])
    assert codes(answer) == []


async def test_in_production_only_the_public_origin_is_ours_and_there_is_no_mail_to_read(
    ada: AnAccount, production: Browser
) -> None:
    mail = await production.get("/dev/mail")
    host = production.api.url
    refused = await production.submit(
        "/sign-in", {"origin": host, "host": host.partition("//")[2]}, email=ada.email, password=PASSWORD
    )
    allowed = await sign_in(production, ada)

    assert mail.status_code == 404
    assert refused.json()["error"]["code"] == "form.foreign_origin"
    assert allowed.status_code == 303


async def test_pages_run_nothing_are_not_framed_and_send_forms_only_home(ada: AnAccount, browser: Browser) -> None:
    pages = [await browser.get(path) for path in ("/sign-in", "/reset", "/reset/x", "/invitations/x", "/dev/mail")]
    await sign_in(browser, ada)
    pages += [await browser.get(path) for path in ("/organizations", "/sign-out")]

    for one in pages:
        policy = one.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert one.headers["referrer-policy"] == "same-origin"
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-frame-options"] == "DENY"
        assert "<script" not in one.text
        assert '<html lang="en">' in one.text
