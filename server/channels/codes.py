"""The two one-time codes of connecting: the `state` that travels through the platform, and the completion code.

Both are found by a keyed hash and never stored. The organization stands in the state in clear, so that the row is looked
up inside its tenant's wall; the secret part alone opens it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from uuid import UUID

from server.channels.models import CallbackKind
from server.kit.crypto import KeyRing, keyed_hash
from server.kit.ids import MalformedId, decode_as, encode
from server.platforms.port import Channel, SignedCallback

_STATE = re.compile(r"swc_([0-9a-z]{26})_[0-9A-Za-z_-]{43}", re.ASCII)
_CONFIRMATION = re.compile(r"[0-9a-f]{40}", re.ASCII)
_MAX_COMPLETION = 100


def make_state(organization_id: UUID) -> str:
    """Make a state with 256 random bits."""
    return f"swc_{encode('o', organization_id)[2:]}_{secrets.token_urlsafe(32)}"


def organization_of(state: str) -> UUID | None:
    """Return the organization that a state names; None for anything that `make_state` would not write."""
    match = _STATE.fullmatch(state)
    if match is None:
        return None
    try:
        return decode_as("o", f"o_{match[1]}")
    except MalformedId:
        return None


def make_completion() -> str:
    """Make a completion code with 256 random bits."""
    return secrets.token_urlsafe(32)


def make_verifier() -> str:
    """Make a PKCE verifier: 86 unreserved characters, 512 random bits (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(64)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def confirmation_of(keys: KeyRing, channel: Channel, kind: CallbackKind, callback: SignedCallback) -> str:
    """Return the code of a callback's status page: the same for each delivery, and not to be guessed."""
    issued = callback.issued_at.isoformat() if callback.issued_at else ""
    told = f"{channel.value}:{kind.value}:{callback.person_external_id}:{issued}"
    return hash_of(keys, CONFIRMATION_CODE, told).hex()[:40]


def is_confirmation(code: str) -> bool:
    """Say whether a text looks like a confirmation code."""
    return _CONFIRMATION.fullmatch(code) is not None


def hash_of(keys: KeyRing, purpose: str, code: str) -> bytes:
    """Return the hash under which a code is stored: keyed with the first key of the ring."""
    return _hash(keys.keys[0][1], purpose, code)


def hashes_of(keys: KeyRing, purpose: str, code: str) -> list[bytes]:
    """Return the hashes under which a code may have been stored, one for each key of the ring."""
    return [_hash(key, purpose, code) for _, key in keys.keys]


def is_completion(keys: KeyRing, code: str, stored: bytes | None) -> bool:
    """Compare a completion code with its stored hash, in constant time."""
    if stored is None or len(code) > _MAX_COMPLETION or not code.isascii():
        return False
    return any([hmac.compare_digest(one, stored) for one in hashes_of(keys, COMPLETION, code)])


def _hash(key: bytes, purpose: str, code: str) -> bytes:
    return keyed_hash(f"{purpose}:{key.hex()}", code)


STATE = "channel_connection.state"
COMPLETION = "channel_connection.completion"
CONFIRMATION = "platform_request.code"
CONFIRMATION_CODE = "platform_request.made"
