"""Signatures in base64 over the raw bytes, and the CRC handshake (platforms.md 4.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from server.platforms.port import SignatureInvalid
from tests.platforms.x.bodies import a_message, older
from tests.platforms.x.factory import APP, a_connector

BODY = older("direct_message_events", a_message())


def signature(content: bytes, secret: str = APP["consumer_secret"]) -> str:
    """What X would write, computed here."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def verify(given: str | None, body: bytes = BODY, **settings: str) -> None:
    """Verify a body with this header."""
    headers = {} if given is None else {"x-twitter-webhooks-signature": given}
    a_connector(**settings).verify(headers, body)


def test_a_signature_over_the_raw_bytes_is_accepted() -> None:
    verify(signature(BODY))


def test_the_older_secret_still_verifies_while_it_is_changed() -> None:
    verify(signature(BODY, "before"), X_CONSUMER_SECRET="now, before")


DIGEST = hmac.new(APP["consumer_secret"].encode(), BODY, hashlib.sha256)
FORGED = [
    ("none", None),
    ("empty", ""),
    ("hex", "sha256=" + DIGEST.hexdigest()),
    ("no prefix", base64.b64encode(DIGEST.digest()).decode()),
    ("other secret", signature(BODY, "other")),
    ("no secret", signature(BODY, "")),
    ("other body", signature(BODY + b" ")),
    ("other algorithm", "sha1=" + base64.b64encode(DIGEST.digest()).decode()),
    ("a space behind", signature(BODY) + " "),
    ("a line behind", signature(BODY) + "\n"),
    ("another alphabet", "sha256=" + "é" * 43 + "="),
]


@pytest.mark.parametrize(("_case", "given"), FORGED, ids=[case[0] for case in FORGED])
def test_a_forged_signature_is_refused(_case: str, given: str | None) -> None:
    with pytest.raises(SignatureInvalid):
        verify(given)


def test_without_a_secret_everything_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify(signature(BODY, ""), X_CONSUMER_SECRET="")
    assert a_connector(X_CONSUMER_SECRET="").answer_handshake({"crc_token": "t"}) is None


def test_a_crc_is_answered_in_json_with_the_signed_token() -> None:
    shaken = a_connector().answer_handshake({"crc_token": "MTRiM2I4YzQt_x", "nonce": "n"})

    assert shaken is not None
    assert shaken.media_type == "application/json"
    assert json.loads(shaken.body) == {"response_token": signature(b"MTRiM2I4YzQt_x")}


@pytest.mark.parametrize("token", ["", "x" * 513, BODY.decode(), "[]", '{"for_user_id":"1"}', "é", "a\nb"])
def test_nothing_that_could_be_a_body_is_signed_for_a_stranger(token: str) -> None:
    assert a_connector().answer_handshake({"crc_token": token}) is None
