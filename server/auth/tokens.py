"""The form of a bearer token: `swb_<kind>_<organization>_<secret>`. A scanner finds it by prefix.

The organization stands in the token in clear, so that the token is looked up inside its tenant's wall; the secret part
alone gives the right. Pure, no I/O.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from server.kit.ids import MalformedId, decode_as, encode
from server.tenants.scope import CredentialKind

_KINDS = {
    CredentialKind.PERSONAL: "pat",
    CredentialKind.SERVICE: "svc",
    CredentialKind.SESSION: "ses",
    CredentialKind.OAUTH: "oat",
}
_FORM = re.compile(r"^swb_(pat|svc|ses|oat)_([0-9a-z]{26})_([0-9A-Za-z_-]{43})$")
_INVITATION = re.compile(r"^swb_inv_([0-9a-z]{26})_([0-9A-Za-z_-]{43})$")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that has the right form; nothing is known of its validity."""

    organization_id: UUID
    text: str = field(repr=False)


def make(kind: CredentialKind, organization_id: UUID) -> str:
    """Make a new token with 256 random bits."""
    return f"swb_{_KINDS[kind]}_{encode('o', organization_id)[2:]}_{secrets.token_urlsafe(32)}"


def read(text: str) -> BearerToken | None:
    """Read a token's form; None for anything that `make` would not write."""
    match = _FORM.fullmatch(text)
    return None if match is None else _of(match[2], text)


def make_invitation(organization_id: UUID) -> str:
    """Make the secret of an invitation's link, with 256 random bits."""
    return f"swb_inv_{encode('o', organization_id)[2:]}_{secrets.token_urlsafe(32)}"


def read_invitation(text: str) -> BearerToken | None:
    """Read the form of an invitation's secret; None for anything that `make_invitation` would not write."""
    match = _INVITATION.fullmatch(text)
    return None if match is None else _of(match[1], text)


def _of(organization: str, text: str) -> BearerToken | None:
    try:
        return BearerToken(decode_as("o", f"o_{organization}"), text)
    except MalformedId:
        return None
