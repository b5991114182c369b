"""Sign-in by an OpenID provider's word: who the person is here, and how an identity comes to belong to an account.

The shell (`server.web.oidc`) talks to the provider and verifies what it says. Issuer and subject alone decide who somebody
is; an e-mail address only suggests an account, and never opens one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from httpx import HTTPError, InvalidURL
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.actions import Action
from server.auth.errors import EmailNotVouched, ProviderRefused, TicketInvalid
from server.auth.repository import accounts, factors
from server.auth.repository import identities as repository
from server.auth.rules import ChallengeKind, SignInMethod, TicketKind, address_of
from server.auth.service.challenges import Challenge, Identity, issue_challenge, read_challenge, use_challenge
from server.auth.service.factors.owed import second_factor_of
from server.auth.service.factors.proof import RECENT, Person, record
from server.auth.service.sign_in import Caller, FactorOwed, Proved
from server.auth.service.throttle import count_guess
from server.auth.service.tickets import issue_ticket
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.rules import MAX_NAME
from server.tenants.uow import system_scope

PROVIDER_AWAY = (HTTPError, InvalidURL)
"""What talking to a provider raises when it does not answer, or not with success."""

_MAX_SUBJECT = 255
"""OpenID Connect Core 1.0 section 2: a subject has at most 255 ASCII characters."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a provider says about a person, verified."""

    identity: Identity
    email: str | None
    is_email_verified: bool
    name: str | None


@dataclass(frozen=True, slots=True)
class LinkOwed:
    """An account has this address. Its person must sign in once, and say so, before the provider's word opens it."""

    token: str = field(repr=False)


async def begin_dialogue(database: Database, settings: Settings, caller: Caller, state: str, browser: str) -> None:
    """Remember that this browser was sent to a provider with this state; raise TooManyAttempts."""
    await count_guess(database, settings, network=caller.network)
    async with system_scope(database) as session:
        await issue_challenge(session, settings, Challenge(ChallengeKind.OIDC, state, browser))


async def end_dialogue(database: Database, settings: Settings, caller: Caller, state: str, browser: str) -> None:
    """Use the state up; raise TooManyAttempts, and ProviderRefused for one that this browser was not given or has used."""
    await count_guess(database, settings, network=caller.network)
    async with system_scope(database) as session:
        if await use_challenge(session, settings, Challenge(ChallengeKind.OIDC, state, browser)) is None:
            raise ProviderRefused


async def prove_identity(database: Database, settings: Settings, vouched: Vouched) -> Proved | FactorOwed | LinkOwed:
    """Find out who a person is here whom a provider vouched for.

    A known identity is its account, whatever address it has now. An unknown one with a verified address makes an account
    without any rights, or waits to be linked if an account has the address. Raises EmailNotVouched, and ProviderRefused
    for a disabled account, and for an address that its account has never verified.
    """
    identity = vouched.identity
    if not 0 < len(identity.subject) <= _MAX_SUBJECT or "\0" in identity.subject:
        raise ProviderRefused
    async with system_scope(database) as session:
        user_id = await repository.person_of(session, identity.issuer, identity.subject)
        if user_id is None:
            email = _address(vouched)
            account = await accounts.by_email(session, email)
            if account is not None:
                if account.disabled_at is not None or account.email_verified_at is None:
                    raise ProviderRefused
                return await _owe_link(session, settings, account.id, identity)
            user_id = await _new_account(session, identity, email, vouched.name)
        elif not await accounts.hold(session, user_id, None):
            raise ProviderRefused
        methods = frozenset({SignInMethod.OIDC})
        if not await second_factor_of(session, user_id):
            return Proved(user_id, methods)
        return FactorOwed(await issue_ticket(session, settings, TicketKind.SECOND_FACTOR, user_id, methods))


def _address(vouched: Vouched) -> str:
    email = address_of(vouched.email or "")
    if not email or not vouched.is_email_verified:
        raise EmailNotVouched
    return email


async def _new_account(session: AsyncSession, identity: Identity, email: str, name: str | None) -> UUID:
    told = "".join(one for one in name or "" if one.isprintable()).strip()[:MAX_NAME]
    row: dict[str, object] = {
        "id": new_id(),
        "email": email,
        "name": told or email[:MAX_NAME],
        "email_verified_at": func.clock_timestamp(),
    }
    user_id = await accounts.add(session, row)
    if user_id is None or not await repository.add_identity(session, user_id, identity.issuer, identity.subject):
        raise ProviderRefused  # somebody was quicker by an instant; the next try finds what they made
    return user_id


async def _owe_link(session: AsyncSession, settings: Settings, user_id: UUID, identity: Identity) -> LinkOwed:
    token = secrets.token_urlsafe(32)
    await issue_challenge(session, settings, _link(token), user_id=user_id, identity=identity)
    return LinkOwed(token)


def _link(token: str) -> Challenge:
    return Challenge(ChallengeKind.OIDC_LINK, token, token)  # the browser has it as a cookie, and nobody else has it


async def waiting_link(database: Database, settings: Settings, person: Person, token: str) -> Identity | None:
    """Return the identity that waits for this person's consent; None if there is none."""
    async with system_scope(database) as session:
        row = await read_challenge(session, settings, _link(token))
    if row is None or row.user_id != person.user_id or row.issuer is None or row.subject is None:
        return None
    return Identity(row.issuer, row.subject)


async def link_identity(database: Database, settings: Settings, person: Person, token: str) -> None:
    """Let the identity that waits belong to the person, who signed in within ten minutes.

    Raises TicketInvalid for a link that was used, has expired, or waits for somebody else, and for an older sign-in.
    """
    async with system_scope(database) as session:
        row = await use_challenge(session, settings, _link(token))
        is_theirs = row is not None and row.user_id == person.user_id
        is_recent = await factors.is_recent(session, person.user_id, person.session_id, RECENT)
        if row is None or row.issuer is None or row.subject is None or not is_theirs or not is_recent:
            raise TicketInvalid
        if not await repository.add_identity(session, person.user_id, row.issuer, row.subject):
            raise TicketInvalid
        await record(session, database, person.user_id, Action.IDENTITY_LINK, {"issuer": row.issuer})
