"""Choosing another password with a link: the same answer for every address, one use, half an hour, and all sessions end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from tests.api import Api
from tests.auth.postbox import link_in, mails_to
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.tenants import AnOrganization, an_agency
from tests.schema.asking import codes, statements
from tests.schema.strangers import Stranger

OTHER = "nine brown ladders asleep"
VIEWER = "{ viewer { memberId } }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def ada(database: Database, agency: AnOrganization) -> AnAccount:
    """Somebody with an account and a role at the agency."""
    return await an_account(database, agency)


async def request(somebody: Stranger, email: str) -> dict[str, Any]:
    """Ask for a link."""
    return await somebody.change("passwordResetRequest", "isAccepted", {"email": email})


async def reset(somebody: Stranger, token: str, password: str = OTHER) -> dict[str, Any]:
    """Use a link."""
    return await somebody.change("passwordReset", "isChanged", {"token": token, "newPassword": password})


async def test_known_and_unknown_addresses_get_the_same_answer_for_the_same_statements(
    api: Api, ada: AnAccount
) -> None:
    answers, work = [], []

    for email in (ada.email, f"{new_id().hex}@example.test", f"no address {new_id().hex}"):
        with statements() as seen:
            answers.append(await request(Stranger(api), email))
        work.append(seen)

    assert answers == [{"isAccepted": True, "userErrors": []}] * 3
    assert len(work[0]) == 4
    assert work[0] == work[1] == work[2]


async def test_an_address_is_not_buried_in_mail_and_that_tells_nothing_either(api: Api, ada: AnAccount) -> None:
    told = {
        email: [codes(await request(Stranger(api), email)) for _ in range(5)]
        for email in (ada.email, f"{new_id().hex}@example.test")
    }

    assert list(told.values()) == [[[]] * 3 + [["SIGN_IN_TOO_MANY_ATTEMPTS"]] * 2] * 2


async def test_a_link_changes_the_password_once_and_ends_every_session(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount
) -> None:
    somebody = Stranger(api)
    token = await somebody.token_of(ada, encode("org", agency.id))
    await request(somebody, ada.email)
    (mail,) = await mails_to(database, settings, ada.email)

    weak = await reset(somebody, link_in(mail), "password1234")
    untouched = await api.ask(VIEWER, token=token)
    done, again = [await reset(somebody, link_in(mail)) for _ in range(2)]
    old, new = [codes(await somebody.sign_in(ada.email, one)) for one in (PASSWORD, OTHER)]

    assert (codes(weak), weak["userErrors"][0]["path"], untouched.codes) == (["PASSWORD_UNFIT"], ["newPassword"], [])
    assert (done["isChanged"], codes(again)) == (True, ["SIGN_IN_TICKET_INVALID"])
    assert (old, new) == (["SIGN_IN_REFUSED"], [])
    assert (await api.ask(VIEWER, token=token)).codes == ["UNAUTHENTICATED"]
    assert "was changed" in (await mails_to(database, settings, ada.email))[-1]


async def test_the_newest_change_voids_all_links(
    api: Api, database: Database, settings: Settings, ada: AnAccount
) -> None:
    somebody = Stranger(api)
    for _ in range(2):
        await request(somebody, ada.email)
        mails = await mails_to(database, settings, ada.email)

    second, first = [await reset(somebody, link_in(one)) for one in reversed(mails)]

    assert (second["isChanged"], codes(first)) == (True, ["SIGN_IN_TICKET_INVALID"])


async def test_of_many_who_use_a_link_at_once_one_is_served(
    api: Api, database: Database, settings: Settings, ada: AnAccount
) -> None:
    somebody = Stranger(api)
    await request(somebody, ada.email)
    (mail,) = await mails_to(database, settings, ada.email)

    answers = await asyncio.gather(*(reset(somebody, link_in(mail), f"{OTHER} {n}") for n in range(8)))

    assert sorted(one["isChanged"] for one in answers) == [False] * 7 + [True]


@pytest.mark.parametrize("change", ["expires_at = clock_timestamp()", "kind = 'VERIFY'", "used_at = clock_timestamp()"])
async def test_a_link_that_is_old_used_or_of_another_kind_opens_nothing(
    api: Api, database: Database, settings: Settings, ada: AnAccount, change: str
) -> None:
    somebody = Stranger(api)
    await request(somebody, ada.email)
    (mail,) = await mails_to(database, settings, ada.email)
    async with database.unscoped_system() as session:
        await session.execute(text(f"UPDATE sign_in_ticket SET {change} WHERE user_id = :u"), {"u": ada.user_id})

    assert codes(await reset(somebody, link_in(mail))) == ["SIGN_IN_TICKET_INVALID"]


async def test_a_link_lives_for_half_an_hour(api: Api, database: Database, settings: Settings, ada: AnAccount) -> None:
    await request(Stranger(api), ada.email)
    await mails_to(database, settings, ada.email)

    async with database.unscoped_system() as session:
        statement = text(
            "SELECT extract(epoch FROM expires_at - created_at)::float FROM sign_in_ticket WHERE user_id = :u"
        )
        lives = (await session.execute(statement, {"u": ada.user_id})).scalar_one()

    assert 1790 < lives <= 1800


@pytest.mark.parametrize("token", ["", "swb_rst_v1_" + "A" * 43, "x" * 2000])
async def test_what_is_no_link_opens_nothing_and_guesses_are_counted(api: Api, token: str) -> None:
    somebody = Stranger(api)

    told = [codes(await reset(somebody, token)) for _ in range(102)]

    assert told[0] == ["SIGN_IN_TICKET_INVALID"]
    assert told[-1] == ["SIGN_IN_TOO_MANY_ATTEMPTS"]
