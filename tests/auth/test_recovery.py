"""Recovery codes: ten, each good once, void as a set, and never kept in clear."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.auth.errors import CodeWrong, ProofNeeded, TotpNotSetUp
from server.auth.rules import SignInMethod
from server.auth.service import Caller, FactorOwed, Proved, factors
from server.auth.service.factors import FactorProof
from server.auth.service.verify import prove_factor
from server.config import Settings
from server.kit.db import Database
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.factors import a_fresh_person, a_network, an_app, turn_old


@pytest.fixture
async def ada(database: Database) -> AnAccount:
    """Somebody with an account."""
    return await an_account(database)


async def sign_in(database: Database, settings: Settings, account: AnAccount, recovery_code: str) -> Proved:
    """Sign in with the password and a recovery code."""
    caller = Caller("Firefox", a_network())
    owed = await auth.prove_password(database, settings, caller, email=account.email, password=PASSWORD)
    assert isinstance(owed, FactorOwed)
    return await prove_factor(database, settings, caller, owed.ticket, FactorProof(recovery_code=recovery_code))


async def test_ten_different_codes_are_made_and_none_is_kept(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    _, codes = await an_app(database, settings, ada)

    async with database.unscoped_system() as session:
        rows = await session.execute(
            text("SELECT encode(code_hash, 'escape') || user_recovery_code::text FROM user_recovery_code")
        )
        stored = "\n".join(row[0] for row in rows)

    assert len(set(codes)) == 10
    assert all(len(one.replace("-", "")) == 16 for one in codes)
    assert not any(one in stored or one.replace("-", "") in stored for one in codes)


async def test_a_code_signs_in_once(database: Database, settings: Settings, ada: AnAccount) -> None:
    _, codes = await an_app(database, settings, ada)

    proved = await sign_in(database, settings, ada, codes[3])
    with pytest.raises(CodeWrong):
        await sign_in(database, settings, ada, codes[3])
    again = await sign_in(database, settings, ada, codes[4])

    assert proved.methods == {SignInMethod.PASSWORD, SignInMethod.RECOVERY_CODE}
    assert again.user_id == ada.user_id
    assert (await factors.factors_of(database, ada.user_id)).codes_left == 8


async def test_of_many_who_show_one_code_at_once_one_gets_in(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    _, codes = await an_app(database, settings, ada)

    got = await asyncio.gather(*(sign_in(database, settings, ada, codes[0]) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(one, Proved) for one in got) == 1
    assert sum(isinstance(one, CodeWrong) for one in got) == 4


@pytest.mark.parametrize("_case", ["upper", "blanks", "no hyphens", "letters for digits"])
async def test_how_a_code_is_typed_does_not_matter(
    database: Database, settings: Settings, ada: AnAccount, _case: str
) -> None:
    _, codes = await an_app(database, settings, ada)
    typed = {
        "upper": codes[0].upper(),
        "blanks": f"  {codes[0].replace('-', ' - ')}\n",
        "no hyphens": codes[0].replace("-", ""),
        "letters for digits": codes[0].replace("0", "o").replace("1", "l"),
    }[_case]

    assert (await sign_in(database, settings, ada, typed)).user_id == ada.user_id


@pytest.mark.parametrize("code", ["", "0000-0000-0000-0000", "x" * 5000, "\0", "０" * 16])
async def test_what_is_no_code_is_a_wrong_one(
    database: Database, settings: Settings, ada: AnAccount, code: str
) -> None:
    await an_app(database, settings, ada)

    with pytest.raises(CodeWrong):
        await sign_in(database, settings, ada, code)


async def test_new_codes_void_all_old_ones(database: Database, settings: Settings, ada: AnAccount) -> None:
    _, old = await an_app(database, settings, ada)
    await sign_in(database, settings, ada, old[0])

    new = await factors.regenerate_codes(database, settings, await a_fresh_person(database, settings, ada), None)

    assert len(set(new)) == 10
    assert not set(new) & set(old)
    for one in old[:2]:
        with pytest.raises(CodeWrong):
            await sign_in(database, settings, ada, one)
    assert (await sign_in(database, settings, ada, new[0])).user_id == ada.user_id
    assert (await factors.factors_of(database, ada.user_id)).codes_left == 9


async def test_two_who_renew_the_codes_at_once_leave_one_whole_set(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    sets = await asyncio.gather(*(factors.regenerate_codes(database, settings, person, None) for _ in range(3)))

    assert (await factors.factors_of(database, ada.user_id)).codes_left == 10
    good = 0
    for one in sets:
        try:
            await sign_in(database, settings, ada, one[0])
            good += 1
        except CodeWrong:
            continue
    assert good == 1


async def test_new_codes_need_a_recent_proof_and_an_app(database: Database, settings: Settings, ada: AnAccount) -> None:
    person = await a_fresh_person(database, settings, ada)
    with pytest.raises(TotpNotSetUp):
        await factors.regenerate_codes(database, settings, person, None)
    await an_app(database, settings, ada)
    await turn_old(database, person.session_id)

    with pytest.raises(ProofNeeded):
        await factors.regenerate_codes(database, settings, person, None)
    assert len(await factors.regenerate_codes(database, settings, person, PASSWORD)) == 10


async def test_a_recovery_code_removes_the_app(database: Database, settings: Settings, ada: AnAccount) -> None:
    _, codes = await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    await factors.disable_totp(database, settings, person, FactorProof(recovery_code=codes[0]))

    assert (await factors.factors_of(database, ada.user_id)).totp_since is None
