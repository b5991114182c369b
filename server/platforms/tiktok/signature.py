"""Signatures of TikTok's webhooks: pure, constant in time, closed by default (platforms.md 6.4)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from server.platforms.port import SignatureInvalid
from server.platforms.wire.signing import insist

HEADER = "tiktok-signature"
TOLERANCE_S = 300
"""How far the signed time may be from ours, either way. TikTok's sample takes 5 s, most implementations 300 s: a proxy that
queues, a clock that drifts or a retry that keeps its first signature would lose messages with 5 s, while a replay within 300 s
harms nobody, as the key of an event makes a second delivery harmless."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST_HEADER = 512


def sign(body: bytes, secret: str, at_s: int) -> str:
    """Return the header value that TikTok sends with this body at this time."""
    return f"t={at_s},s={_digest(body, secret, str(at_s))}"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float) -> None:
    """Check Tiktok-Signature over time and raw bytes with each secret; raise SignatureInvalid.

    All secrets are tried, so that the time does not tell which one fits. Without a secret everything is refused.
    """
    at, given = _parts(headers.get(HEADER, ""))
    insist(given, secrets, lambda secret: _digest(body, secret, at))
    if abs(now_s - int(at)) > TOLERANCE_S:
        raise SignatureInvalid(f"the signature is more than {TOLERANCE_S} s from now")


def _parts(header: str) -> tuple[str, str]:
    pairs = [part.strip().partition("=") for part in header[:_LONGEST_HEADER].split(",")]
    named = {name: value for name, _, value in pairs}
    at, given = named.get("t", ""), named.get("s", "")
    if len(named) != len(pairs) or not _SECONDS.fullmatch(at) or not _DIGEST.fullmatch(given):
        raise SignatureInvalid("the header is missing or not of the form t=<seconds>,s=<64 hex digits>")
    return at, given


def _digest(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
