"""Passkeys: keys of one person for this host, whose signature is good once, in one browser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from server.auth.errors import PasskeyRefused, ProofNeeded, TooManyPasskeys
from server.auth.factor_models import UserPasskeyRow
from server.auth.service import factors
from server.auth.service.factors import Answer, Holder, Person
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, Problems
from server.kit.ids import new_id
from tests.factories.accounts import PASSWORD, AnAccount, an_account
from tests.factories.authenticator import Authenticator, Way
from tests.factories.factors import a_fresh_person, a_network, turn_old
from tests.schema.strangers import production_of

PUBLIC = "https://switchboard.test"
OURS = Way(PUBLIC)


@dataclass(slots=True)
class Desk:
    """Somebody at a browser of their own, with an authenticator."""

    database: Database
    settings: Settings
    account: AnAccount
    person: Person
    device: Authenticator = field(default_factory=Authenticator)
    browser: str = field(default_factory=lambda: new_id().hex)

    async def begin(self, password: str | None = None) -> dict[str, Any]:
        """Ask for the options of a new passkey."""
        holder = Holder(self.person, self.account.email, self.account.name)
        told = await factors.registration_options(self.database, self.settings, holder, self.browser, password)
        options: dict[str, Any] = json.loads(told)
        return options

    async def keep(self, credential: dict[str, Any], name: str = "Laptop") -> UserPasskeyRow:
        """Hand a new passkey in."""
        answer = Answer(credential, self.browser)
        return await factors.register_passkey(self.database, self.settings, self.person, answer, name)

    async def register(self, way: Way = OURS) -> UserPasskeyRow:
        """Make a passkey."""
        return await self.keep(self.device.create(await self.begin(), way))

    async def challenge(self) -> dict[str, Any]:
        """Ask for the options of a sign-in."""
        told = await factors.sign_in_options(self.database, self.settings, a_network(), self.browser)
        options: dict[str, Any] = json.loads(told)
        return options

    async def show(self, credential: dict[str, Any]) -> object:
        """Hand a signature in; return whose it is."""
        return await factors.show_passkey(self.database, self.settings, a_network(), Answer(credential, self.browser))

    async def sign_in(self, way: Way = OURS) -> object:
        """Sign in with the first passkey of the device."""
        return await self.show(self.device.get(await self.challenge(), way))


async def a_desk(database: Database, settings: Settings, name: str = "Ada") -> Desk:
    """Make somebody who signed in just now."""
    account = await an_account(database, name=name)
    told = production_of(settings, public_url=PUBLIC)
    return Desk(database, told, account, await a_fresh_person(database, told, account))


@pytest.fixture
async def desk(database: Database, settings: Settings) -> Desk:
    """Somebody with a device."""
    return await a_desk(database, settings)


async def test_a_passkey_signs_its_person_in_again_and_again(desk: Desk) -> None:
    row = await desk.register()

    assert [await desk.sign_in(), await desk.sign_in()] == [desk.account.user_id] * 2
    (kept,) = await factors.list_passkeys(desk.database, desk.account.user_id)
    assert (kept.id, kept.name, kept.sign_count) == (row.id, "Laptop", 2)
    assert kept.transports == ["hybrid", "internal"]
    assert kept.last_used_at is not None


async def test_the_options_ask_for_a_key_that_knows_its_owner_and_name_none_to_a_stranger(desk: Desk) -> None:
    created, asked = await desk.begin(), await desk.challenge()
    await desk.register()
    again, after = await desk.begin(), await desk.challenge()

    assert created["rp"] == {"id": "switchboard.test", "name": "Switchboard"}
    assert created["authenticatorSelection"]["residentKey"] == "required"
    assert created["authenticatorSelection"]["userVerification"] == "required"
    assert created["attestation"] == "none"
    assert (len(created["excludeCredentials"]), len(again["excludeCredentials"])) == (0, 1)
    assert (asked["userVerification"], asked["rpId"]) == ("required", "switchboard.test")
    assert (asked["allowCredentials"], after["allowCredentials"]) == ([], [])
    assert len({one["challenge"] for one in (created, asked, again, after)}) == 4


_WRONG_WAYS = [
    replace(OURS, origin="https://evil.test"),
    replace(OURS, origin="http://switchboard.test"),
    replace(OURS, origin="https://switchboard.test:8443"),
    replace(OURS, origin="https://switchboard.test.evil.test"),
    replace(OURS, rp_id="evil.test"),
    replace(OURS, kind="webauthn.other"),
    replace(OURS, challenge="AAAA"),
    replace(OURS, is_present=False),
    replace(OURS, is_verified=False),
    replace(OURS, is_cross_origin=True),
]


@pytest.mark.parametrize("way", _WRONG_WAYS)
async def test_a_new_key_that_was_made_in_another_way_is_refused(desk: Desk, way: Way) -> None:
    with pytest.raises(PasskeyRefused):
        await desk.register(way)

    assert await factors.list_passkeys(desk.database, desk.account.user_id) == []


@pytest.mark.parametrize(
    "way",
    [
        *_WRONG_WAYS,
        replace(OURS, kind="webauthn.create"),
        replace(OURS, user_handle=b""),
        replace(OURS, user_handle=new_id().bytes),
        replace(OURS, signs_with=ec.generate_private_key(ec.SECP256R1())),
    ],
)
async def test_a_signature_that_was_made_in_another_way_is_refused(desk: Desk, way: Way) -> None:
    await desk.register()

    with pytest.raises(PasskeyRefused):
        await desk.sign_in(way)

    assert await desk.sign_in() == desk.account.user_id


@pytest.mark.parametrize(
    "attestation",
    [
        {"fmt": "fido-u2f", "attStmt": {"sig": b"x", "x5c": [b"x"]}},
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x", "x5c": [b"x"]}},
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x"}},
        {"fmt": "tpm", "attStmt": {}},
        {"fmt": "smoke", "attStmt": {}},
        {"fmt": "none", "attStmt": {"sig": b"x"}},
    ],
)
async def test_the_word_of_a_maker_is_not_taken(desk: Desk, attestation: dict[str, Any]) -> None:
    with pytest.raises(PasskeyRefused):
        await desk.register(replace(OURS, attestation=attestation))


async def test_a_challenge_is_good_once(desk: Desk) -> None:
    options = await desk.begin()
    await desk.keep(desk.device.create(options, OURS))
    asked = await desk.challenge()
    await desk.show(desk.device.get(asked, OURS))

    with pytest.raises(PasskeyRefused):
        await desk.keep(desk.device.create(options, OURS))
    with pytest.raises(PasskeyRefused):
        await desk.show(desk.device.get(asked, OURS))


async def test_a_challenge_is_used_up_by_a_signature_that_does_not_fit(desk: Desk) -> None:
    await desk.register()
    asked = await desk.challenge()
    with pytest.raises(PasskeyRefused):
        await desk.show(desk.device.get(asked, replace(OURS, is_verified=False)))

    with pytest.raises(PasskeyRefused):
        await desk.show(desk.device.get(asked, OURS))


async def test_of_many_who_hand_the_same_signature_in_at_once_one_gets_in(desk: Desk) -> None:
    await desk.register()
    signed = desk.device.get(await desk.challenge(), OURS)

    got = await asyncio.gather(*(desk.show(signed) for _ in range(5)), return_exceptions=True)

    assert sum(one == desk.account.user_id for one in got) == 1
    assert sum(isinstance(one, PasskeyRefused) for one in got) == 4


async def test_a_challenge_of_one_browser_purpose_or_person_is_none_of_another(
    database: Database, settings: Settings, desk: Desk
) -> None:
    eve = await a_desk(database, settings, "Eve")
    await desk.register()
    asked, options = await desk.challenge(), await desk.begin()

    with pytest.raises(PasskeyRefused):
        await factors.show_passkey(
            database, desk.settings, a_network(), Answer(desk.device.get(asked, OURS), eve.browser)
        )
    with pytest.raises(PasskeyRefused):
        await desk.show(desk.device.get(options, OURS))
    with pytest.raises(PasskeyRefused):
        await desk.keep(desk.device.create(options | {"challenge": asked["challenge"]}, OURS))
    eve.browser = desk.browser
    with pytest.raises(PasskeyRefused):
        await eve.keep(eve.device.create(options, OURS))


async def test_a_challenge_is_over_after_five_minutes(desk: Desk) -> None:
    await desk.register()
    asked = await desk.challenge()
    async with desk.database.unscoped_system() as session:
        late = "UPDATE sign_in_challenge SET expires_at = expires_at - interval '5 minutes' WHERE used_at IS NULL"
        await session.execute(text(late))

    with pytest.raises(PasskeyRefused):
        await desk.show(desk.device.get(asked, OURS))


async def test_a_count_that_goes_back_is_refused_and_logged(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    row = await desk.register()
    await desk.sign_in()
    thief = desk.device.copied()
    await desk.sign_in()
    capsys.readouterr()

    with pytest.raises(PasskeyRefused):
        await desk.show(thief.get(await desk.challenge(), OURS))

    lines = [one for one in capsys.readouterr().out.splitlines() if "passkey.count_not_grown" in one]
    assert len(lines) == 1
    assert str(row.id) in lines[0]
    assert await desk.sign_in() == desk.account.user_id


async def test_a_device_that_does_not_count_is_welcome_until_it_has_counted(desk: Desk) -> None:
    desk.device.counts = False
    await desk.register()

    assert [await desk.sign_in(), await desk.sign_in()] == [desk.account.user_id] * 2
    await desk.sign_in(replace(OURS, count=7))
    with pytest.raises(PasskeyRefused):
        await desk.sign_in(replace(OURS, count=0))


async def test_nobody_keeps_the_passkey_of_somebody_else(database: Database, settings: Settings, desk: Desk) -> None:
    eve = await a_desk(database, settings, "Eve")
    await desk.register()
    stolen = replace(OURS, credential_id=desk.device.keys[0].credential_id)

    with pytest.raises(PasskeyRefused):
        await eve.register(stolen)

    assert await factors.list_passkeys(database, eve.account.user_id) == []
    assert await desk.sign_in() == desk.account.user_id


async def test_a_key_that_we_do_not_know_signs_nobody_in(desk: Desk) -> None:
    desk.device.create(await desk.begin(), OURS)

    with pytest.raises(PasskeyRefused):
        await desk.sign_in()


@pytest.mark.parametrize("place", ["id", "rawId", "type", "response"])
@pytest.mark.parametrize("value", [None, "", "AAAA", "\0", 4711, [], {}, {"clientDataJSON": "W1tb"}, "é"])
async def test_what_is_no_credential_is_refused(desk: Desk, place: str, value: object) -> None:
    await desk.register()
    signed = desk.device.get(await desk.challenge(), OURS)
    made = desk.device.create(await desk.begin(), OURS)

    with pytest.raises(PasskeyRefused):
        await desk.show(signed | {place: value})
    with pytest.raises(PasskeyRefused):
        await desk.keep(made | {place: value})


@pytest.mark.parametrize("value", [None, "", "AAAA", "\0", 4711, [], "é", "W1tb" * 9000, "gg" * 9000])
async def test_what_is_no_response_is_refused(desk: Desk, value: object) -> None:
    await desk.register()
    for part in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        signed = desk.device.get(await desk.challenge(), OURS)
        signed["response"][part] = value
        with pytest.raises(PasskeyRefused):
            await desk.show(signed)
    for part in ("clientDataJSON", "attestationObject"):
        made = desk.device.create(await desk.begin(), OURS)
        made["response"][part] = value
        with pytest.raises(PasskeyRefused):
            await desk.keep(made)


async def test_a_new_passkey_needs_a_recent_proof(desk: Desk) -> None:
    await turn_old(desk.database, desk.person.session_id)

    with pytest.raises(ProofNeeded):
        await desk.begin()
    kept = await desk.keep(desk.device.create(await desk.begin(PASSWORD), OURS))

    assert await desk.sign_in() == kept.user_id


async def test_there_are_at_most_twenty(desk: Desk) -> None:
    early = await desk.begin()
    for _ in range(20):
        await desk.register()

    with pytest.raises(TooManyPasskeys):
        await desk.begin()
    with pytest.raises(TooManyPasskeys):
        await desk.keep(desk.device.create(early, OURS))


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 201, "a\nb"])
async def test_a_passkey_has_a_name_that_can_be_read(desk: Desk, name: str) -> None:
    with pytest.raises(Problems):
        await desk.keep(desk.device.create(await desk.begin(), OURS), name)
    row = await desk.register()
    with pytest.raises(Problems):
        await factors.rename_passkey(desk.database, desk.account.user_id, row.id, name)


async def test_people_rename_and_delete_their_own_and_no_others(
    database: Database, settings: Settings, desk: Desk
) -> None:
    eve = await a_desk(database, settings, "Eve")
    row = await desk.register()

    for passkey_id in (row.id, new_id()):
        with pytest.raises(NotFound):
            await factors.rename_passkey(database, eve.account.user_id, passkey_id, "Mine")
        with pytest.raises(NotFound):
            await factors.delete_passkey(database, eve.settings, eve.person, passkey_id, None)
    renamed = await factors.rename_passkey(database, desk.account.user_id, row.id, "Phone")
    await factors.delete_passkey(database, desk.settings, desk.person, row.id, None)

    assert renamed.name == "Phone"
    with pytest.raises(PasskeyRefused):
        await desk.sign_in()
