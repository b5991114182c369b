"""Secrets at rest: AES-256-GCM with the row's identity as associated data, a ring of keys, and keyed hashes.

A ciphertext copied into another row, table or tenant does not open, because the identity of its row is authenticated
with it (reliability.md 1.8).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealBroken(Exception):
    """The sealed value was changed, belongs to another row, or its key is not in the ring."""


class KeyRingInvalid(ValueError):
    """The configured keys cannot be used; the process must not start."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by name. The first seals; all of them open."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read `name:base64(32 bytes)[,…]`; raise KeyRingInvalid that says what is wrong, never the key."""
        keys: list[tuple[str, bytes]] = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, mark, encoded = part.partition(":")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as error:
                raise KeyRingInvalid("each key is name:base64") from error
            if not mark or not name.isascii() or not 0 < len(name) < 32 or len(raw) != _KEY_BYTES:
                raise KeyRingInvalid("each key is name:base64 of exactly 32 bytes, the name at most 31 ASCII letters")
            keys.append((name, raw))
        if not keys or len({name for name, _ in keys}) != len(keys):
            raise KeyRingInvalid("give at least one key, and each name once")
        return cls(tuple(keys))

    def seal(self, secret: str, identity: str) -> bytes:
        """Encrypt `secret` so that it opens only with the same `identity` (table, column, organization, row)."""
        name, key = self.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        label = name.encode()
        header = bytes([_VERSION, len(label)]) + label
        sealed = AESGCM(key).encrypt(nonce, secret.encode(), header + identity.encode())
        return header + nonce + sealed

    def open(self, sealed: bytes, identity: str) -> str:
        """Decrypt; raise SealBroken for a changed value, another identity or a key that is no longer in the ring."""
        name, header, rest = _split(sealed)
        key = dict(self.keys).get(name)
        if key is None:
            raise SealBroken("the key of this value is not in the ring")
        try:
            opened = AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + identity.encode())
        except InvalidTag as error:
            raise SealBroken("the value was changed or belongs to another row") from error
        return opened.decode()

    def hashes(self, purpose: str, text: str) -> list[bytes]:
        """Return the keyed hashes of a text for one purpose, one for each key; write the first, look for all of them."""
        return [keyed_hash(f"{purpose}:{key.hex()}", text) for _, key in self.keys]

    def is_current(self, sealed: bytes) -> bool:
        """Say whether the value is sealed with the first key; if not, open and seal it again to finish a rotation."""
        return _split(sealed)[0] == self.keys[0][0]


def _split(sealed: bytes) -> tuple[str, bytes, bytes]:
    if len(sealed) < 2 or sealed[0] != _VERSION or len(sealed) < 2 + sealed[1] + _NONCE_BYTES:
        raise SealBroken("not a sealed value of a known version")
    end = 2 + sealed[1]
    return sealed[2:end].decode("ascii", "replace"), sealed[:end], sealed[end:]


def keyed_hash(pepper: str, text: str) -> bytes:
    """Return HMAC-SHA256: finds a token or an address again without storing it, useless without the pepper."""
    return hmac.new(pepper.encode(), text.encode(), hashlib.sha256).digest()
