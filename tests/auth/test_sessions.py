"""Sessions: one sign-in on one device, tokens that act for one organization, and an end that ends all of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.auth.errors import SessionEnded, SignInRefused
from server.auth.rules import SignInMethod
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.tenants.scope import CredentialKind
from server.tenants.uow import begin_read
from tests.factories.accounts import a_session, an_account
from tests.factories.tenants import AnOrganization, an_agency


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


async def change_row(database: Database, statement: str, **values: object) -> None:
    """Change what the system role keeps."""
    async with database.unscoped_system() as session:
        await session.execute(text(statement), values)


async def test_a_session_tells_who_signed_in_and_its_cookie_is_not_stored(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)

    signed_in, cookie = await a_session(database, settings, ada)
    async with database.unscoped_system() as session:
        stored = (await session.execute(text("SELECT user_session::text FROM user_session"))).scalars().all()

    assert (signed_in.user_id, signed_in.email, signed_in.name) == (ada.user_id, ada.email, "Ada")
    assert signed_in.methods == {SignInMethod.PASSWORD}
    assert cookie not in repr(signed_in)
    assert not any(cookie in row or cookie.removeprefix("swb_ssn_v1_") in row for row in stored)


@pytest.mark.parametrize("cookie", ["", "swb_ssn_v1_", "swb_ssn_v1_" + "A" * 43, "x" * 5000, "swb_pat_1_2"])
async def test_what_is_no_cookie_of_ours_signs_nobody_in(database: Database, settings: Settings, cookie: str) -> None:
    assert await auth.read_session(database, settings, cookie) is None


async def test_a_session_ends_by_idleness_by_age_and_with_its_account(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    changes = {
        "idle": "UPDATE user_session SET last_seen_at = clock_timestamp() - interval '13 hours' WHERE user_id = :u",
        "old": "UPDATE user_session SET expires_at = clock_timestamp() WHERE user_id = :u",
        "disabled": "UPDATE user_account SET disabled_at = clock_timestamp() WHERE id = :u",
    }

    for statement in changes.values():
        ada = await an_account(database, agency)
        _, cookie = await a_session(database, settings, ada)
        await change_row(database, statement, u=ada.user_id)
        assert await auth.read_session(database, settings, cookie) is None


async def test_the_use_of_a_session_is_noted_at_most_once_a_minute(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    signed_in, cookie = await a_session(database, settings, ada)

    async def seen_s_ago() -> float:
        async with database.unscoped_system() as session:
            statement = text(
                "SELECT extract(epoch FROM clock_timestamp() - last_seen_at)::float FROM user_session WHERE id = :i"
            )
            found: float = (await session.execute(statement, {"i": signed_in.session_id})).scalar_one()
            return found

    back = "UPDATE user_session SET last_seen_at = clock_timestamp() - make_interval(secs => :s) WHERE id = :i"
    await change_row(database, back, s=40, i=signed_in.session_id)
    await auth.read_session(database, settings, cookie)
    soon = await seen_s_ago()
    await change_row(database, back, s=70, i=signed_in.session_id)
    await auth.read_session(database, settings, cookie)

    assert soon >= 40
    assert await seen_s_ago() < 30


async def test_a_person_acts_for_one_organization_at_a_time_with_the_rights_held_there(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    other, foreign = await an_agency(database, name="Other"), await an_agency(database)
    ada = await an_account(database, agency, other)
    signed_in, _ = await a_session(database, settings, ada)

    token = await auth.act_for(database, settings, signed_in, other.id)
    scope = await auth.authenticate(database, settings.security, token)

    assert {one.organization_id for one in await auth.affiliations(database, ada.user_id)} == {agency.id, other.id}
    assert token.startswith("swb_ses_")
    assert scope is not None
    assert (scope.organization_id, scope.actor.id) == (other.id, ada.members[other.id])
    assert scope.credential is not None
    assert (scope.credential.kind, scope.credential.user_id) == (CredentialKind.SESSION, ada.user_id)
    for unknown in (foreign.id, new_id()):
        with pytest.raises(NotFound):
            await auth.act_for(database, settings, signed_in, unknown)


async def test_somebody_who_was_deactivated_no_longer_acts_for_the_organization(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    signed_in, _ = await a_session(database, settings, ada)
    token = await auth.act_for(database, settings, signed_in, agency.id)

    async with database.scoped(agency.scope.context(read_only=False)) as session:
        await session.execute(
            text("UPDATE member SET deactivated_at = clock_timestamp() WHERE id = :m"), {"m": ada.members[agency.id]}
        )

    assert await auth.authenticate(database, settings.security, token) is None
    assert await auth.affiliations(database, ada.user_id) == []
    with pytest.raises(NotFound):
        await auth.act_for(database, settings, signed_in, agency.id)


async def test_the_end_of_a_session_ends_its_tokens_in_every_organization_and_no_others(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    other = await an_agency(database)
    ada, ben = await an_account(database, agency, other), await an_account(database, agency)
    (first, cookie), (second, _), (bens, _) = [
        await a_session(database, settings, person) for person in (ada, ada, ben)
    ]
    gone = [await auth.act_for(database, settings, first, one.id) for one in (agency, other)]
    kept = [
        await auth.act_for(database, settings, second, agency.id),
        await auth.act_for(database, settings, bens, agency.id),
    ]

    foreign = await auth.end_session(database, ben.user_id, first.session_id)
    ended = await auth.end_session(database, ada.user_id, first.session_id)
    again = await auth.end_session(database, ada.user_id, first.session_id)

    assert (foreign, ended, again) == (False, True, False)
    assert await auth.read_session(database, settings, cookie) is None
    assert [await auth.authenticate(database, settings.security, one) for one in gone] == [None, None]
    assert None not in [await auth.authenticate(database, settings.security, one) for one in kept]
    with pytest.raises(SessionEnded):
        await auth.act_for(database, settings, first, agency.id)


async def test_all_sessions_but_one_can_be_ended_at_once(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    signed_in = [(await a_session(database, settings, ada))[0] for _ in range(3)]

    ended = await auth.end_all_sessions(database, ada.user_id, except_=signed_in[1].session_id)
    left = await auth.list_sessions(database, settings, ada.user_id)

    assert ended == 2
    assert [one.id for one in left] == [signed_in[1].session_id]


async def test_a_token_that_is_made_while_its_session_ends_never_outlives_it(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)

    for _ in range(10):
        signed_in, _ = await a_session(database, settings, ada)
        made, _ = await asyncio.gather(
            auth.act_for(database, settings, signed_in, agency.id),
            auth.end_session(database, ada.user_id, signed_in.session_id),
            return_exceptions=True,
        )
        if isinstance(made, str):
            assert await auth.authenticate(database, settings.security, made) is None
        else:
            assert isinstance(made, SessionEnded)


async def test_a_token_stops_when_nobody_uses_it_and_its_use_keeps_the_session(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    signed_in, cookie = await a_session(database, settings, ada)
    idle = await auth.act_for(database, settings, signed_in, agency.id)
    async with database.scoped(agency.scope.context(read_only=False)) as session:
        await session.execute(text("UPDATE access_token SET created_at = clock_timestamp() - interval '13 hours'"))
    used = await auth.act_for(database, settings, signed_in, agency.id)
    back = "UPDATE user_session SET last_seen_at = clock_timestamp() - interval '11 hours' WHERE id = :i"
    await change_row(database, back, i=signed_in.session_id)

    assert await auth.authenticate(database, settings.security, idle) is None
    assert await auth.authenticate(database, settings.security, used) is not None
    (row,) = await auth.list_sessions(database, settings, ada.user_id)
    assert (row.last_seen_at - row.created_at).total_seconds() > 0
    assert await auth.read_session(database, settings, cookie) is not None


async def test_the_start_and_the_end_stand_in_the_trail_of_the_organization(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    signed_in, _ = await a_session(database, settings, ada)
    await auth.act_for(database, settings, signed_in, agency.id)
    await auth.end_session(database, ada.user_id, signed_in.session_id)

    async with begin_read(database, agency.scope) as uow:
        statement = text("SELECT action, actor_id FROM audit_event WHERE subject_id = :s ORDER BY seq")
        rows = (await uow.session.execute(statement, {"s": signed_in.session_id})).all()

    member_id = ada.members[agency.id]
    assert [tuple(row) for row in rows] == [("auth:session:start", member_id), ("auth:session:end", member_id)]


async def test_nobody_starts_a_session_with_a_password_that_was_changed_meanwhile(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    ada = await an_account(database, agency)
    caller = auth.Caller("Firefox", f"test-{new_id()}")
    proved = await auth.prove_password(database, settings, caller, email=ada.email, password=ada.password)
    assert isinstance(proved, auth.Proved)

    with pytest.raises(SignInRefused):
        await auth.open_session(database, settings, caller, replace(proved, password_hash="$argon2id$another"))
    await change_row(database, "UPDATE user_account SET disabled_at = clock_timestamp() WHERE id = :u", u=ada.user_id)
    with pytest.raises(SignInRefused):
        await auth.open_session(database, settings, caller, proved)

    assert await auth.list_sessions(database, settings, ada.user_id) == []
