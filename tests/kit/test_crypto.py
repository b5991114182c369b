"""Secrets at rest."""

from __future__ import annotations

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.crypto import KeyRing, KeyRingInvalid, SealBroken, keyed_hash

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
IDENTITY = "page/token/1f/2a"


@given(secret=st.text(), identity=st.text())
def test_what_was_sealed_opens_for_the_same_identity(secret: str, identity: str) -> None:
    ring = KeyRing.parse(OLD)

    assert ring.open(ring.seal(secret, identity), identity) == secret


def test_the_same_secret_never_looks_the_same_and_is_not_readable() -> None:
    ring = KeyRing.parse(OLD)

    first, second = ring.seal("canary", IDENTITY), ring.seal("canary", IDENTITY)

    assert first != second
    assert b"canary" not in first


@given(mine=st.text(), other=st.text())
def test_a_value_copied_into_another_row_does_not_open(mine: str, other: str) -> None:
    ring = KeyRing.parse(OLD)
    if mine == other:
        return

    with pytest.raises(SealBroken):
        ring.open(ring.seal("canary", mine), other)


def test_every_changed_byte_is_noticed() -> None:
    ring = KeyRing.parse(f"{NEW},{OLD}")
    sealed = ring.seal("canary", IDENTITY)

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            ring.open(bytes(changed), IDENTITY)


def test_every_truncation_is_noticed() -> None:
    ring = KeyRing.parse(OLD)
    sealed = ring.seal("canary", IDENTITY)

    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            ring.open(sealed[:length], IDENTITY)


@given(noise=st.binary(max_size=80))
def test_noise_does_not_open(noise: bytes) -> None:
    with pytest.raises(SealBroken):
        KeyRing.parse(OLD).open(noise, IDENTITY)


def test_a_rotation_opens_old_values_and_seals_with_the_new_key() -> None:
    before, during, after = KeyRing.parse(OLD), KeyRing.parse(f"{NEW},{OLD}"), KeyRing.parse(NEW)
    sealed = before.seal("canary", IDENTITY)

    opened = during.open(sealed, IDENTITY)
    again = during.seal(opened, IDENTITY)

    assert opened == "canary"
    assert not during.is_current(sealed)
    assert during.is_current(again)
    assert after.open(again, IDENTITY) == "canary"
    with pytest.raises(SealBroken, match="not in the ring"):
        after.open(sealed, IDENTITY)


def test_another_key_under_the_same_name_does_not_open() -> None:
    sealed = KeyRing.parse(OLD).seal("canary", IDENTITY)
    wrong = KeyRing.parse("old:" + base64.b64encode(b"w" * 32).decode())

    with pytest.raises(SealBroken):
        wrong.open(sealed, IDENTITY)


CANARY = base64.b64encode(b"canary-canary-canary-canary-cana").decode()


@pytest.mark.parametrize(
    ("_case", "text"),
    [
        ("empty", ""),
        ("only commas", " , ,"),
        ("no name", f":{CANARY}"),
        ("no mark", CANARY),
        ("not base64", f"one:{CANARY}!"),
        ("not ASCII", f"one:{CANARY}ä"),
        ("a short key", f"one:{CANARY[:-4]}"),
        ("a long key", f"one:{CANARY[:-4]}{CANARY}"),
        ("one name twice", f"one:{CANARY},one:{CANARY}"),
        ("a long name", f"{'n' * 32}:{CANARY}"),
        ("a name that is not ASCII", f"ключ:{CANARY}"),
        ("the second is broken", f"one:{CANARY},two:{CANARY}="),
    ],
)
def test_a_ring_that_cannot_be_used_is_refused_without_printing_a_key(_case: str, text: str) -> None:
    with pytest.raises(KeyRingInvalid) as refused:
        KeyRing.parse(text)

    shown = "".join(traceback.format_exception(refused.value))
    assert CANARY[:8] not in shown
    assert "canary-canary" not in shown


def test_a_ring_never_shows_its_keys() -> None:
    ring = KeyRing.parse(f"one:{CANARY}")

    assert "canary" not in repr(ring) + str(ring)


def test_a_keyed_hash_needs_the_pepper() -> None:
    assert keyed_hash("pepper", "token") == keyed_hash("pepper", "token")
    assert keyed_hash("pepper", "token") != keyed_hash("salt", "token")
    assert keyed_hash("pepper", "token") != keyed_hash("pepper", "Token")
