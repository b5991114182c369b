"""Deauthorisation and deletion callbacks: the `signed_request` of a form POST (platforms.md 1.5)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

from server.platforms.port import SignatureInvalid, SignedCallback
from server.platforms.wire.reading import NotJson, identifier, load, mapping, moment
from server.platforms.wire.signing import insist

_MAX = 10_000


def read(form: Mapping[str, str], secrets: Sequence[str]) -> SignedCallback:
    """Verify `signed_request` with each secret and return whom it is about; raise SignatureInvalid."""
    given = form.get("signed_request", "")
    signature, dot, payload = given.partition(".")
    if not dot or not given.isascii() or len(given) > _MAX:
        raise SignatureInvalid("there is no signed request")
    insist(
        _decoded(signature).hex(),
        secrets,
        lambda secret: hmac.new(secret.encode(), payload.encode(), "sha256").hexdigest(),
    )
    try:
        told = mapping(load(_decoded(payload)))
    except NotJson:
        raise SignatureInvalid("the signed request holds no JSON") from None
    person = identifier(told.get("user_id"))
    if str(told.get("algorithm", "")).upper() != "HMAC-SHA256" or person is None:
        raise SignatureInvalid("the signed request names another algorithm, or nobody")
    return SignedCallback(person, moment(told.get("issued_at")))


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise SignatureInvalid("the signed request is not base64url") from None
