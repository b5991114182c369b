"""Who may speak to us: the corpus of forged signatures (G39) and the handshake."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from server.platforms.meta.signature import sign
from server.platforms.port import Handshake, SignatureInvalid
from tests.platforms.factory import SECRET, VERIFY_TOKEN, a_connector

BODY = b'{"object":"page","entry":[{"text":"\\u00fc"}]}'
HEADER = "x-hub-signature-256"
GOOD = sign(BODY, SECRET)
SHA1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

FORGED = [
    ("no header", {}, BODY),
    ("empty header", {HEADER: ""}, BODY),
    ("no digest", {HEADER: "sha256="}, BODY),
    ("short digest", {HEADER: GOOD[:-1]}, BODY),
    ("long digest", {HEADER: GOOD + "0"}, BODY),
    ("upper case", {HEADER: GOOD.upper()}, BODY),
    ("trailing newline", {HEADER: GOOD + "\n"}, BODY),
    ("leading space", {HEADER: " " + GOOD}, BODY),
    ("bare digest", {HEADER: GOOD.removeprefix("sha256=")}, BODY),
    ("wrong digest", {HEADER: "sha256=" + "0" * 64}, BODY),
    ("another secret", {HEADER: sign(BODY, "another-secret")}, BODY),
    ("an empty secret", {HEADER: sign(BODY, "")}, BODY),
    ("one byte changed", {HEADER: GOOD}, BODY.replace(b"page", b"pagf")),
    ("second body appended", {HEADER: GOOD}, BODY + BODY),
    ("empty body", {HEADER: GOOD}, b""),
    ("sha1 header only", {"x-hub-signature": SHA1}, BODY),
    ("sha1 in our header", {HEADER: SHA1}, BODY),
    ("non-ASCII", {HEADER: "sha256=" + "ü" * 64}, BODY),
    ("full-width digits", {HEADER: "sha256=" + "０" * 64}, BODY),
    ("two values", {HEADER: f"{GOOD}, {GOOD}"}, BODY),
]


@pytest.mark.parametrize(("_case", "headers", "body"), FORGED, ids=[case[0] for case in FORGED])
def test_a_forged_body_is_refused(_case: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        a_connector().verify(headers, body)


def test_a_signed_body_is_accepted() -> None:
    a_connector().verify({HEADER: GOOD}, BODY)


def test_an_older_secret_still_verifies_while_it_is_being_changed() -> None:
    connector = a_connector(secret=f"new-secret, {SECRET}")

    connector.verify({HEADER: GOOD}, BODY)
    connector.verify({HEADER: sign(BODY, "new-secret")}, BODY)
    with pytest.raises(SignatureInvalid):
        connector.verify({HEADER: sign(BODY, "third")}, BODY)


def test_without_a_secret_everything_is_refused() -> None:
    for secret in ("", ","):
        with pytest.raises(SignatureInvalid):
            a_connector(secret=secret).verify({HEADER: sign(BODY, "")}, BODY)


HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
REFUSED = [
    ("wrong token", {"hub.verify_token": "wrong"}),
    ("non-ASCII token", {"hub.verify_token": "ü"}),
    ("half a surrogate pair", {"hub.verify_token": "\ud800"}),
    ("empty token", {"hub.verify_token": ""}),
    ("another mode", {"hub.mode": "unsubscribe"}),
    ("markup as a challenge", {"hub.challenge": "<script>"}),
    ("no challenge", {"hub.challenge": ""}),
    ("a challenge without end", {"hub.challenge": "1" * 10_000}),
]


def test_the_handshake_echoes_the_challenge() -> None:
    assert a_connector().answer_handshake(HANDSHAKE) == Handshake("1158201444")


@pytest.mark.parametrize(("_case", "changed"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_wrong_handshake_is_refused(_case: str, changed: dict[str, str]) -> None:
    assert a_connector().answer_handshake(HANDSHAKE | changed) is None
    assert a_connector().answer_handshake({}) is None
