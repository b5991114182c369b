"""Passkeys over HTTP: small JSON endpoints that only pages of ours may use, and a session at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from tests.api import Api, serving
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.authenticator import Authenticator, Way
from tests.factories.factors import an_app, turn_old
from tests.schema.strangers import production_of
from tests.web.browsing import Browser, browsing, hidden

PUBLIC = "https://switchboard.test"
OURS = Way(PUBLIC)


@pytest.fixture(scope="module")
async def house(settings: Settings) -> AsyncIterator[Api]:
    """The API under a name that passkeys can belong to."""
    async with (
        serving(create_app(production_of(settings, public_url=PUBLIC))) as url,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        yield Api(url, http)


@pytest.fixture
async def browser(house: Api) -> AsyncIterator[Browser]:
    """A fresh browser."""
    async with browsing(house, PUBLIC) as opened:
        yield opened


@pytest.fixture
async def other(house: Api) -> AsyncIterator[Browser]:
    """The browser of somebody else."""
    async with browsing(house, PUBLIC) as opened:
        yield opened


@pytest.fixture
async def ada(database: Database) -> AnAccount:
    """Somebody with an account."""
    return await an_account(database)


async def send(browser: Browser, path: str, body: Any, csrf: str | None = None, **headers: str) -> httpx.Response:
    """Send JSON as a page's script does; the token is that of the page that is open."""
    token = hidden(browser.text).get("csrf", "") if csrf is None else csrf
    page = browser.page
    sent = {"origin": browser.origin, "sec-fetch-site": "same-origin", "x-switchboard-csrf": token} | headers
    answer = await browser.http.post(
        f"{browser.api.url}{path}", json=body, headers=browser._headers({k: v for k, v in sent.items() if v})
    )
    browser.page = page
    for line in answer.headers.get_list("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        browser.cookies[name] = value.strip('"')
    browser.cookies = {name: value for name, value in browser.cookies.items() if value}
    return answer


async def enter(browser: Browser, person: AnAccount) -> None:
    """Sign in with a password, and open a page that holds the token of the session."""
    await browser.submit("/sign-in", email=person.email, password=person.password)
    await browser.get("/sign-out")


async def register(browser: Browser, device: Authenticator, name: str = "Laptop") -> httpx.Response:
    """Add a passkey of the device to the person who is signed in."""
    options = await send(browser, "/passkeys/register/options", {})
    assert options.status_code == 200, options.text
    return await send(
        browser, "/passkeys/register/verify", {"credential": device.create(options.json(), OURS), "name": name}
    )


async def sign_in(browser: Browser, device: Authenticator, **body: str) -> httpx.Response:
    """Sign in with the first passkey of the device."""
    await browser.get("/sign-in")
    options = await send(browser, "/passkeys/sign-in/options", {})
    return await send(browser, "/passkeys/sign-in/verify", {"credential": device.get(options.json(), OURS)} | body)


async def test_a_passkey_is_added_and_signs_in_another_browser(
    database: Database, ada: AnAccount, browser: Browser, other: Browser
) -> None:
    device = Authenticator()
    await enter(browser, ada)

    kept = await register(browser, device)
    entered = await sign_in(other, device, next="/organizations?next=/x")
    listed = await other.get("/organizations")

    assert kept.json()["passkey"]["name"] == "Laptop"
    assert kept.json()["passkey"]["id"].startswith("pky_")
    assert entered.json() == {"next": "/organizations?next=/x"}
    assert ada.email in listed.text
    async with database.unscoped_system() as session:
        found = await session.execute(
            text("SELECT methods FROM user_session WHERE user_id = :u ORDER BY id"), {"u": ada.user_id}
        )
        assert [row.methods for row in found] == [["PASSWORD"], ["PASSKEY"]]


async def test_a_passkey_owes_no_code_of_the_app(
    database: Database, settings: Settings, ada: AnAccount, browser: Browser, other: Browser
) -> None:
    device = Authenticator()
    await enter(browser, ada)
    await register(browser, device)
    await an_app(database, settings, ada)

    entered = await sign_in(other, device)

    assert entered.status_code == 200
    assert (await other.get("/organizations")).status_code == 200


async def test_the_cookie_of_the_session_is_out_of_reach(ada: AnAccount, browser: Browser, other: Browser) -> None:
    device = Authenticator()
    await enter(browser, ada)
    await register(browser, device)

    entered = await sign_in(other, device)

    lines = [one.lower() for one in entered.headers.get_list("set-cookie") if "switchboard_session" in one]
    assert len(lines) == 1
    assert lines[0].startswith("__host-")
    assert all(part in lines[0] for part in ("httponly", "secure", "samesite=lax", "path=/"))
    assert entered.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("wanted", ["https://evil.test/", "//evil.test", "/\\evil.test"])
async def test_nobody_is_sent_to_another_host(ada: AnAccount, browser: Browser, other: Browser, wanted: str) -> None:
    device = Authenticator()
    await enter(browser, ada)
    await register(browser, device)

    assert (await sign_in(other, device, next=wanted)).json() == {"next": "/organizations"}


@pytest.mark.parametrize("path", ["register/options", "register/verify", "sign-in/options", "sign-in/verify"])
@pytest.mark.parametrize(
    ("_case", "csrf", "headers"),
    [
        ("no token", "", {}),
        ("a made up token", "0" * 64, {}),
        ("another origin", None, {"origin": "https://evil.test"}),
        ("another site", None, {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}),
        ("a sister site", None, {"sec-fetch-site": "same-site"}),
        ("no origin that can be named", None, {"origin": "null"}),
    ],
)
async def test_only_pages_of_ours_may_ask(
    ada: AnAccount, browser: Browser, path: str, _case: str, csrf: str | None, headers: dict[str, str]
) -> None:
    for is_known in (False, True):
        if is_known:
            await enter(browser, ada)
        else:
            await browser.get("/sign-in")

        refused = await send(browser, f"/passkeys/{path}", {}, csrf, **headers)

        assert refused.status_code == 403
        assert refused.json()["error"]["code"].startswith("form.")


async def test_the_token_of_one_browser_is_none_of_another(ada: AnAccount, browser: Browser, other: Browser) -> None:
    await enter(browser, ada)
    await other.get("/sign-in")
    stolen = hidden(browser.text)["csrf"]

    assert (await send(other, "/passkeys/register/options", {}, stolen)).status_code == 403


async def test_a_challenge_of_one_browser_is_none_of_another(
    ada: AnAccount, browser: Browser, other: Browser, database: Database
) -> None:
    device, eve = Authenticator(), await an_account(database, name="Eve")
    await enter(browser, ada)
    await register(browser, device)
    await other.get("/sign-in")
    asked = (await send(other, "/passkeys/sign-in/options", {})).json()
    await enter(other, eve)

    refused = await send(other, "/passkeys/sign-in/verify", {"credential": device.get(asked, OURS)})

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "passkey.refused")


async def test_who_is_not_signed_in_adds_no_passkey(browser: Browser) -> None:
    await browser.get("/sign-in")

    for path in ("register/options", "register/verify"):
        refused = await send(browser, f"/passkeys/{path}", {"credential": {}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "session.ended")


async def test_an_old_sign_in_needs_the_password_to_add_one(
    database: Database, ada: AnAccount, browser: Browser
) -> None:
    await enter(browser, ada)
    async with database.unscoped_system() as session:
        found = await session.execute(text("SELECT id FROM user_session WHERE user_id = :u"), {"u": ada.user_id})
        session_id = found.scalar_one()
    await turn_old(database, session_id)

    answers = [
        await send(browser, "/passkeys/register/options", body)
        for body in ({}, {"password": "not the password"}, {"password": PASSWORD})
    ]

    assert [one.status_code for one in answers] == [403, 403, 200]
    assert [one.json()["error"]["code"] for one in answers[:2]] == ["session.proof_needed", "password.wrong"]


@pytest.mark.parametrize(
    "body",
    [None, [], "x", 1, {"credential": None}, {"credential": "x"}, {"credential": {}}, {"credential": {"response": 1}}],
)
async def test_what_is_no_answer_is_refused(browser: Browser, body: Any) -> None:
    await browser.get("/sign-in")

    refused = await send(browser, "/passkeys/sign-in/verify", body)

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] in {"form.malformed", "passkey.refused"}


async def test_what_is_no_json_is_refused(browser: Browser) -> None:
    await browser.get("/sign-in")
    csrf = hidden(browser.text)["csrf"]
    sent = browser._headers({"origin": PUBLIC, "x-switchboard-csrf": csrf})
    for content, kind in ((b"{", "application/json"), (b"{}", "text/plain"), (b"[" * 9000, "application/json")):
        refused = await browser.http.post(
            f"{browser.api.url}/passkeys/sign-in/options", content=content, headers={**sent, "content-type": kind}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "form.malformed")


async def test_attempts_from_one_network_are_counted(browser: Browser) -> None:
    await browser.get("/sign-in")

    answers = [await send(browser, "/passkeys/sign-in/verify", {"credential": {}}) for _ in range(102)]

    assert {one.status_code for one in answers[:95]} == {400}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
