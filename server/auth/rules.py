"""Rules of sign-in that need no I/O: how people prove themselves, and what an address is."""

from __future__ import annotations

from enum import StrEnum

from server.tenants.rules import address_key

MAX_CLIENT = 120


class SignInMethod(StrEnum):
    """How a person proved themselves; a session keeps all that were used to start it."""

    PASSWORD = "PASSWORD"  # noqa: S105 - a name
    TOTP = "TOTP"
    RECOVERY_CODE = "RECOVERY_CODE"
    OIDC = "OIDC"
    PASSKEY = "PASSKEY"


class TicketKind(StrEnum):
    """What a ticket is good for; one of another kind never opens it."""

    SECOND_FACTOR = "SECOND_FACTOR"
    RESET = "RESET"
    VERIFY = "VERIFY"


class ChallengeKind(StrEnum):
    """What a browser brings back; one of another kind never opens it."""

    PASSKEY_REGISTER = "PASSKEY_REGISTER"
    PASSKEY_SIGN_IN = "PASSKEY_SIGN_IN"
    OIDC = "OIDC"
    OIDC_LINK = "OIDC_LINK"


class CredentialForm(StrEnum):
    """What stands in the list of credentials."""

    TOKEN = "TOKEN"  # noqa: S105 - a name
    APP = "APP"
    APP_GRANT = "APP_GRANT"


class CredentialState(StrEnum):
    """Whether a credential is of use, and if not, why not."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    ENDED = "ENDED"
    PARENT_ENDED = "PARENT_ENDED"


class MailPurpose(StrEnum):
    """Why somebody is owed a mail; the worker writes its text, and makes its secret, when it sends."""

    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - a name
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - a name


class MailState(StrEnum):
    """Where an owed mail stands."""

    OWED = "OWED"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"


def address_of(text: str) -> str:
    """Write an e-mail address in the one form that accounts are found by; "" for what is no address."""
    return address_key(text) or ""


def client_of(agent: str) -> str:
    """Return a browser's own name, cut and printable, for the list of sessions that its person reads."""
    return "".join(one for one in agent if one.isprintable())[:MAX_CLIENT] or "unknown"
