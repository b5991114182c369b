"""Challenges and signatures: the documented form alone is accepted, and the other one is told of."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging

import pytest

from server.platforms.port import SignatureInvalid
from tests.platforms.contract.linkedin import SECRET
from tests.platforms.linkedin.factory import a_body, a_connector, a_notification

CODE = "890e4665-4dfe-4ab1-b689-ed553bceeed0"


def digest(content: bytes, secret: str = SECRET) -> str:
    """Computed here, not by the code under test."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def test_a_challenge_is_answered_with_its_code_and_its_digest_as_json() -> None:
    for query in ({"challengeCode": CODE}, {"challengeCode": CODE, "applicationId": "urn:li:developerApplication:7"}):
        answer = a_connector().answer_handshake(query)

        assert answer is not None
        assert answer.media_type == "application/json"
        assert json.loads(answer.body) == {"challengeCode": CODE, "challengeResponse": digest(CODE.encode())}


def test_what_is_no_challenge_is_not_answered() -> None:
    for query in ({}, {"challengeCode": ""}, {"challengeCode": "<b>"}, {"challengeCode": "x" * 200}, {"other": CODE}):
        assert a_connector().answer_handshake(query) is None
    assert a_connector(LINKEDIN_CLIENT_SECRET="").answer_handshake({"challengeCode": CODE}) is None


def test_a_challenge_cannot_be_used_to_get_a_body_signed() -> None:
    body = a_body(a_notification("COMMENT"))
    for code in ("hmacsha256=" + body.decode(), "hmacsha256={}", "hmacsha256="):
        assert a_connector().answer_handshake({"challengeCode": code}) is None


def test_the_digest_over_prefix_and_body_is_accepted_with_each_secret_in_use() -> None:
    body = a_body(a_notification("COMMENT"))
    connector = a_connector(LINKEDIN_CLIENT_SECRET="new,old")

    for secret in ("new", "old"):
        connector.verify({"x-li-signature": digest(b"hmacsha256=" + body, secret)}, body)
    with pytest.raises(SignatureInvalid):
        connector.verify({"x-li-signature": digest(b"hmacsha256=" + body, "older")}, body)


@pytest.mark.parametrize("prefix", ["", "hmacsha256="])
def test_the_other_form_is_refused_and_told_of(caplog: pytest.LogCaptureFixture, prefix: str) -> None:
    body = a_body(a_notification("COMMENT"))

    with caplog.at_level(logging.WARNING), pytest.raises(SignatureInvalid):
        a_connector().verify({"x-li-signature": prefix + digest(body)}, body)

    assert "undocumented form" in caplog.text
    assert SECRET not in caplog.text


def test_a_plain_forgery_is_refused_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    body = a_body(a_notification("COMMENT"))

    for value in ("", "0" * 64, digest(b"hmacsha256=" + body).upper(), "hmacsha256=" + digest(b"hmacsha256=" + body)):
        with pytest.raises(SignatureInvalid):
            a_connector().verify({"x-li-signature": value}, body)

    assert caplog.text == ""


def test_without_a_secret_every_body_is_refused() -> None:
    body = a_body(a_notification("COMMENT"))

    with pytest.raises(SignatureInvalid):
        a_connector(LINKEDIN_CLIENT_SECRET="").verify({"x-li-signature": digest(b"hmacsha256=" + body, "")}, body)
