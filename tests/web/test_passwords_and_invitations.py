"""Pages behind links in mails: a password is chosen anew, an invitation accepted; opening a link changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api
from tests.auth.postbox import link_in, mails_to
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.people import a_link, an_address
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.web.browsing import Browser, browsing
from tests.workshop import Workshop

OTHER = "nine brown ladders asleep"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database, name="Acme & <Co>")


@pytest.fixture
async def ada(database: Database, agency: AnOrganization) -> AnAccount:
    """Somebody with an account and a role at the agency."""
    return await an_account(database, agency)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """The agency's owner, who invites."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


@pytest.fixture
async def browser(api: Api) -> AsyncIterator[Browser]:
    """A fresh browser."""
    async with browsing(api) as opened:
        yield opened


async def roles_of(database: Database, agency: AnOrganization, email: str) -> list[str]:
    """Return the roles of a member of the agency."""
    statement = text(
        "SELECT s.role FROM membership s JOIN member m ON m.id = s.member_id WHERE m.email = :e ORDER BY s.id"
    )
    async with database.scoped(agency.scope.context(read_only=True)) as session:
        return list(await session.scalars(statement, {"e": email}))


async def test_a_password_is_chosen_anew_by_a_link_and_every_sign_in_ends(
    database: Database, settings: Settings, ada: AnAccount, browser: Browser
) -> None:
    await browser.submit("/sign-in", email=ada.email, password=PASSWORD)
    wished = await browser.submit("/reset", email=ada.email)
    (mail,) = await mails_to(database, settings, ada.email)
    shown = await browser.get("/dev/mail")
    path = f"/reset/{link_in(mail)}"

    opened = [(await browser.get(path)).status_code for _ in range(3)]
    weak = await browser.submit(path, password="password1234")
    done = await browser.submit(path, password=OTHER)
    kept = dict(browser.cookies)
    again = await browser.submit("/sign-in", email=ada.email, password=OTHER)
    used = await browser.submit(path, password=PASSWORD)

    assert wished.status_code == 200
    assert path in shown.text
    assert (opened, weak.status_code) == ([200] * 3, 422)
    assert "easy to guess" in weak.text
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert "switchboard_session" not in kept
    assert again.status_code == 303
    assert used.status_code == 410


async def test_the_wish_for_a_link_looks_the_same_for_everybody(ada: AnAccount, browser: Browser) -> None:
    known, unknown = [await browser.submit("/reset", email=one) for one in (ada.email, an_address())]

    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert ada.email not in known.text


async def test_somebody_new_accepts_with_a_name_and_a_password_and_is_signed_in(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson, browser: Browser
) -> None:
    email = an_address()
    path = f"/invitations/{await a_link(database, workshop, owner, agency.units['client 1'], Role.OPERATOR, email)}"

    page = await browser.get(path)
    before = await roles_of(database, agency, email)
    weak = await browser.submit(path, name="Grace", password="short")
    account_before = await auth.account_of(database, email)
    done = await browser.submit(path, name="Grace", password=OTHER)
    listed = await browser.get("/organizations")
    used = await browser.get(path)

    assert "Acme &amp; &lt;Co&gt; offers" in page.text
    assert "OPERATOR" in page.text
    assert (before, weak.status_code, account_before) == ([], 422, None)
    assert (done.status_code, done.headers["location"]) == (303, "/organizations")
    assert "Act for Acme &amp; &lt;Co&gt;" in listed.text
    assert await roles_of(database, agency, email) == ["OPERATOR"]
    assert used.status_code == 410


async def test_somebody_with_an_account_signs_in_first_and_then_accepts(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson, browser: Browser
) -> None:
    ada = await an_account(database)
    path = f"/invitations/{await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, ada.email)}"

    asked = await browser.get(path)
    back = asked.text.partition('href="/sign-in?next=')[2].partition('"')[0]
    entered = await browser.submit(f"/sign-in?next={back}", email=ada.email, password=PASSWORD)
    accepted = await browser.submit(path)

    assert "password" not in asked.text
    assert entered.headers["location"] == path
    assert accepted.headers["location"] == "/organizations"
    assert await roles_of(database, agency, ada.email) == ["ANALYST"]
    assert [one.organization_id for one in await auth.affiliations(database, ada.user_id)] == [agency.id]


async def test_nobody_takes_an_account_over_or_accepts_what_is_for_another(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson, ada: AnAccount, browser: Browser
) -> None:
    ben = await an_account(database)
    path = f"/invitations/{await a_link(database, workshop, owner, agency.root_id, Role.ADMIN, ben.email)}"

    token = (await browser.get("/sign-in")).text.partition('name="csrf" value="')[2].partition('"')[0]
    taken_over = await browser.post(path, {"csrf": token, "name": "Mallory", "password": OTHER})
    await browser.submit("/sign-in", email=ada.email, password=PASSWORD)
    shown = await browser.get(path)
    await browser.get("/organizations")
    token = browser.text.partition('name="csrf" value="')[2].partition('"')[0]
    accepted = await browser.post(path, {"csrf": token})

    assert taken_over.status_code == 422
    assert "the invitation is for another address" in shown.text
    assert "<form" not in shown.text
    assert accepted.status_code == 409
    assert await roles_of(database, agency, ben.email) == []
    assert await roles_of(database, agency, ada.email) == ["OWNER"]


@pytest.mark.parametrize("token", ["x", "swb_inv_" + "0" * 26 + "_" + "A" * 43, "..%2f..%2fetc"])
async def test_what_is_no_invitation_is_told_like_one_that_is_over(browser: Browser, token: str) -> None:
    answer = await browser.get(f"/invitations/{token}")

    assert answer.status_code in (404, 410)
    assert "<form" not in answer.text


async def test_mail_that_was_kept_is_shown_as_text(database: Database, api: Api, browser: Browser) -> None:
    async with database.unscoped_system() as session:
        await session.execute(
            text(
                "INSERT INTO dev_mail (id, recipient, subject, body) VALUES (gen_random_uuid(), 'a@b', '<s>',"
                " '<script>x</script> http://127.0.0.1/a\"onclick=1 \"')"
            )
        )

    page = await browser.get("/dev/mail")

    assert "<script>" not in page.text
    assert "&lt;script&gt;x" in page.text
    assert '"onclick' not in page.text
