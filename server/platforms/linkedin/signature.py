"""Signatures and challenges of LinkedIn's webhooks: pure, constant in time, closed by default (platforms.md 5.4)."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Mapping, Sequence

import orjson

from server.platforms.port import Handshake, SignatureInvalid
from server.platforms.wire.signing import insist

HEADER = "x-li-signature"
_SIGNED_WITH = b"hmacsha256="
_FORM = re.compile(r"[0-9a-f]{64}", re.ASCII)
# Documented as a UUID. Whoever asks gets a digest made with our secret, so a code must never be able to begin like the
# text that signatures are made over: it has no "=".
_CODE = re.compile(r"[0-9A-Za-z-]{1,128}", re.ASCII)
_log = logging.getLogger(__name__)


def sign(body: bytes, secret: str) -> str:
    """Return the header value that LinkedIn sends with this body: the digest alone, over the prefix and the body."""
    return _digest(_SIGNED_WITH + body, secret)


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check X-LI-Signature over the raw bytes with each secret; raise SignatureInvalid.

    Of the two forms that sources tell of only that of Microsoft Learn is taken (platforms.md 5.4 and 9). A body that is
    signed in the other one is refused too, but logged, since it would mean that the documentation is wrong.
    """
    given = headers.get(HEADER, "")
    if not _FORM.fullmatch(given):
        _tell_of_the_other_form(given.removeprefix(_SIGNED_WITH.decode()), body, secrets)
        raise SignatureInvalid("the header is missing or not of the form <64 hex digits>")
    try:
        insist(given, secrets, lambda secret: sign(body, secret))
    except SignatureInvalid:
        _tell_of_the_other_form(given, body, secrets)
        raise


def answer_challenge(query: Mapping[str, str], secret: str) -> Handshake | None:
    """Return the answer to a validation of our callback: the code and its digest; None without a code or a secret."""
    code = query.get("challengeCode", "")
    if not secret or not _CODE.fullmatch(code):
        return None
    answer = {"challengeCode": code, "challengeResponse": _digest(code.encode(), secret)}
    return Handshake(orjson.dumps(answer).decode(), "application/json")


def _tell_of_the_other_form(given: str, body: bytes, secrets: Sequence[str]) -> None:
    if not _FORM.fullmatch(given):
        return
    if any(secret and hmac.compare_digest(_digest(body, secret).encode(), given.encode()) for secret in secrets):
        _log.warning("a LinkedIn webhook was refused that is signed over the body alone, the undocumented form")


def _digest(content: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
