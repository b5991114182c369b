"""A software authenticator: real keys, real attestation objects and assertions, written from WebAuthn Level 2.

It can be told to do wrong. It shares no code with the server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


@dataclass(slots=True)
class Key:
    """One passkey on the device."""

    rp_id: str
    user_handle: bytes
    key: ec.EllipticCurvePrivateKey
    credential_id: bytes
    count: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """How the device and the browser behave. The defaults are what they should do."""

    origin: str
    rp_id: str | None = None
    challenge: str | None = None
    kind: str | None = None
    is_present: bool = True
    is_verified: bool = True
    is_cross_origin: bool = False
    count: int | None = None
    user_handle: bytes | None = None
    signs_with: ec.EllipticCurvePrivateKey | None = None
    attestation: dict[str, Any] | None = None
    credential_id: bytes | None = None


@dataclass(slots=True)
class Authenticator:
    """A device with its keys. `counts` says whether it counts its uses."""

    counts: bool = True
    keys: list[Key] = field(default_factory=list)

    def create(self, options: dict[str, Any], way: Way) -> dict[str, Any]:
        """Make a passkey: the answer of `navigator.credentials.create()`, as a page sends it."""
        key = Key(
            options["rp"]["id"],
            _bytes(options["user"]["id"]),
            ec.generate_private_key(ec.SECP256R1()),
            way.credential_id or os.urandom(32),
        )
        self.keys.append(key)
        numbers = key.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(key.credential_id).to_bytes(2) + key.credential_id + cbor2.dumps(cose)
        data = self._data(key, way, _ATTESTED) + attested
        told = way.attestation or {"fmt": "none", "attStmt": {}}
        client = _client("webauthn.create", options["challenge"], way)
        response = {
            "clientDataJSON": _text(client),
            "attestationObject": _text(cbor2.dumps(told | {"authData": data})),
            "transports": ["internal", "hybrid", "smoke signals", 4711],
        }
        return _credential(key, response)

    def get(self, options: dict[str, Any], way: Way, *, at: int = 0) -> dict[str, Any]:
        """Sign with a passkey: the answer of `navigator.credentials.get()`, as a page sends it."""
        key = self.keys[at]
        if self.counts and way.count is None:
            key.count += 1
        data = self._data(key, way, 0)
        client = _client("webauthn.get", options["challenge"], way)
        signature = (way.signs_with or key.key).sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": _text(client),
            "authenticatorData": _text(data),
            "signature": _text(signature),
            "userHandle": _text(key.user_handle if way.user_handle is None else way.user_handle),
        }
        return _credential(key, response)

    def copied(self) -> Authenticator:
        """Return what a thief made of the device: the same keys, which count on from here by themselves."""
        return Authenticator(self.counts, [replace(one) for one in self.keys])

    def _data(self, key: Key, way: Way, flags: int) -> bytes:
        flags |= (_PRESENT if way.is_present else 0) | (_VERIFIED if way.is_verified else 0)
        count = key.count if way.count is None else way.count
        return hashlib.sha256((way.rp_id or key.rp_id).encode()).digest() + bytes([flags]) + count.to_bytes(4)


def _client(kind: str, challenge: str, way: Way) -> bytes:
    told = {
        "type": way.kind or kind,
        "challenge": way.challenge or challenge,
        "origin": way.origin,
        "crossOrigin": way.is_cross_origin,
    }
    return json.dumps(told).encode()


def _credential(key: Key, response: dict[str, Any]) -> dict[str, Any]:
    name = _text(key.credential_id)
    return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
