"""Connecting: what a consent dialogue needs and gives, and what a call about a grant or a page needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.platforms.port.names import Channel, FailureReason, Login


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """What the address of a consent dialogue is made of. `code_challenge` is S256 (RFC 7636), where the channel uses PKCE."""

    state: str
    redirect_uri: str
    login: Login = Login.DIRECT
    code_challenge: str | None = None


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """What a code is traded with; `redirect_uri` is the one of the dialogue, letter by letter."""

    code: str = field(repr=False)
    redirect_uri: str
    login: Login = Login.DIRECT
    code_verifier: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PageCredentials:
    """What one call on behalf of a page needs. Lives in memory only; never logged (repr hides the tokens).

    `page_token` is the account's where the page has none of its own. `parent_external_id` is the page that an account hangs
    on, where the login went through one; `account_external_id` is the person who gave the grant.
    """

    channel: Channel
    page_external_id: str
    page_token: str = field(repr=False)
    account_token: str | None = field(default=None, repr=False)
    ad_account_id: str | None = None
    login: Login = Login.DIRECT
    parent_external_id: str | None = None
    account_external_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """What one call about a person's grant needs. Lives in memory only; never logged (repr hides the tokens)."""

    channel: Channel
    person_external_id: str
    token: str = field(repr=False)
    login: Login = Login.DIRECT
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a refresh gave. Without a new refresh token the old one stays in force; a None time means no known end."""

    access_token: str = field(repr=False)
    expires_at: datetime | None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's consent in the platform's dialogue gave us."""

    person_external_id: str
    person_name: str
    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None
    login: Login = Login.DIRECT


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page that the grant reaches.

    `page_token` is None where calls for the page use the grant's own token. `ad_account_id` is set where the person may
    also pay for marketing messages. `missing_permissions` names, in the platform's words, what the grant lacks to serve it.
    """

    external_id: str
    name: str
    page_token: str | None = field(repr=False)
    tasks: tuple[str, ...]
    ad_account_id: str | None = None
    parent_external_id: str | None = None
    missing_permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantState:
    """What the platform says about a grant now. `missing_scopes` are those that our features need and it does not hold."""

    is_valid: bool
    detail: str = ""
    expires_at: datetime | None = None
    missing_scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """A verified deauthorisation or deletion callback: whose grant it is about."""

    person_external_id: str
    issued_at: datetime | None


class PlatformCallFailed(Exception):
    """A call other than a send failed.

    `reason` says what it means, `retryable` whether waiting can heal it, `retry_after_s` how long the platform asks for.
    """

    def __init__(
        self, reason: FailureReason, detail: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class NotOffered(PlatformCallFailed):
    """The platform has no such call at all; its capability says so, and nobody should have asked."""

    def __init__(self, what: str) -> None:
        super().__init__(FailureReason.POLICY, f"the platform does not offer {what}")


class Ability(StrEnum):
    """What a connector can be asked for beyond the verbs that all have."""

    REFRESH = "REFRESH"
    SIGNED_CALLBACKS = "SIGNED_CALLBACKS"
    MARKETING = "MARKETING"
