"""Whose account a provider's word opens: issuer and subject decide, and an address alone never does."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from tests.factories.accounts import an_account
from tests.factories.factors import an_app, turn_old
from tests.factories.oidc_provider import Fault, Somebody
from tests.factories.tenants import an_agency
from tests.web.browsing import Browser
from tests.web.oidc.house import (
    House,
    is_signed_in,
    linked,
    methods_of,
    rows,
    sign_in,
)


async def test_a_stranger_whom_a_provider_vouches_for_gets_an_account_without_any_rights(
    house: House, database: Database, browser: Browser
) -> None:
    who = house.x.somebody

    entered = await sign_in(browser, house.x)
    listed = await browser.get("/organizations")

    user_id = await auth.account_of(database, who.email or "")
    assert (entered.status_code, entered.headers["location"]) == (303, "/organizations")
    assert user_id is not None
    assert "not a member of an organization" in listed.text
    assert await methods_of(database, user_id) == [["OIDC"]]
    assert await auth.affiliations(database, user_id) == []
    assert await rows(database, "SELECT password_hash FROM user_account WHERE id = :u", u=user_id) == [(None,)]


async def test_issuer_and_subject_decide_and_not_the_address(
    house: House, database: Database, browser: Browser, other: Browser
) -> None:
    first = house.x.somebody
    await sign_in(browser, house.x)
    user_id = await auth.account_of(database, first.email or "")

    house.x.somebody = Somebody(first.subject, f"{new_id().hex}@example.test", is_verified=False)
    await sign_in(other, house.x)

    assert await is_signed_in(other)
    assert len(await methods_of(database, user_id)) == 2
    assert await auth.account_of(database, house.x.somebody.email or "") is None


async def test_the_same_subject_at_another_provider_is_somebody_else(
    house: House, database: Database, browser: Browser, other: Browser
) -> None:
    house.y.somebody = Somebody(house.x.somebody.subject, f"{new_id().hex}@example.test")

    await sign_in(browser, house.x)
    await sign_in(other, house.y)

    ids = [await auth.account_of(database, one.somebody.email or "") for one in (house.x, house.y)]
    assert None not in ids
    assert ids[0] != ids[1]


async def test_an_address_at_the_userinfo_endpoint_is_read_there(
    house: House, database: Database, browser: Browser
) -> None:
    house.x.fault = Fault.EMAIL_ELSEWHERE

    await sign_in(browser, house.x)

    assert await auth.account_of(database, house.x.somebody.email or "") is not None


@pytest.mark.parametrize("is_verified", [False, None, "true", 1])
async def test_an_address_that_the_provider_has_not_verified_makes_no_account(
    house: House, database: Database, browser: Browser, is_verified: object
) -> None:
    house.x.somebody.is_verified = is_verified

    refused = await sign_in(browser, house.x)

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)
    assert await auth.account_of(database, house.x.somebody.email or "") is None


@pytest.mark.parametrize("email", [None, "", "no address", "a@b@c", "x" * 400 + "@example.test", "a\0b@example.test"])
async def test_what_is_no_address_makes_no_account(house: House, browser: Browser, email: str | None) -> None:
    house.x.somebody.email = email

    refused = await sign_in(browser, house.x)

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)


@pytest.mark.parametrize("subject", ["", "s" * 256, "a\0b", 4711])
async def test_what_is_no_subject_makes_no_account(house: House, browser: Browser, subject: str) -> None:
    house.x.somebody.subject = subject

    refused = await sign_in(browser, house.x)

    assert (refused.status_code, await is_signed_in(browser)) == (400, False)


async def test_an_account_with_the_address_is_opened_only_after_its_person_signed_in_and_agreed(
    house: House, database: Database, browser: Browser, other: Browser
) -> None:
    ada = await an_account(database, await an_agency(database))
    house.x.somebody.email = ada.email

    owed = await sign_in(browser, house.x)
    was_in = await is_signed_in(browser)
    await browser.submit(owed.headers["location"], email=ada.email, password=ada.password)
    asked = await browser.get("/sign-in/link")
    linked = await browser.submit("/sign-in/link")
    house.x.somebody.email = f"{new_id().hex}@example.test"
    entered = await sign_in(other, house.x)

    assert owed.headers["location"] == "/sign-in?next=%2Fsign-in%2Flink"
    assert was_in is False
    assert "The &lt;x&gt; people" in asked.text
    assert linked.status_code == 200
    assert (entered.status_code, await is_signed_in(other)) == (303, True)
    assert await methods_of(database, ada.user_id) == [["PASSWORD"], ["OIDC"]]
    assert (await browser.post("/sign-in/link", {"csrf": ""})).status_code == 403


async def test_an_address_alone_never_opens_an_account(
    house: House, database: Database, browser: Browser, other: Browser
) -> None:
    ada, eve = await an_account(database), await an_account(database, name="Eve")
    house.x.somebody.email = ada.email.upper()
    await sign_in(browser, house.x)

    # Eve, in the same browser with the link that waits, is not the one it waits for.
    await browser.submit("/sign-in", email=eve.email, password=eve.password)
    asked = await browser.get("/sign-in/link")
    again = await sign_in(other, house.x)

    assert asked.status_code == 404
    assert again.headers["location"].startswith("/sign-in?")
    assert await rows(database, "SELECT 1 FROM user_identity WHERE subject = :s", s=house.x.somebody.subject) == []


async def test_a_link_is_not_made_by_another_site_nor_with_an_old_sign_in(
    house: House, database: Database, browser: Browser
) -> None:
    ada = await an_account(database)
    house.x.somebody.email = ada.email
    await sign_in(browser, house.x)
    await browser.submit("/sign-in", email=ada.email, password=ada.password)
    page = await browser.get("/sign-in/link")
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    ((session_id,),) = await rows(database, "SELECT id FROM user_session WHERE user_id = :u", u=ada.user_id)

    forged = await browser.post("/sign-in/link", {"csrf": csrf}, {"origin": "https://evil.test"})
    bare = await browser.post("/sign-in/link", {"csrf": ""})
    assert isinstance(session_id, type(ada.user_id))
    await turn_old(database, session_id)
    old = await browser.post("/sign-in/link", {"csrf": csrf})

    assert (forged.status_code, bare.status_code, old.status_code) == (403, 403, 400)
    assert await rows(database, "SELECT 1 FROM user_identity WHERE user_id = :u", u=ada.user_id) == []


async def test_our_second_factor_is_owed_after_a_providers_word_too(
    house: House, database: Database, settings: Settings, browser: Browser
) -> None:
    ada = await linked(house, database, browser)
    app, codes = await an_app(database, settings, ada)

    owed = await sign_in(browser, house.x)
    was_in = await is_signed_in(browser)
    wrong = await browser.submit(owed.headers["location"], code=app.wrong())
    entered = await browser.submit(owed.headers["location"], code=app.code())
    browser.cookies.clear()
    again = await browser.submit((await sign_in(browser, house.x)).headers["location"], recovery_code=codes[0])

    assert owed.headers["location"] == "/sign-in/verify?next=%2Forganizations"
    assert (was_in, wrong.status_code) == (False, 403)
    assert (entered.headers["location"], again.headers["location"]) == ("/organizations", "/organizations")
    assert sorted(await methods_of(database, ada.user_id), key=str)[:2] == [["OIDC", "RECOVERY_CODE"], ["OIDC", "TOTP"]]


async def test_a_disabled_account_is_not_opened(house: House, database: Database, browser: Browser) -> None:
    ada = await linked(house, database, browser)
    async with database.unscoped_system() as session:
        await session.execute(text("UPDATE user_account SET disabled_at = now() WHERE id = :u"), {"u": ada.user_id})

    known = await sign_in(browser, house.x)
    house.y.somebody.email = ada.email
    unknown = await sign_in(browser, house.y)

    assert (known.status_code, unknown.status_code) == (400, 400)
    assert not await is_signed_in(browser)
