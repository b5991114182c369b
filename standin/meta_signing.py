"""How Meta writes and signs a webhook's body, on every network of its (platforms.md 1.5)."""

import hashlib
import hmac
import json


def escaped(body: object) -> bytes:
    """JSON with every non-ASCII character as \\uXXXX in lowercase hex: the form that Meta signs."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def signatures(secret: str, raw: bytes) -> dict[str, str]:
    """Both signature headers over the exact bytes."""
    key = secret.encode()
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(key, raw, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(key, raw, hashlib.sha256).hexdigest(),
    }
