"""Signatures and the CRC handshake of X's webhooks: pure, constant in time, closed by default (platforms.md 4.5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

import orjson

from server.platforms.port import Handshake, SignatureInvalid
from server.platforms.wire.signing import insist

HEADER = "x-twitter-webhooks-signature"
_FORM = re.compile(r"sha256=[A-Za-z0-9+/]{43}=", re.ASCII)
# A CRC is signed with the key of the bodies, so what could be a body must never be signed: no brace, no bracket.
_TOKEN = re.compile(r"[A-Za-z0-9_.~=+/ -]{1,512}", re.ASCII)


def sign(content: bytes, secret: str) -> str:
    """Return `sha256=` and the base64 of the digest, as X writes it for bodies and for CRC tokens."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check x-twitter-webhooks-signature over the raw bytes with each secret; raise SignatureInvalid.

    All secrets are tried, so that the time does not tell which one fits. Without a secret everything is refused.
    """
    given = headers.get(HEADER, "")
    if not _FORM.fullmatch(given):
        raise SignatureInvalid("the header is missing or not of the form sha256=<base64 of 32 bytes>")
    insist(given, secrets, lambda secret: sign(body, secret))


def answer_handshake(query: Mapping[str, str], secrets: Sequence[str]) -> Handshake | None:
    """Return the answer to a CRC, made with our present secret; None without a fitting token or without a secret."""
    token = query.get("crc_token", "")
    if not _TOKEN.fullmatch(token) or not secrets or not secrets[0]:
        return None
    answer = {"response_token": sign(token.encode(), secrets[0])}
    return Handshake(orjson.dumps(answer).decode(), "application/json")
