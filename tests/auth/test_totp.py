"""The authenticator app: set up with a recent proof, owed at each sign-in, each code accepted once, attempts counted."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.auth.errors import (
    CodeWrong,
    TicketInvalid,
    TooManyAttempts,
    TotpNotSetUp,
)
from server.auth.rules import SignInMethod
from server.auth.service import Caller, FactorOwed, Proved, factors
from server.auth.service.factors import FactorProof
from server.auth.service.verify import prove_factor
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput
from server.tenants.uow import begin_read
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.factors import AnApp, a_fresh_person, a_network, an_app
from tests.factories.tenants import an_agency


@pytest.fixture
async def ada(database: Database) -> AnAccount:
    """Somebody who works for no organization yet."""
    return await an_account(database)


async def ticket_of(database: Database, settings: Settings, account: AnAccount) -> str:
    """Prove the password from a network of its own; return the ticket for the second factor."""
    caller = Caller("Firefox", a_network())
    proved = await auth.prove_password(database, settings, caller, email=account.email, password=PASSWORD)
    assert isinstance(proved, FactorOwed)
    return proved.ticket


async def verify(
    database: Database, settings: Settings, ticket: str, network: str | None = None, **code: str
) -> Proved:
    """Try a second factor."""
    caller = Caller("Firefox", network or a_network())
    return await prove_factor(database, settings, caller, ticket, FactorProof(**code))


async def test_a_password_owes_a_code_once_the_app_is_confirmed_and_not_before(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    person, caller = await a_fresh_person(database, settings, ada), Caller("Firefox", a_network())
    begun = await factors.enroll_totp(database, settings, person, None)
    before = await auth.prove_password(database, settings, caller, email=ada.email, password=PASSWORD)
    await factors.confirm_totp(database, settings, person, AnApp(begun.secret).code())

    owed = await auth.prove_password(database, settings, caller, email=ada.email, password=PASSWORD)
    assert isinstance(owed, FactorOwed)
    proved = await verify(database, settings, owed.ticket, code=AnApp(begun.secret).code(1))

    assert isinstance(before, Proved)
    assert proved == Proved(ada.user_id, frozenset({SignInMethod.PASSWORD, SignInMethod.TOTP}))


@pytest.mark.parametrize(
    ("_case", "offset", "is_accepted"),
    [("now", 0, True), ("one later", 1, True), ("two later", 3, False), ("two before", -3, False)],
)
async def test_codes_of_the_neighbouring_steps_are_accepted_and_no_others(
    database: Database, settings: Settings, ada: AnAccount, _case: str, offset: int, is_accepted: bool
) -> None:
    app, _ = await an_app(database, settings, ada)
    ticket = await ticket_of(database, settings, ada)

    try:
        await verify(database, settings, ticket, code=app.code(offset))
        was_accepted = True
    except CodeWrong:
        was_accepted = False

    assert was_accepted is is_accepted


async def test_the_code_that_confirmed_the_app_does_not_sign_in(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    person = await a_fresh_person(database, settings, ada)
    app = AnApp((await factors.enroll_totp(database, settings, person, None)).secret)
    code = app.code()
    await factors.confirm_totp(database, settings, person, code)

    with pytest.raises(CodeWrong):
        await verify(database, settings, await ticket_of(database, settings, ada), code=code)


async def test_a_code_is_accepted_once_and_no_earlier_one_after_it(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    later, now = app.code(1), app.code()
    await verify(database, settings, await ticket_of(database, settings, ada), code=later)

    for used in (later, now):
        with pytest.raises(CodeWrong):
            await verify(database, settings, await ticket_of(database, settings, ada), code=used)


async def test_of_many_who_show_the_same_code_at_once_one_gets_in(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    tickets = [await ticket_of(database, settings, ada) for _ in range(5)]
    code = app.code()

    got = await asyncio.gather(
        *(verify(database, settings, ticket, code=code) for ticket in tickets), return_exceptions=True
    )

    assert sum(isinstance(one, Proved) for one in got) == 1
    assert sum(isinstance(one, CodeWrong) for one in got) == 4


async def test_of_many_who_show_the_same_ticket_at_once_one_gets_in(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, codes = await an_app(database, settings, ada)
    ticket = await ticket_of(database, settings, ada)
    shown = [{"code": app.code()}, *({"recovery_code": one} for one in codes[:3])]

    got = await asyncio.gather(*(verify(database, settings, ticket, **one) for one in shown), return_exceptions=True)

    assert sum(isinstance(one, Proved) for one in got) == 1
    assert sum(isinstance(one, TicketInvalid) for one in got) == 3
    assert (await factors.factors_of(database, ada.user_id)).codes_left >= 9


async def test_a_ticket_dies_with_its_fifth_wrong_code(database: Database, settings: Settings, ada: AnAccount) -> None:
    app, _ = await an_app(database, settings, ada)
    ticket = await ticket_of(database, settings, ada)

    for _ in range(5):
        with pytest.raises(CodeWrong):
            await verify(database, settings, ticket, code=app.wrong())

    with pytest.raises(TicketInvalid):
        await verify(database, settings, ticket, code=app.code())


async def test_guesses_at_once_are_counted_each(database: Database, settings: Settings, ada: AnAccount) -> None:
    app, _ = await an_app(database, settings, ada)
    ticket = await ticket_of(database, settings, ada)

    got = await asyncio.gather(
        *(verify(database, settings, ticket, code=app.wrong()) for _ in range(12)), return_exceptions=True
    )

    assert sum(isinstance(one, CodeWrong) for one in got) == 5
    assert sum(isinstance(one, TicketInvalid) for one in got) == 7


async def test_fresh_tickets_do_not_give_fresh_attempts(database: Database, settings: Settings, ada: AnAccount) -> None:
    app, _ = await an_app(database, settings, ada)
    network, told = a_network(), list[str]()

    for _ in range(3):
        ticket = await ticket_of(database, settings, ada)
        for _ in range(5):
            try:
                await verify(database, settings, ticket, network, code=app.wrong())
            except (CodeWrong, TooManyAttempts) as error:
                told.append(error.code)
    with pytest.raises(TooManyAttempts):
        await verify(database, settings, ticket, network, code=app.code())

    assert told == ["sign_in.code_wrong"] * 10 + ["sign_in.too_many_attempts"] * 5


async def test_a_ticket_dies_after_five_minutes_and_with_another_password(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    late, void = await ticket_of(database, settings, ada), await ticket_of(database, settings, ada)
    async with database.unscoped_system() as session:
        await session.execute(
            text(
                "UPDATE sign_in_ticket SET expires_at = expires_at - interval '5 minutes' WHERE id ="
                " (SELECT id FROM sign_in_ticket WHERE user_id = :u ORDER BY id LIMIT 1)"
            ),
            {"u": ada.user_id},
        )
    with pytest.raises(TicketInvalid):
        await verify(database, settings, late, code=app.code())
    person = await a_fresh_person(database, settings, ada)
    change = auth.PasswordChange(ada.user_id, person.session_id, PASSWORD, "seven dry lanterns")
    await auth.change_password(database, settings, Caller("Firefox", a_network()), change)

    with pytest.raises(TicketInvalid):
        await verify(database, settings, void, code=app.code())


@pytest.mark.parametrize("ticket", ["", "swb_2fa_v1_", "swb_rst_v1_" + "A" * 43, "x" * 5000, "\0"])
async def test_what_is_no_ticket_opens_nothing(database: Database, settings: Settings, ticket: str) -> None:
    with pytest.raises(TicketInvalid):
        await verify(database, settings, ticket, code="123456")


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "12345\0", "-12345", "1" * 5000])
async def test_what_is_no_code_is_a_wrong_one(
    database: Database, settings: Settings, ada: AnAccount, code: str
) -> None:
    await an_app(database, settings, ada)

    with pytest.raises(CodeWrong):
        await verify(database, settings, await ticket_of(database, settings, ada), code=code)


async def test_blanks_that_apps_show_between_digits_do_not_matter(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    code = app.code()

    proved = await verify(database, settings, await ticket_of(database, settings, ada), code=f" {code[:3]} {code[3:]} ")

    assert proved.user_id == ada.user_id


async def test_none_and_two_codes_are_refused_and_cost_nothing(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, codes = await an_app(database, settings, ada)
    ticket = await ticket_of(database, settings, ada)

    for _ in range(6):
        with pytest.raises(InvalidInput):
            await verify(database, settings, ticket)
        with pytest.raises(InvalidInput):
            await verify(database, settings, ticket, code=app.code(), recovery_code=codes[0])

    assert (await verify(database, settings, ticket, code=app.code())).user_id == ada.user_id


async def test_the_app_of_one_person_is_nothing_for_another(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    eve = await an_account(database, name="Eve")
    await an_app(database, settings, ada)
    hers, codes = await an_app(database, settings, eve)
    ticket = await ticket_of(database, settings, ada)

    with pytest.raises(CodeWrong):
        await verify(database, settings, ticket, code=hers.code())
    with pytest.raises(CodeWrong):
        await verify(database, settings, ticket, recovery_code=codes[0])


async def test_the_app_is_removed_with_a_code_and_not_without(
    database: Database, settings: Settings, ada: AnAccount
) -> None:
    app, _ = await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    with pytest.raises(CodeWrong):
        await factors.disable_totp(database, settings, person, FactorProof(code=app.wrong()))
    assert (await factors.factors_of(database, ada.user_id)).totp_since is not None
    await factors.disable_totp(database, settings, person, FactorProof(code=app.code()))

    found = await factors.factors_of(database, ada.user_id)
    proved = await auth.prove_password(
        database, settings, Caller("Firefox", a_network()), email=ada.email, password=PASSWORD
    )
    assert (found.totp_since, found.codes_left) == (None, 0)
    assert isinstance(proved, Proved)
    with pytest.raises(TotpNotSetUp):
        await factors.disable_totp(database, settings, person, FactorProof(code=app.code(1)))


async def test_removing_is_throttled_like_signing_in(database: Database, settings: Settings, ada: AnAccount) -> None:
    app, _ = await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    for _ in range(10):
        with pytest.raises(CodeWrong):
            await factors.disable_totp(database, settings, person, FactorProof(code=app.wrong()))

    with pytest.raises(TooManyAttempts):
        await factors.disable_totp(database, settings, person, FactorProof(code=app.code()))


async def test_what_changes_stands_in_the_trail_of_every_organization_of_the_person(
    database: Database, settings: Settings
) -> None:
    here, there = await an_agency(database), await an_agency(database)
    ada = await an_account(database, here, there)
    app, _ = await an_app(database, settings, ada)
    person = await a_fresh_person(database, settings, ada)

    await factors.disable_totp(database, settings, person, FactorProof(code=app.code()))

    for organization in (here, there):
        async with begin_read(database, organization.scope) as uow:
            rows = await uow.session.execute(
                text(
                    "SELECT action, subject_id, details FROM audit_event WHERE action LIKE 'auth:factor%' ORDER BY seq"
                )
            )
            told = [(row.action, row.subject_id, row.details) for row in rows]
        mine = ada.members[organization.id]
        assert told == [
            ("auth:factor:add", mine, {"factor": "TOTP"}),
            ("auth:factor:remove", mine, {"factor": "TOTP"}),
        ]
