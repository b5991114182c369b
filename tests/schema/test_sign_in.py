"""Signing in over GraphQL: a token for one named organization, sessions that are listed and revoked, passwords that change."""

from __future__ import annotations

import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from server.auth import passwords
from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.schema.asking import codes, statements
from tests.schema.strangers import Stranger

VIEWER = "{ viewer { memberId organization { id } } }"
SESSIONS = "{ sessions { id client methods isCurrent createdAt lastSeenAt expiresAt } }"
OTHER = "nine brown ladders asleep"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def ada(database: Database, agency: AnOrganization) -> AnAccount:
    """Somebody with an account and a role at the agency."""
    return await an_account(database, agency)


@pytest.fixture
def somebody(api: Api) -> Stranger:
    """A client without a token."""
    return Stranger(api)


def org(organization: AnOrganization) -> str:
    """Write an organization's id."""
    return encode("org", organization.id)


async def sessions(api: Api, token: str) -> list[dict[str, Any]]:
    """List the sessions of a token's person."""
    found: list[dict[str, Any]] = (await api.ask(SESSIONS, token=token)).data["sessions"]
    return found


async def test_a_password_gives_a_token_for_the_named_organization_only(
    api: Api, database: Database, agency: AnOrganization, somebody: Stranger
) -> None:
    other = await an_agency(database, name="Other")
    ada = await an_account(database, agency, other)

    payload = await somebody.sign_in(ada.email.upper(), PASSWORD, org(other))
    viewer = (await api.ask(VIEWER, token=payload["token"])).data["viewer"]

    assert payload["userErrors"] == []
    assert viewer == {"memberId": encode("mem", ada.members[other.id]), "organization": {"id": org(other)}}


async def test_no_organization_is_guessed_and_nothing_begins_without_one(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    foreign = await an_agency(database)

    unnamed = await somebody.sign_in(ada.email, PASSWORD)
    refused = [await somebody.sign_in(ada.email, PASSWORD, one) for one in (org(foreign), encode("org", new_id()), "x")]

    assert (unnamed["token"], unnamed["sessionId"], unnamed["userErrors"]) == (None, None, [])
    assert unnamed["affiliations"] == [
        {
            "organizationId": org(agency),
            "organizationName": "Agency",
            "memberId": encode("mem", ada.members[agency.id]),
        }
    ]
    assert [(codes(one), one["userErrors"][0]["path"]) for one in refused] == [(["NOT_FOUND"], ["organizationId"])] * 3
    assert await auth.list_sessions(database, settings, ada.user_id) == []


async def test_wrong_unknown_disabled_and_without_a_password_are_told_alike_for_the_same_work(
    database: Database, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    disabled, bare = await an_account(database, agency), await an_account(database, agency)
    async with database.unscoped_system() as session:
        await session.execute(
            text("UPDATE user_account SET disabled_at = clock_timestamp() WHERE id = :i"), {"i": disabled.user_id}
        )
        await session.execute(text("UPDATE user_account SET password_hash = NULL WHERE id = :i"), {"i": bare.user_id})
    tries = {
        "wrong": (ada.email, OTHER),
        "unknown": (f"{new_id().hex}@example.test", PASSWORD),
        "disabled": (disabled.email, PASSWORD),
        "bare": (bare.email, PASSWORD),
        "empty": (bare.email, ""),
        "no address": ("nobody", PASSWORD),
    }

    answers, work = {}, {}
    for name, (email, password) in tries.items():
        before = passwords.WORK.done
        with statements() as seen:
            answers[name] = await somebody.sign_in(email, password, org(agency))
        work[name] = (passwords.WORK.done - before, [re.sub(r"\s+", " ", one) for one in seen])

    assert all(answer == answers["wrong"] for answer in answers.values())
    assert codes(answers["wrong"]) == ["SIGN_IN_REFUSED"]
    assert work["wrong"][0] == 1
    assert len(work["wrong"][1]) == 6  # where it came from, four buckets, the account
    assert all(one == work["wrong"] for one in work.values())


async def test_a_session_acts_for_another_organization_by_a_token_of_its_own(
    api: Api, database: Database, agency: AnOrganization, somebody: Stranger
) -> None:
    other, foreign = await an_agency(database, name="Other"), await an_agency(database)
    ada = await an_account(database, agency, other)
    token = await somebody.token_of(ada, org(agency))

    listed = (await api.ask("{ affiliations { organizationId organizationName } }", token=token)).data["affiliations"]
    made, refused = [
        await somebody.change(
            "sessionTokenCreate", "token affiliation { organizationId }", {"organizationId": one}, token=token
        )
        for one in (org(other), org(foreign))
    ]
    seen = [(await api.ask(VIEWER, token=one)).data["viewer"]["organization"]["id"] for one in (token, made["token"])]

    assert [one["organizationName"] for one in listed] == ["Agency", "Other"]
    assert made["affiliation"] == {"organizationId": org(other)}
    assert seen == [org(agency), org(other)]
    assert (refused["token"], codes(refused)) == (None, ["NOT_FOUND"])
    assert len(await sessions(api, token)) == 1


async def test_a_person_lists_and_revokes_their_own_sessions_and_nobody_elses(
    api: Api, database: Database, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    ben = await an_account(database, agency)
    laptop, phone, bens = [await somebody.token_of(one, org(agency)) for one in (ada, ada, ben)]
    bens_session = (await sessions(api, bens))[0]["id"]
    listed = await sessions(api, laptop)
    other = next(one["id"] for one in listed if not one["isCurrent"])

    foreign, unknown, revoked, again = [
        await somebody.change("sessionRevoke", "sessionId", {"sessionId": one}, token=laptop)
        for one in (bens_session, encode("ses", new_id()), other, other)
    ]
    by_id = [
        (await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": one}, token=laptop)).data["node"]
        for one in (bens_session, next(one["id"] for one in listed if one["isCurrent"]))
    ]

    assert [one["methods"] for one in listed] == [["PASSWORD"], ["PASSWORD"]]
    assert [one["isCurrent"] for one in listed] == [False, True]  # the newest first
    assert [codes(one) for one in (foreign, unknown, again)] == [["NOT_FOUND"]] * 3
    assert revoked == {"sessionId": other, "userErrors": []}
    assert by_id[0] is None
    assert by_id[1] is not None
    assert (await api.ask(VIEWER, token=phone)).codes == ["UNAUTHENTICATED"]
    assert [(await api.ask(VIEWER, token=one)).codes for one in (laptop, bens)] == [[], []]


async def test_signing_out_ends_this_session_or_all_of_them(
    api: Api, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    tokens = [await somebody.token_of(ada, org(agency)) for _ in range(4)]

    one = await somebody.change("sessionEnd", "endedCount", {}, token=tokens[0])
    after_one = [(await api.ask(VIEWER, token=token)).codes for token in tokens]
    all_others = await somebody.change("sessionEnd", "endedCount", {"everywhere": True}, token=tokens[1])
    after_all = [(await api.ask(VIEWER, token=token)).codes for token in tokens]

    assert (one["endedCount"], all_others["endedCount"]) == (1, 3)
    assert after_one == [["UNAUTHENTICATED"], [], [], []]
    assert after_all == [["UNAUTHENTICATED"]] * 4


async def test_no_token_of_a_program_shows_or_changes_how_its_person_signs_in(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, somebody: Stranger
) -> None:
    token = (await a_person(database, settings, agency, agency.root_id, Role.OWNER)).token
    wishes: dict[str, tuple[str, dict[str, Any]]] = {
        "sessionEnd": ("endedCount", {"everywhere": True}),
        "sessionRevoke": ("sessionId", {"sessionId": encode("ses", new_id())}),
        "sessionTokenCreate": ("token", {"organizationId": org(agency)}),
        "passwordChange": ("isChanged", {"currentPassword": PASSWORD, "newPassword": OTHER}),
    }

    refused = [
        codes(await somebody.change(name, selection, input, token=token)) for name, (selection, input) in wishes.items()
    ]
    asked = [await api.ask(one, token=token) for one in (SESSIONS, "{ affiliations { memberId } }")]

    assert refused == [["SESSION_NEEDED"]] * 4
    assert [one.codes for one in asked] == [["BAD_REQUEST"]] * 2
    assert {one.body["errors"][0]["extensions"]["reason"] for one in asked} == {"SESSION_NEEDED"}


async def test_a_password_is_changed_by_who_knows_the_present_one_and_other_sessions_end(
    api: Api, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    here, elsewhere = [await somebody.token_of(ada, org(agency)) for _ in range(2)]

    async def change(current: str, new: str) -> dict[str, Any]:
        wanted = {"currentPassword": current, "newPassword": new}
        return await somebody.change("passwordChange", "isChanged", wanted, token=here)

    wrong, weak, own = await change(OTHER, OTHER), await change(PASSWORD, "short"), await change(PASSWORD, ada.email)
    untouched = await api.ask(VIEWER, token=elsewhere)
    done = await change(PASSWORD, OTHER)
    old, new = [codes(await somebody.sign_in(ada.email, one, org(agency))) for one in (PASSWORD, OTHER)]

    assert [codes(one) for one in (wrong, weak, own)] == [["PASSWORD_WRONG"], ["PASSWORD_UNFIT"], ["PASSWORD_UNFIT"]]
    assert [one["userErrors"][0]["path"] for one in (wrong, weak)] == [["currentPassword"], ["newPassword"]]
    assert untouched.codes == []
    assert (done["isChanged"], old, new) == (True, ["SIGN_IN_REFUSED"], [])
    assert (await api.ask(VIEWER, token=elsewhere)).codes == ["UNAUTHENTICATED"]
    assert (await api.ask(VIEWER, token=here)).codes == []


async def test_guesses_at_the_present_password_are_counted(
    agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    token = await somebody.token_of(ada, org(agency))
    wanted = {"currentPassword": OTHER, "newPassword": "six wet stones rolling"}

    told = [codes(await somebody.change("passwordChange", "isChanged", wanted, token=token)) for _ in range(12)]

    assert told == [["PASSWORD_WRONG"]] * 10 + [["SIGN_IN_TOO_MANY_ATTEMPTS"]] * 2


async def test_an_old_hash_is_made_anew_at_the_next_sign_in(
    database: Database, agency: AnOrganization, ada: AnAccount, somebody: Stranger
) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    keep = text("UPDATE user_account SET password_hash = :h WHERE id = :i RETURNING password_hash")
    read = text("SELECT password_hash FROM user_account WHERE id = :i")
    async with database.unscoped_system() as session:
        await session.execute(keep, {"h": cheap, "i": ada.user_id})

    tokens = [await somebody.token_of(ada, org(agency)) for _ in range(2)]
    async with database.unscoped_system() as session:
        stored = (await session.execute(read, {"i": ada.user_id})).scalar_one()

    assert all(tokens)
    assert passwords.is_outdated(cheap)
    assert not passwords.is_outdated(stored)
