"""Links to media that answer without a bearer token until they expire: for platforms that fetch, and for browsers.

A link names the file, its organization and the end of its life, signed with HMAC-SHA256 under a key of its own; nothing is
stored, and nobody can make one or move its end.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from server.kit.crypto import keyed_hash

PATH = "/media/"
_PURPOSE = "media-link:1:"
_BODY_BYTES = 37
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class MediaLink:
    """What a link says."""

    organization_id: UUID
    file_id: UUID
    expires_at: datetime


def write(pepper: str, link: MediaLink) -> str:
    """Return the token of a link: 92 letters of base64url."""
    seconds = int(link.expires_at.timestamp())
    body = link.organization_id.bytes + link.file_id.bytes + seconds.to_bytes(5)
    return base64.urlsafe_b64encode(body + _signature(pepper, body)).decode().rstrip("=")


def read(pepper: str, token: str, now: datetime) -> MediaLink | None:
    """Read a token back; None for a forged, malformed or expired one, which are told apart by nobody."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _BODY_BYTES + _SIGNATURE_BYTES:
        return None
    body, signature = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    if not hmac.compare_digest(signature, _signature(pepper, body)):
        return None
    expires_at = datetime.fromtimestamp(int.from_bytes(body[32:]), UTC)
    return MediaLink(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), expires_at) if now < expires_at else None


def _signature(pepper: str, body: bytes) -> bytes:
    return keyed_hash(pepper, _PURPOSE + body.hex())
