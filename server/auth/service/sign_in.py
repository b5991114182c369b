"""Signing in with an address and a password, up to the second factor if one is owed."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from server.auth import passwords
from server.auth.errors import SessionEnded, SignInRefused
from server.auth.repository import accounts as repository
from server.auth.rules import SignInMethod, TicketKind, address_of
from server.auth.service.factors import second_factor_of
from server.auth.service.sessions import Proof, act_within, affiliations, read_session, start_session
from server.auth.service.throttle import count_attempt
from server.auth.service.tickets import issue_ticket
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound
from server.tenants.uow import system_scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a stranger's request comes from: the browser's own name, and the network as `network_of` tells it."""

    client: str
    network: str


@dataclass(frozen=True, slots=True)
class Proved:
    """Somebody has proved who they are, and owes nothing more."""

    user_id: UUID
    methods: frozenset[SignInMethod]
    password_hash: str | None = field(default=None, repr=False)
    """What the password was checked against; a session starts only while it is the account's."""


@dataclass(frozen=True, slots=True)
class FactorOwed:
    """The first factor fits; the ticket is good for one second factor within five minutes."""

    ticket: str = field(repr=False)


async def prove_password(
    database: Database, settings: Settings, caller: Caller, *, email: str, password: str
) -> Proved | FactorOwed:
    """Check a password; raise TooManyAttempts before anything was looked at, else SignInRefused.

    An unknown address, a disabled account, an account without a password and a wrong password take the same statements
    and the same one hash, and get the same answer.
    """
    address = address_of(email)
    await count_attempt(database, settings, subject=address, network=caller.network)
    async with system_scope(database) as session:
        account = await repository.by_email(session, address)
    stored = None if account is None or account.disabled_at is not None else account.password_hash
    if not await passwords.fits(stored, password) or account is None or stored is None:
        raise SignInRefused
    stored = await _renewed(database, account.id, stored, password)
    proved = Proved(account.id, frozenset({SignInMethod.PASSWORD}), stored)
    async with system_scope(database) as session:
        if not await second_factor_of(session, proved.user_id):
            return proved
        if not await repository.hold(session, proved.user_id, stored):
            raise SignInRefused
        ticket = await issue_ticket(session, settings, TicketKind.SECOND_FACTOR, proved.user_id, proved.methods)
    return FactorOwed(ticket)


async def _renewed(database: Database, user_id: UUID, stored: str, password: str) -> str:
    if not passwords.is_outdated(stored):
        return stored
    renewed = await passwords.hash_of(password)
    async with system_scope(database) as session:
        await repository.set_password(session, user_id, renewed, instead_of=stored)
    return renewed


async def open_session(database: Database, settings: Settings, caller: Caller, proved: Proved) -> str:
    """Start the session of somebody who owes nothing more; return its cookie's value.

    Raises SignInRefused if the password was changed, or the account disabled, since it was proved.
    """
    proof = Proof(network=caller.network, password_hash=proved.password_hash)
    return await start_session(database, settings, proved.user_id, proved.methods, caller.client, proof=proof)


@dataclass(frozen=True, slots=True)
class Entered:
    """A session that has begun, and the token with which it acts for one organization."""

    session_id: UUID
    token: str = field(repr=False)


async def enter(
    database: Database, settings: Settings, caller: Caller, proved: Proved, organization_id: UUID
) -> Entered:
    """Start the session of somebody who owes nothing more and act for one organization; for clients without cookies.

    Raises NotFound, and starts nothing, for an organization that the person is no active member of; SignInRefused as
    `open_session` does.
    """
    if organization_id not in {one.organization_id for one in await affiliations(database, proved.user_id)}:
        raise NotFound(path=("organizationId",))
    signed_in = await read_session(database, settings, await open_session(database, settings, caller, proved))
    if signed_in is None:
        raise SessionEnded
    return Entered(signed_in.session_id, await act_within(database, settings, signed_in.session_id, organization_id))
