"""The form of a bearer token: `swb_<kind>_<organization>_<secret>`. A scanner finds it by prefix.

The organization stands in the token in clear, so that the token is looked up inside its tenant's wall; the secret part
alone gives the right. Pure, no I/O.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from server.auth.models import TokenKind
from server.kit.ids import MalformedId, decode_as, encode

_KINDS = {TokenKind.PERSONAL: "pat", TokenKind.SERVICE: "svc"}
_FORM = re.compile(r"^swb_(pat|svc)_([0-9a-z]{26})_([0-9A-Za-z_-]{43})$")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that has the right form; nothing is known of its validity."""

    organization_id: UUID
    text: str = field(repr=False)


def make(kind: TokenKind, organization_id: UUID) -> str:
    """Make a new token with 256 random bits."""
    return f"swb_{_KINDS[kind]}_{encode('o', organization_id)[2:]}_{secrets.token_urlsafe(32)}"


def read(text: str) -> BearerToken | None:
    """Read a token's form; None for anything that `make` would not write."""
    match = _FORM.match(text)
    if match is None:
        return None
    try:
        return BearerToken(decode_as("o", f"o_{match[2]}"), text)
    except MalformedId:
        return None
