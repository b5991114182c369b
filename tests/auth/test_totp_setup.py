"""Setting an authenticator app up: with a recent proof, once at a time, and with a secret that is sealed."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.auth.errors import (
    CodeWrong,
    PasswordWrong,
    ProofNeeded,
    TotpAlreadyOn,
    TotpNotSetUp,
)
from server.auth.service import factors
from server.auth.service.factors import FactorProof
from server.config import Settings
from server.kit.crypto import SealBroken
from server.kit.db import Database
from server.kit.ids import new_id
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.factors import AnApp, a_fresh_person, a_network, an_app, turn_old


@pytest.fixture
async def ada(database: Database) -> AnAccount:
    """Somebody who works for no organization yet."""
    return await an_account(database)


async def test_the_address_for_the_qr_code_says_who_and_what(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    begun = await factors.enroll_totp(database, settings, await a_fresh_person(database, settings, ada), None)

    address = urlsplit(begun.uri)
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert unquote(address.path) == f"/Switchboard:{ada.email}"
    assert parse_qs(address.query) == {"secret": [begun.secret], "issuer": ["Switchboard"]}
    assert len(base64.b32decode(begun.secret)) == 20


async def test_the_secret_is_sealed_for_its_person_and_shown_nowhere(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    person = await a_fresh_person(database, settings, ada)
    begun = await factors.enroll_totp(database, settings, person, None)

    async with database.unscoped_system() as session:
        row = (await session.execute(text("SELECT secret FROM user_totp WHERE user_id = :u"), {"u": ada.user_id})).one()

    assert begun.secret.encode() not in bytes(row.secret)
    assert database.keys.open(bytes(row.secret), f"user_totp|secret|{ada.user_id}") == begun.secret
    with pytest.raises(SealBroken):
        database.keys.open(bytes(row.secret), f"user_totp|secret|{new_id()}")
    assert begun.secret not in repr(begun)


async def test_an_old_sign_in_needs_the_password_again(database: Database, settings: Settings, ada: AnAccount) -> None:
    person = await a_fresh_person(database, settings, ada)
    await turn_old(database, person.session_id)

    with pytest.raises(ProofNeeded):
        await factors.enroll_totp(database, settings, person, None)
    with pytest.raises(PasswordWrong):
        await factors.enroll_totp(database, settings, person, "not the password")
    begun = await factors.enroll_totp(database, settings, person, PASSWORD)

    assert begun.secret


async def test_the_session_of_somebody_else_and_one_that_ended_prove_nothing(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    person = await a_fresh_person(database, settings, ada)
    eve = await a_fresh_person(database, settings, await an_account(database, name="Eve"))
    mixed = factors.Person(ada.user_id, eve.session_id, a_network())

    with pytest.raises(ProofNeeded):
        await factors.enroll_totp(database, settings, mixed, None)
    await auth.end_session(database, ada.user_id, person.session_id)
    with pytest.raises(ProofNeeded):
        await factors.enroll_totp(database, settings, person, None)


async def test_a_second_app_is_not_set_up_over_the_first(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    with pytest.raises(TotpAlreadyOn):
        await factors.enroll_totp(database, settings, person, None)
    with pytest.raises(TotpAlreadyOn):
        await factors.confirm_totp(database, settings, person, app.code())
    await factors.disable_totp(database, settings, person, FactorProof(code=app.code()))


async def test_a_setup_that_was_not_finished_is_forgotten(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    person = await a_fresh_person(database, settings, ada)
    with pytest.raises(TotpNotSetUp):
        await factors.confirm_totp(database, settings, person, "000000")
    first = AnApp((await factors.enroll_totp(database, settings, person, None)).secret)
    second = AnApp((await factors.enroll_totp(database, settings, person, None)).secret)

    with pytest.raises(CodeWrong):
        await factors.confirm_totp(database, settings, person, first.code())
    async with database.unscoped_system() as session:
        late = text("UPDATE user_totp SET created_at = created_at - interval '16 minutes' WHERE user_id = :u")
        await session.execute(late, {"u": ada.user_id})
    with pytest.raises(TotpNotSetUp):
        await factors.confirm_totp(database, settings, person, second.code())

    assert (await factors.factors_of(database, ada.user_id)).totp_since is None
