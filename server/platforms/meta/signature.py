"""Signatures and handshakes of Meta's webhooks: pure, constant in time, closed by default."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from server.platforms.port import Handshake, SignatureInvalid
from server.platforms.wire.signing import insist

HEADER = "x-hub-signature-256"
_FORM = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)
# The challenge goes back to whoever asks, so only what cannot be markup is echoed (Meta sends digits).
_CHALLENGE = re.compile(r"[A-Za-z0-9_.~=+/-]{1,512}", re.ASCII)


def sign(body: bytes, secret: str) -> str:
    """Return the header value that Meta sends with this body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check X-Hub-Signature-256 over the raw bytes with each secret; raise SignatureInvalid.

    All secrets are tried, so that the time does not tell which one fits. Without a secret everything is refused:
    an empty key would be one that everybody knows.
    """
    given = headers.get(HEADER, "")
    if not _FORM.fullmatch(given):
        raise SignatureInvalid("the header is missing or not of the form sha256=<64 hex digits>")
    insist(given, secrets, lambda secret: sign(body, secret))


def answer_handshake(query: Mapping[str, str], verify_token: str) -> Handshake | None:
    """Return the challenge if the verify token is ours, else None. Without a configured token nobody is answered."""
    given = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
    fits = hmac.compare_digest(given, verify_token.encode("utf-8", "surrogatepass"))
    challenge = query.get("hub.challenge", "")
    if not (verify_token and fits and query.get("hub.mode") == "subscribe" and _CHALLENGE.fullmatch(challenge)):
        return None
    return Handshake(challenge)
