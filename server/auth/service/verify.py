"""The second factor of a sign-in: with the ticket of the first, for five minutes and five attempts."""

from __future__ import annotations

from server.auth.errors import TicketInvalid
from server.auth.repository import factors as repository
from server.auth.rules import SignInMethod, TicketKind
from server.auth.service.factors.proof import FactorProof, count_factor
from server.auth.service.factors.totp import check_form, show_factor
from server.auth.service.sign_in import Caller, FactorOwed, Proved
from server.auth.service.throttle import count_guess
from server.auth.service.tickets import Ticket, issue_ticket, read_ticket, use_ticket
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.tenants.uow import system_scope

MAX_ATTEMPTS = 5
_SECOND = frozenset({SignInMethod.TOTP, SignInMethod.RECOVERY_CODE})


async def prove_factor(
    database: Database, settings: Settings, caller: Caller, ticket: str, proof: FactorProof
) -> Proved:
    """Check a second factor and use the ticket up. A ticket that already holds one, by `hold_proof`, needs no other.

    Raises TooManyAttempts before anything is looked at, TicketInvalid for a ticket that is used, five minutes old, or was
    tried five times, CodeWrong, and InvalidInput for none or two codes.
    """
    found = await _read(database, settings, caller, ticket)
    is_owed = not found.methods & _SECOND
    if is_owed:
        check_form(proof)
    await count_factor(database, settings, found.user_id, caller.network)
    digest = keyed_hash(settings.security.pepper.get_secret_value(), ticket)
    # In a transaction of its own: a wrong code below undoes everything but the count.
    async with system_scope(database) as session:
        if not await repository.try_ticket(session, digest, MAX_ATTEMPTS):
            raise TicketInvalid(path=("ticket",))
    async with system_scope(database) as session:
        used = await use_ticket(session, settings, TicketKind.SECOND_FACTOR, ticket)
        if used is None:
            raise TicketInvalid(path=("ticket",))
        shown = frozenset[SignInMethod]()
        if is_owed:
            shown = frozenset({await show_factor(session, database, settings, used.user_id, proof)})
    return Proved(used.user_id, used.methods | shown)


async def hold_proof(database: Database, settings: Settings, proved: Proved) -> FactorOwed:
    """Give a ticket to somebody who proved all and has yet to name an organization; it lives five minutes."""
    async with system_scope(database) as session:
        ticket = await issue_ticket(session, settings, TicketKind.SECOND_FACTOR, proved.user_id, proved.methods)
    return FactorOwed(ticket)


async def _read(database: Database, settings: Settings, caller: Caller, ticket: str) -> Ticket:
    async with system_scope(database) as session:
        found = await read_ticket(session, settings, TicketKind.SECOND_FACTOR, ticket)
    if found is None:
        await count_guess(database, settings, network=caller.network)
        raise TicketInvalid(path=("ticket",))
    return found
