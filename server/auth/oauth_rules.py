"""What apps of third parties may be: their kinds, their addresses, the forms of their credentials. Pure, no I/O."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from server.kit.errors import DomainError, InvalidInput
from server.kit.ids import MalformedId, decode_as, encode
from server.tenants.rules import Permission, name_problems


class AppKind(StrEnum):
    """Whether an app can keep a secret (RFC 6749, 2.1). It never changes."""

    PUBLIC = "PUBLIC"
    CONFIDENTIAL = "CONFIDENTIAL"


class AppGrantType(StrEnum):
    """A way in which an app gets tokens."""

    AUTHORIZATION_CODE = "AUTHORIZATION_CODE"
    REFRESH_TOKEN = "REFRESH_TOKEN"  # noqa: S105 - the name of a grant type
    CLIENT_CREDENTIALS = "CLIENT_CREDENTIALS"
    DEVICE_CODE = "DEVICE_CODE"


class Secret(StrEnum):
    """The prefix of each kind of credential, for scanners of secrets."""

    CLIENT = "swb_cs"
    CODE = "swb_oac"
    REFRESH = "swb_ort"
    DEVICE = "swb_odc"


WIRE_GRANTS: Mapping[str, AppGrantType] = {
    "authorization_code": AppGrantType.AUTHORIZATION_CODE,
    "refresh_token": AppGrantType.REFRESH_TOKEN,
    "client_credentials": AppGrantType.CLIENT_CREDENTIALS,
    "urn:ietf:params:oauth:grant-type:device_code": AppGrantType.DEVICE_CODE,
}

CODE_LIFETIME = timedelta(seconds=60)
ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_LIFETIME = timedelta(days=30)
DEVICE_LIFETIME = timedelta(minutes=10)
DEVICE_INTERVAL_S = 5
DEVICE_SLOWER_S = 5
"""By how much one hasty poll slows all later ones (RFC 8628, 3.5)."""
SECRET_OVERLAP = timedelta(hours=24)
KEPT_FOR = timedelta(days=7)
"""How long what has expired is kept, so that a reuse is recognised; a used refresh token would have expired later."""
ACCESS_KEPT_FOR = timedelta(days=1)
"""How long an expired access token is still listed; there is one for each hour of each grant in use."""

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words, and nothing that looks like a digit (RFC 8628, 6.1)."""
MAX_REDIRECT_URIS = 20
MAX_REDIRECT_URI = 1_000
MAX_UNITS = 100

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?][!-~]*)?)")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/(?!/)[!-~]*")
_HTTPS = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::([1-9][0-9]{0,4}))?(?:[/?][!-~]*)?")
_CLIENT_ID = re.compile(r"swb_app_([0-9a-z]{26})_([0-9a-z]{26})")


def make_secret(kind: Secret, organization_id: UUID) -> str:
    """Make a credential with 256 random bits, which names its organization in clear."""
    return f"{kind.value}_{encode('o', organization_id)[2:]}_{secrets.token_urlsafe(32)}"


def client_id(organization_id: UUID, app_id: UUID) -> str:
    """Write an app's public id."""
    return f"swb_app_{encode('o', organization_id)[2:]}_{encode('o', app_id)[2:]}"


def read_client_id(text: str) -> tuple[UUID, UUID] | None:
    """Read the organization and the app that a client id names; None for anything that `client_id` would not write."""
    match = _CLIENT_ID.fullmatch(text)
    if match is None:
        return None
    try:
        return decode_as("o", f"o_{match[1]}"), decode_as("o", f"o_{match[2]}")
    except MalformedId:
        return None


def plain_user_code(text: str) -> str | None:
    """Return the eight letters of a code that a person typed; None if it cannot be one."""
    letters = "".join(one for one in text.upper() if one not in " -")
    return letters if text.isascii() and len(letters) == 8 and set(letters) <= set(USER_CODE_LETTERS) else None


def is_registered(kind: AppKind, registered: Collection[str], asked: str) -> bool:
    """Say whether a redirect address is one of the app's: the same text, byte for byte (RFC 9700, 4.1.3).

    The port of a PUBLIC app's loopback address is the system's to choose (RFC 8252, 7.3) and may differ, nothing else.
    """
    if asked in registered:
        return True
    if kind is not AppKind.PUBLIC:
        return False
    parts = _loopback(asked)
    return parts is not None and any(parts == _loopback(one) for one in registered)


def _loopback(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK.fullmatch(uri)
    if match is None or "#" in uri or int(match[2] or 1) > 65_535:
        return None
    return match[1], match[3]


def redirect_problems(kind: AppKind, uris: Sequence[str]) -> list[DomainError]:
    """Return what is wrong with the addresses that an app wants to be answered at."""
    problems: list[DomainError] = []
    if len(uris) > MAX_REDIRECT_URIS:
        problems.append(InvalidInput(f"An app has at most {MAX_REDIRECT_URIS} redirect URIs.", path=("redirectUris",)))
    for place, uri in enumerate(uris):
        if not _may_be_registered(kind, uri) or uri in uris[:place]:
            problems.append(
                InvalidInput(
                    "Give each address once: https://, for a PUBLIC app also http://127.0.0.1 or http://[::1] or a scheme"
                    " like com.example.app:/, in plain ASCII, without user, wildcard or fragment.",
                    path=("redirectUris", str(place)),
                )
            )
    return problems


def _may_be_registered(kind: AppKind, uri: str) -> bool:
    if len(uri) > MAX_REDIRECT_URI or not re.fullmatch(r"[!-~]+", uri) or set(uri) & set("#*\\\"<>'`{}|^"):
        return False
    if kind is AppKind.PUBLIC and (_loopback(uri) or _PRIVATE_SCHEME.fullmatch(uri)):
        return True
    match = _HTTPS.fullmatch(uri)
    return match is not None and int(match[1] or 1) <= 65_535


def app_problems(
    name: str, kind: AppKind, grant_types: Collection[AppGrantType], permissions: Collection[Permission]
) -> list[DomainError]:
    """Return what is wrong with the description of an app, all at once."""
    problems: list[DomainError] = [*name_problems(name)]
    if not permissions:
        problems.append(InvalidInput("Name at least one permission.", path=("permissions",)))
    if not set(grant_types) - {AppGrantType.REFRESH_TOKEN}:
        problems.append(InvalidInput("Name at least one way to a first token.", path=("grantTypes",)))
    if kind is AppKind.PUBLIC and AppGrantType.CLIENT_CREDENTIALS in grant_types:
        problems.append(
            InvalidInput("CLIENT_CREDENTIALS needs an app that can keep a secret: CONFIDENTIAL.", path=("grantTypes",))
        )
    return problems


def known(names: Iterable[str]) -> frozenset[Permission]:
    """Read permissions; a name that this release does not know gives nothing."""
    return frozenset(one for one in Permission if one.value in set(names))


def scope_of(permissions: Iterable[Permission]) -> str:
    """Write permissions as a scope on the wire (RFC 6749, 3.3)."""
    return " ".join(sorted(one.value for one in permissions))


def permissions_of(scope: str) -> frozenset[Permission] | None:
    """Read a scope; None if it names something that is no permission."""
    names = scope.split(" ")
    found = known(names)
    return found if {one.value for one in found} == set(names) - {""} else None
