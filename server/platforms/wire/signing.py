"""Secrets of ours, and whether one of them made a signature."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from server.platforms.port import SignatureInvalid


def secrets_of(given: SecretStr) -> tuple[str, ...]:
    """Return the secrets of a setting, separated by commas: the first is ours now, the others still verify."""
    return tuple(one for part in given.get_secret_value().split(",") if (one := part.strip()))


def insist(given: str, secrets: Sequence[str], sign: Callable[[str], str]) -> None:
    """Raise SignatureInvalid unless `sign` makes this signature with one of the secrets.

    All are tried in constant time, so that the time does not tell which one fits. Without a secret everything is refused:
    an empty key would be one that everybody knows.
    """
    fits = False
    for secret in secrets:
        if secret:
            fits |= hmac.compare_digest(sign(secret).encode(), given.encode())
    if not fits:
        raise SignatureInvalid("the body is not signed with a secret of ours")
